"""What a backend is: data about it, and one way to call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ..imaging.monitor import Monitor
from ..imaging.size_rule import SizeRule

if TYPE_CHECKING:
    from torch import Tensor

    from .exemplar.provenance import Provenance


Value = bool | int | float | str
"""What a setting can be."""


@dataclass(frozen=True)
class Setting:
    """Something about a backend that a person can choose, beyond what all backends share.

    Attributes:
        name: what users type, in lower case with hyphens: `guidance`, `jump-length`, `prompt`.
        default: its value if nobody chooses; its type is the type of the setting.
        help: a few words for lists and dialogs.
        low, high: smallest and largest value of a number.
        choices: the values of a text that are allowed; empty = any.
    """

    name: str
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackendInfo:
    """Facts about a backend, known without loading it.

    Attributes:
        name: what users type.
        title: one short line for lists.
        licence: SPDX name of the weights' (or the library's) licence.
        task: `fill`: it invents what it may not see; `restore`: it improves what it is shown, the hole says where.
        commercial_use: whether that licence allows commercial use.
        size_rule: sizes that the backend accepts.
        differentiable: gradients flow from output to input, so every attribution method works.
        stochastic: the result depends on the seed.
        learned: a trained network, as opposed to a classical or an exemplar method.
        weights: names of catalog entries that must be present.
        networks: for each of `weights` that is a torch network of ours, `module:function` that makes the network; see
            `architectures`.
        guide: what lines drawn by a person mean to it: a "sketch" of what to paint, or the "edges" of the result;
            empty = it takes none.
        settings: what a person can choose about it.
        copies: every filled pixel is made of known ones, which `provenance` names; see `Copying`.
        many_seeds: `seed` may be a sequence, one for each picture of the batch, to make several fills at once.
        modules: importable modules that must be installed.
        gpu: it can run on a GPU.
        extra: the optional dependency group that installs them.
        paper: where the method comes from.
        advice: when to take it, in a few words.
        loader: `module:function`, imported only when the backend is used; called with the info and the device, it
            returns the backend.
    """

    name: str
    title: str
    loader: str
    licence: str
    commercial_use: bool
    size_rule: SizeRule = field(default_factory=SizeRule)
    task: Literal["fill", "restore"] = "fill"
    differentiable: bool = False
    stochastic: bool = False
    learned: bool = False
    weights: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    guide: Literal["", "sketch", "edges"] = ""
    settings: tuple[Setting, ...] = ()
    copies: bool = False
    many_seeds: bool = False
    modules: tuple[str, ...] = ()
    gpu: bool = False
    extra: str = ""
    paper: str = ""
    advice: str = ""


@runtime_checkable
class Backend(Protocol):
    """Anything that fills a hole.

    Ranges, mask polarity and mean fill of the network inside are the backend's own business; the caller only ever
    sees the conventions below.

    A backend whose info names a `guide` also takes `guide: Tensor | None`, float32 `[N, 1, H, W]` in {0, 1}, 1 = a
    line. One whose info names `settings` also takes `settings: Mapping[str, Value]` with a checked value for each of
    them. Nobody gives these to a backend that does not name them.
    """

    @property
    def info(self) -> BackendInfo:
        """Facts about the backend."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda`, `mps`."""
        ...

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """Raw output, not yet pasted into the picture.

        Args:
            image: float32 `[N, 3, H, W]` in [0, 1], of a size that the size rule accepts.
            hole: float32 `[N, 1, H, W]` in {0, 1}, 1 = fill this.
            exclude: like `hole`, 1 = do not look at this pixel and do not fill it either.
            seed: for stochastic backends; the same seed gives the same bytes.
            monitor: progress and cancelling.

        Returns:
            float32 `[N, 3, H, W]`, on the same device as `image`.
        """
        ...


@runtime_checkable
class Holding(Protocol):
    """A backend that derives something from the picture by steps or thresholds, such as edges.

    Along a path of pictures that would jump, so an explanation asks for a backend in which it is held as it is for
    the picture itself.
    """

    def held(self, image: Tensor, hole: Tensor, *, exclude: Tensor | None = None) -> Backend:
        """The backend with what it derives from this picture, whatever picture it is then called with."""
        ...


@runtime_checkable
class Convertible(Protocol):
    """A backend without gradients that can make a copy of itself with them."""

    def with_gradients(self, monitor: Monitor | None = None) -> Backend:
        """A differentiable backend that fills the same; the title of its info says what it is and how that was checked.

        Raises:
            MissingError: a package is not installed.
            InputError: there is no such copy, or it fills differently.
            Cancelled: the caller asked to stop.
        """
        ...


@runtime_checkable
class Copying(Protocol):
    """A backend that copies, and says from where."""

    def provenance(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Provenance:
        """The sources of every pixel that a call with the same arguments fills, for one picture."""
        ...


@runtime_checkable
class Checking(Protocol):
    """A backend that makes several candidates of a fill, judges them, and tells what it thinks of each."""

    def checks(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        guide: Tensor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> list[list[dict[str, Any]]]:
        """All candidates of each picture of a call with the same arguments, dropped ones too, as plain values."""
        ...

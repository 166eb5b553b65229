"""What a backend is: data about it, and one way to call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..imaging.monitor import Monitor
from ..imaging.size_rule import SizeRule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BackendInfo:
    """Facts about a backend, known without loading it.

    Attributes:
        name: what users type.
        title: one short line for lists.
        licence: SPDX name of the weights' (or the library's) licence.
        commercial_use: whether that licence allows commercial use.
        size_rule: sizes that the backend accepts.
        differentiable: gradients flow from output to input, so every attribution method works.
        stochastic: the result depends on the seed.
        learned: a trained network, as opposed to a classical or an exemplar method.
        weights: names of catalog entries that must be present.
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
    differentiable: bool = False
    stochastic: bool = False
    learned: bool = False
    weights: tuple[str, ...] = ()
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

"""The Python API: `fill`, `explain`, and the result that both return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends.custom import CustomBackend
from .backends.network import Convention
from .backends.protocol import Backend, BackendInfo, Value
from .backends.registry import info, load
from .imaging.errors import InputError
from .imaging.guide import drawn_lines
from .imaging.hole import Hole, threshold
from .imaging.layers import Layer
from .imaging.monitor import Monitor
from .imaging.picture import Picture
from .imaging.reading import read_mask_array, read_picture
from .imaging.writing import write_picture
from .plugin import files
from .plugin.choices import DEFAULT_BACKEND
from .plugin.operation import Outcome, Source, fill_and_explain
from .plugin.request import ExplainOptions, FillOptions, Target, default_method

Image = NDArray[Any] | str | PathLike[str]
"""An array `[H, W]` or `[H, W, 1|3|4]` (uint8, uint16, float in [0, 1]) or the path of a picture."""

Weights = str | PathLike[str] | Sequence[str | PathLike[str]]
"""One or several files of weights."""


@dataclass(frozen=True, eq=False)
class Result:
    """A fill, with its explanation if there is one.

    Attributes:
        outcome: everything about it.
    """

    outcome: Outcome

    @property
    def image(self) -> NDArray[Any]:
        """The filled picture, of the shape and dtype of the picture given."""
        return self.outcome.filling.picture.to_array()

    @property
    def layers(self) -> list[Layer]:
        """Result, heatmap and outline as layers, in painting order."""
        return self.outcome.layers()

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """`[H, W]`: how much each pixel shaped the explained part of the fill, 0 and more."""
        explanation = self._explanation()
        values = np.zeros(self.outcome.filling.hole.size, np.float32)
        values[explanation.box.slices] = explanation.magnitude
        return values

    @property
    def region(self) -> NDArray[np.bool_]:
        """`[H, W]`: the smallest part that holds half of the attribution; give it as `exclude` to fill without it."""
        return self._explanation().region_in(self.outcome.filling.hole.size)

    @property
    def sentence(self) -> str:
        """The explanation in words."""
        return self._explanation().sentence

    @property
    def report(self) -> dict[str, Any]:
        """All numbers, fit for JSON."""
        return self.outcome.report()

    def save(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the filled picture; the format follows from the name."""
        write_picture(self.outcome.filling.picture, path, overwrite=overwrite)

    def save_heatmap(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the heatmap over the fill, with outlines and colour bar, as PNG."""
        self._explanation()
        files.write_heatmap(self.outcome, Path(path), overwrite)

    def save_layers(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write picture, result, heatmap and outline as OpenRaster (`.ora`)."""
        files.write_layers(self.outcome, Path(path), overwrite)

    def _explanation(self):
        if self.outcome.explanation is None:
            raise InputError("This fill was not explained: call `explain` instead of `fill`.")
        return self.outcome.explanation


def fill(
    image: Image,
    mask: Image,
    backend: str | Backend | Callable[..., Any] = DEFAULT_BACKEND,
    *,
    exclude: Image | None = None,
    device: str = "auto",
    seed: int = 0,
    grow: int = 0,
    feather: int = 4,
    context: int | None = None,
    match_border: bool = False,
    refine: bool = True,
    guide: Image | None = None,
    settings: Mapping[str, Value] | None = None,
    weights: Weights | None = None,
    convention: Convention | None = None,
    multiple_of: int = 8,
    monitor: Monitor | None = None,
) -> Result:
    """Fill the hole of a picture.

    Args:
        image: see `Image`; never changed.
        mask: an array `[H, W]` (bool, or white = fill this) or the path of one.
        backend: a name, a backend, a torch module, or a callable `(image, hole) -> output` on tensors
            `[N, 3, H, W]` in [0, 1] and `[N, 1, H, W]` in {0, 1}.
        exclude: mask of what the backend may not look at.
        device: `auto`, `cpu`, `cuda`, `mps`.
        seed: for stochastic backends.
        grow: pixels by which the hole is grown first.
        feather: width of the soft border in pixels.
        context: pixels of surroundings that the backend sees; None = by the size of the hole.
        match_border: shift the fill's colours to meet the picture's at the border.
        refine: where the backend worked at reduced resolution, add detail copied from the picture.
        guide: lines that steer the fill, dark on bright or bright on dark, for a backend that takes them.
        settings: what the backend lets you choose, by name, for example `{"steps": 20}`; see its `info.settings`.
        weights: one or several files with weights of your own; they tell the backend if none is named.
        convention: ranges, polarity and packing of a network of your own.
        multiple_of: what heights and widths of a network of your own must be multiples of.
        monitor: progress and cancelling.

    Raises:
        LensError: one sentence that says what is wrong and what to do.
    """
    name, files = _name(backend, weights)
    how = FillOptions(name, device, seed, grow, feather, context, match_border, refine, settings or {}, files)
    machine = _backend(backend, how, convention, multiple_of)
    return Result(
        fill_and_explain(
            _source(image, mask, exclude, guide, machine.info.task == "restore"), how, None, monitor, machine
        )
    )


def explain(
    image: Image,
    mask: Image,
    backend: str | Backend | Callable[..., Any] = DEFAULT_BACKEND,
    *,
    method: str | None = None,
    target: tuple[int, int, int] | None = None,
    steps: int | str = "auto",
    tolerance_percent: float = 1.0,
    smooth: str = "none",
    keep_steps: bool = False,
    test: bool = False,
    exclude: Image | None = None,
    device: str = "auto",
    seed: int = 0,
    grow: int = 0,
    feather: int = 4,
    context: int | None = None,
    match_border: bool = False,
    refine: bool = True,
    guide: Image | None = None,
    settings: Mapping[str, Value] | None = None,
    weights: Weights | None = None,
    convention: Convention | None = None,
    multiple_of: int = 8,
    monitor: Monitor | None = None,
) -> Result:
    """Fill the hole of a picture and explain the fill.

    Args:
        method: `path-ig`, `gradient`, `integrated-gradients`, `occlusion`, `rise`; None = path-ig where the backend has
            gradients, else occlusion.
        target: explain a square of the fill only: x, y of its centre and its side, in pixels.
        steps: network evaluations, or `auto` for as many as the tolerance needs.
        tolerance_percent: how far the attribution's sum may be from what it must be.
        smooth: `none`, `mean`, `gaussian`, `median`: for display.
        keep_steps: keep the pictures along the path.
        test: hide what the explanation points at, fill again, and tell how much the fill changes.

    The other arguments are those of `fill`.

    Raises:
        LensError: one sentence that says what is wrong and what to do.
    """
    name, files = _name(backend, weights)
    how = FillOptions(name, device, seed, grow, feather, context, match_border, refine, settings or {}, files)
    machine = _backend(backend, how, convention, multiple_of)
    why = ExplainOptions(
        method=method or default_method(machine.info),  # pyright: ignore[reportArgumentType]
        target=_target(target),
        steps=steps,  # pyright: ignore[reportArgumentType]
        tolerance_percent=tolerance_percent,
        smooth=smooth,  # pyright: ignore[reportArgumentType]
        keep_steps=keep_steps,
        test=test,
    )
    return Result(fill_and_explain(_source(image, mask, exclude, guide), how, why, monitor, machine))


def _target(target: tuple[int, int, int] | None) -> Target | None:
    if target is None:
        return None
    if not isinstance(target, tuple | list) or len(target) != 3:
        raise InputError(f"A target is three numbers, x, y and size in pixels, not {target!r}.")
    return Target(*target)


def _name(backend: str | Backend | Callable[..., Any], weights: Weights | None) -> tuple[str, dict[str, str]]:
    """Name of the backend, and the catalog entries that `weights` stand in for."""
    if not isinstance(backend, str):
        if weights is not None:
            raise InputError("weights= belongs to a backend that is named: leave it away for a network of your own.")
        return "custom", {}
    if weights is None:
        return info(backend).name, {}
    from .backends.architectures import resolve

    files = [Path(one) for one in ([weights] if isinstance(weights, str | PathLike) else weights)]
    return resolve(files, None if backend == DEFAULT_BACKEND else info(backend).name)


def _backend(
    backend: str | Backend | Callable[..., Any], how: FillOptions, convention: Convention | None, multiple_of: int
) -> Backend:
    if isinstance(backend, str):
        return load(how.backend, how.device, how.weights)
    if isinstance(getattr(backend, "info", None), BackendInfo):
        return backend  # pyright: ignore[reportReturnType]
    if not callable(backend):
        raise InputError(f"A backend is a name, a backend, a torch module or a function, not {type(backend).__name__}.")
    return CustomBackend(backend, convention, multiple_of)


def _source(image: Image, mask: Image, exclude: Image | None, guide: Image | None, whole: bool = False) -> Source:
    picture = read_picture(image) if isinstance(image, str | PathLike) else Picture.from_array(image)
    hole = Hole.from_array(_mask_array(mask), picture.size, whole)
    barred = None if exclude is None else threshold(_mask_array(exclude), picture.size)
    return Source(picture, hole, barred, None if guide is None else drawn_lines(_mask_array(guide), picture.size))


def _mask_array(mask: Image) -> NDArray[Any]:
    if isinstance(mask, str | PathLike):
        return read_mask_array(mask)
    if not isinstance(mask, np.ndarray):
        raise InputError(f"A mask is an array [H, W] or the path of one, not {type(mask).__name__}: convert it first.")
    return mask

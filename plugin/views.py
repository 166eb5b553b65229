"""What a backend sees of a picture through each window, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ..backends.exemplar.refinement import add_detail
from ..backends.protocol import Backend
from ..backends.settings import extras
from ..imaging.box import Box
from ..imaging.errors import InputError, LensError
from ..imaging.hole import Hole, Mask
from ..imaging.monitor import Monitor
from ..imaging.paste import match_border
from ..imaging.picture import Picture
from ..imaging.window import Float, Window, windows_for
from .request import FillOptions


@dataclass(frozen=True, eq=False)
class Scene:
    """The picture, what is to be filled with its soft border, what is not to be looked at, and drawn lines."""

    picture: Picture
    soft: Mask
    barred: Mask | None
    guide: Mask | None


@dataclass(frozen=True, eq=False)
class View:
    """What the backend sees through one window, and what it made of it.

    Attributes:
        window: where it is.
        image: `[1, 3, H, W]` in [0, 1].
        hole: `[1, 1, H, W]`, 1 = to fill.
        exclude: `[1, 1, H, W]`, 1 = not to be looked at; None = nothing.
        mask: `[h, w]`, pixels of the crop that this window fills.
        hidden: `[h, w]`, pixels of the crop that the backend does not see.
        extras: further arguments of the backend: its settings, the guide `[1, 1, H, W]` that was drawn.
        fill: `[h, w, 3]` sRGB of the crop; None until it is filled.
    """

    window: Window
    image: Tensor
    hole: Tensor
    exclude: Tensor | None
    mask: Mask
    hidden: Mask
    extras: dict[str, Any] = field(default_factory=dict)
    fill: Float | None = None


def filled_views(
    scene: Scene, backend: Backend, jobs: Sequence[FillOptions], monitor: Monitor
) -> list[tuple[View, ...]]:
    """All windows filled, once for each job; jobs differ in their seed only."""
    soft, options = scene.soft, jobs[0]
    hidden = soft if scene.barred is None else soft | scene.barred
    windows = windows_for(hidden, Hole(soft, whole=True).groups(), backend.info.size_rule, options.context_px)
    windows = [window for window in windows if soft[window.core.slices].any()]
    done: list[list[View]] = [[] for _ in jobs]
    for index, window in enumerate(windows):
        part = monitor.part(index / len(windows), (index + 1) / len(windows))
        part.report("filling", 0.0)
        given = _extras(scene, window, backend, options)
        pairs = [_view(scene, window, earlier, backend.info.task == "restore") for earlier in done]
        views = [replace(view, extras=given) for view, _ in pairs]
        outputs = _outputs(views, backend, [job.seed for job in jobs], part)
        for view, (_, crop), output, earlier in zip(views, pairs, outputs, done, strict=True):
            earlier.append(replace(view, fill=_crop_fill(view, crop, output, options, part)))
    monitor.report("filling", 1.0)
    return [tuple(views) for views in done]


def _extras(scene: Scene, window: Window, backend: Backend, options: FillOptions) -> dict[str, Any]:
    guide = None if scene.guide is None else _mask_tensor(window.mask_to_model(scene.guide[window.box.slices]))
    return extras(backend.info, options.settings, guide)


def _view(scene: Scene, window: Window, done: list[View], restores: bool) -> tuple[View, Float]:
    """What the backend may see now, the picture with what earlier windows filled; and that at full resolution.

    A backend that restores sees what is under the hole.
    """
    box = window.box
    crop = scene.picture.to_srgb(box.top, box.left, box.height, box.width).copy()
    hole = scene.soft[box.slices].copy()
    for earlier in done:
        _copy_overlap(earlier, box, crop, hole)
    core = np.zeros(box.size, bool)
    core[window.core.relative_to(box).clamp(box.size).slices] = True
    barred_crop = None if scene.barred is None else scene.barred[box.slices]
    hidden = hole if barred_crop is None else hole | barred_crop
    if restores:
        hidden = np.zeros_like(hole) if barred_crop is None else barred_crop
    # A backend that looks where it should not finds nothing there.
    crop[hidden] = 0
    height, width = window.scaled
    if window.mask_to_model(hidden)[:height, :width].all():
        raise InputError(
            "Nothing known is left around the hole: make the mask or the excluded part smaller, or give a larger "
            "--context."
        )
    view = View(
        window,
        _image_tensor(window.image_to_model(crop, hidden)),
        _mask_tensor(window.mask_to_model(hole)),
        None if barred_crop is None else _mask_tensor(window.mask_to_model(barred_crop)),
        hole & core,
        hidden,
    )
    return view, crop


def _copy_overlap(earlier: View, box: Box, crop: Float, hole: Mask) -> None:
    placed = earlier.window.box
    top, left = max(box.top, placed.top), max(box.left, placed.left)
    height, width = min(box.bottom, placed.bottom) - top, min(box.right, placed.right) - left
    if height <= 0 or width <= 0 or earlier.fill is None:
        return
    overlap = Box(top, left, height, width)
    here, there = overlap.relative_to(box).slices, overlap.relative_to(placed).slices
    filled = earlier.mask[there]
    crop[here][filled] = np.clip(earlier.fill[there][filled], 0, 1)
    hole[here][filled] = False


def _outputs(views: list[View], backend: Backend, seeds: list[int], monitor: Monitor) -> list[Float]:
    """Raw outputs `[H, W, 3]` for views that differ only in what earlier windows painted."""
    groups = [(views, seeds)] if backend.info.many_seeds else [([v], [s]) for v, s in zip(views, seeds, strict=True)]
    outputs: list[Float] = []
    for index, (some, own) in enumerate(groups):
        part = monitor.part(index / len(groups), (index + 1) / len(groups))
        image = torch.cat([view.image for view in some])
        try:
            with torch.no_grad():
                made = call(backend, some[0], image, own[0] if len(own) == 1 else tuple(own), part)
        except torch.OutOfMemoryError as error:
            raise LensError(
                f"{backend.info.name} ran out of memory on {backend.device}: give a smaller --context, close other "
                "programs, or take --device cpu."
            ) from error
        outputs += list(made.permute(0, 2, 3, 1).cpu().numpy().astype(np.float32))
    if not all(np.isfinite(output).all() for output in outputs):
        raise LensError(f"{backend.info.name} gave values that are not numbers: take another backend or --device cpu.")
    return outputs


def _crop_fill(view: View, crop: Float, output: Float, options: FillOptions, monitor: Monitor) -> Float:
    """The fill `[h, w, 3]` at the resolution of the picture."""
    fill = view.window.image_from_model(output)
    if options.refine and view.window.factor < 1:
        fill = add_detail(fill, crop, view.hidden, view.mask, view.window.scaled, Monitor(token=monitor.token))
    if options.match_border:
        fill = match_border(fill, crop, view.mask, ~view.hidden)
    return fill


def call(backend: Backend, view: View, image: Tensor, seed: int | tuple[int, ...], monitor: Monitor) -> Tensor:
    """Ask the backend for a fill of `image` `[N, 3, H, W]` with the hole, exclusions, guide and settings of a view."""
    # The protocol names what all backends take; a guide, settings and several seeds go to those that declare them.
    function: Callable[..., Tensor] = cast(Any, backend)
    count = len(image)
    extra = {name: _expanded(value, count) for name, value in view.extras.items()}
    hole, exclude = _expanded(view.hole, count), _expanded(view.exclude, count)
    return function(image, hole, exclude=exclude, seed=seed, monitor=monitor, **extra)


def _expanded(value: Any, count: int) -> Any:
    return value.expand(count, -1, -1, -1) if isinstance(value, Tensor) else value


def _image_tensor(image: Float) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def _mask_tensor(mask: Mask) -> Tensor:
    return torch.from_numpy(mask.astype(np.float32))[None, None]

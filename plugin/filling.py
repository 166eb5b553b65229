"""Fill a hole: windows, backend, paste. Costs by the hole, not by the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backends.protocol import Backend
from ..imaging.box import Box
from ..imaging.errors import InputError, LensError
from ..imaging.hole import Hole, Mask, dilate, feathered
from ..imaging.monitor import Monitor
from ..imaging.paste import blend, match_border
from ..imaging.picture import Picture
from ..imaging.window import Float, Window, windows_for
from .request import FillOptions


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
        fill: `[h, w, 3]` sRGB of the crop; None until it is filled.
    """

    window: Window
    image: Tensor
    hole: Tensor
    exclude: Tensor | None
    mask: Mask
    hidden: Mask
    fill: Float | None = None


@dataclass(frozen=True, eq=False)
class Filling:
    """A filled picture and how it came about.

    Attributes:
        picture: the result, in the depth and colours of the original.
        original: the picture as it was.
        hole: what was asked for, after growing and without the soft border.
        box: where the picture changed.
        weight: `[h, w]` of the box, 0 to 1: how much of each pixel is new.
        views: what the backend saw.
        backend: what filled it.
        options: how.
    """

    picture: Picture
    original: Picture
    hole: Hole
    box: Box
    weight: Float
    views: tuple[View, ...]
    backend: Backend
    options: FillOptions


def fill(
    picture: Picture,
    hole: Hole,
    backend: Backend,
    options: FillOptions,
    exclude: Mask | None = None,
    monitor: Monitor | None = None,
) -> Filling:
    """Fill `hole` of `picture`; every pixel outside of the feathered hole keeps its exact value.

    Args:
        exclude: `[H, W]`, pixels that the backend may not look at; outside of the hole they keep their own values,
            even where the grown hole or its soft border would reach them.

    Raises:
        InputError: sizes differ, or nothing known is left to fill from.
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    _check_sizes(picture, hole, exclude)
    kept = None if exclude is None or not exclude.any() else exclude & ~hole.mask
    grown = hole.grow(options.grow_px)
    if kept is not None:
        grown = Hole(grown.mask & ~kept)
    soft = dilate(grown.mask, options.feather_px)
    if soft.all():
        raise InputError("The hole and its soft border cover the whole picture: give a smaller --feather.")
    barred = None if kept is None else kept & ~soft
    views = tuple(_filled_views(picture, soft, barred, backend, options, monitor))
    box = Box.around(soft)
    weight = feathered(grown.mask[box.slices], options.feather_px) * soft[box.slices]
    if kept is not None:
        weight[kept[box.slices]] = 0
    result = _paste(picture, views, box, weight)
    return Filling(result, picture, grown, box, weight, views, backend, options)


def _check_sizes(picture: Picture, hole: Hole, exclude: Mask | None) -> None:
    for name, size in (("mask", hole.size), ("exclude mask", exclude.shape if exclude is not None else hole.size)):
        if size != picture.size:
            raise InputError(
                f"The {name} is {size[1]} x {size[0]} pixels but the picture is {picture.size[1]} x {picture.size[0]}: "
                f"save the {name} at the size of the picture."
            )


def _filled_views(
    picture: Picture, soft: Mask, barred: Mask | None, backend: Backend, options: FillOptions, monitor: Monitor
) -> Iterator[View]:
    hidden = soft if barred is None else soft | barred
    windows = windows_for(hidden, Hole(soft).groups(), backend.info.size_rule, options.context_px)
    windows = [window for window in windows if soft[window.core.slices].any()]
    done: list[View] = []
    for index, window in enumerate(windows):
        part = monitor.part(index / len(windows), (index + 1) / len(windows))
        part.report("filling", 0.0)
        view = _view(picture, soft, barred, window, done)
        done.append(_fill_view(view, backend, options, part))
        yield done[-1]
    monitor.report("filling", 1.0)


def _view(picture: Picture, soft: Mask, barred: Mask | None, window: Window, done: list[View]) -> View:
    """What the backend may see now: the picture with what earlier windows filled."""
    box = window.box
    crop = picture.to_srgb(box.top, box.left, box.height, box.width).copy()
    hole = soft[box.slices].copy()
    for earlier in done:
        _copy_overlap(earlier, box, crop, hole)
    core = np.zeros(box.size, bool)
    core[window.core.relative_to(box).clamp(box.size).slices] = True
    barred_crop = None if barred is None else barred[box.slices]
    hidden = hole if barred_crop is None else hole | barred_crop
    # A backend that looks where it should not finds nothing there.
    crop[hidden] = 0
    height, width = window.scaled
    if window.mask_to_model(hidden)[:height, :width].all():
        raise InputError(
            "Nothing known is left around the hole: make the mask or the excluded part smaller, or give a larger "
            "--context."
        )
    return View(
        window,
        _image_tensor(window.image_to_model(crop, hidden)),
        _mask_tensor(window.mask_to_model(hole)),
        None if barred_crop is None else _mask_tensor(window.mask_to_model(barred_crop)),
        hole & core,
        hidden,
    )


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


def _fill_view(view: View, backend: Backend, options: FillOptions, monitor: Monitor) -> View:
    try:
        with torch.no_grad():
            output = backend(view.image, view.hole, exclude=view.exclude, seed=options.seed, monitor=monitor)
    except torch.OutOfMemoryError as error:
        raise LensError(
            f"{backend.info.name} ran out of memory on {backend.device}: give a smaller --context, close other "
            "programs, or take --device cpu."
        ) from error
    array = output[0].permute(1, 2, 0).cpu().numpy().astype(np.float32)
    if not np.isfinite(array).all():
        raise LensError(f"{backend.info.name} gave values that are not numbers: take another backend or --device cpu.")
    crop_fill = view.window.image_from_model(array)
    if options.match_border:
        known = view.window.image_from_model(np.ascontiguousarray(view.image[0].permute(1, 2, 0).numpy()))
        crop_fill = match_border(crop_fill, known, view.mask, ~view.hidden)
    return replace(view, fill=crop_fill)


def _paste(picture: Picture, views: tuple[View, ...], box: Box, weight: Float) -> Picture:
    pixels = picture.pixels.copy()
    for view in views:
        target = view.window.box
        if view.fill is None or not view.mask.any():
            continue
        filled = Box.around(view.mask)
        place = Box(filled.top + target.top, filled.left + target.left, filled.height, filled.width)
        mine = view.mask[filled.slices] * weight[place.relative_to(box).slices]
        native = picture.from_srgb(np.clip(view.fill[filled.slices], 0, 1))
        pixels[place.slices] = blend(pixels[place.slices], native, mine.astype(np.float32))
    return picture.with_pixels(pixels)


def _image_tensor(image: Float) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def _mask_tensor(mask: Mask) -> Tensor:
    return torch.from_numpy(mask.astype(np.float32))[None, None]


def result_pixels(filling: Filling) -> NDArray[np.uint8]:
    """The fill as RGBA `[h, w, 4]` of `filling.box`: opaque in the hole, soft at its border."""
    box = filling.box
    rgba = np.zeros((*box.size, 4), np.uint8)
    for view in filling.views:
        if view.fill is None:
            continue
        place = view.window.box
        top, left = max(box.top, place.top), max(box.left, place.left)
        common = Box(top, left, min(box.bottom, place.bottom) - top, min(box.right, place.right) - left)
        mine = view.mask[common.relative_to(place).slices]
        colours = np.rint(np.clip(view.fill[common.relative_to(place).slices], 0, 1) * 255).astype(np.uint8)
        rgba[common.relative_to(box).slices][mine, :3] = colours[mine]
    rgba[..., 3] = np.rint(filling.weight * 255).astype(np.uint8)
    return rgba

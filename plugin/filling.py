"""Fill a hole: windows, backend, paste. Costs by the hole, not by the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..backends.protocol import Backend
from ..backends.settings import extras
from ..imaging.box import Box
from ..imaging.errors import InputError
from ..imaging.hole import Hole, Mask, dilate, feathered
from ..imaging.monitor import Monitor
from ..imaging.paste import blend
from ..imaging.picture import Picture
from ..imaging.window import Float
from .request import FillOptions
from .views import Scene, View, filled_views


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
    guide: Mask | None = None,
) -> Filling:
    """Fill `hole` of `picture`; every pixel outside of the feathered hole keeps its exact value.

    See `fill_candidates`, of which this gives one.
    """
    return fill_candidates(picture, hole, backend, options, exclude, monitor, guide)[0]


def fill_candidates(
    picture: Picture,
    hole: Hole,
    backend: Backend,
    options: FillOptions,
    exclude: Mask | None = None,
    monitor: Monitor | None = None,
    guide: Mask | None = None,
    count: int = 1,
) -> list[Filling]:
    """Fill `hole` of `picture` in `count` ways, the first with the seed of `options`, the others with the next ones.

    Args:
        exclude: `[H, W]`, pixels that the backend may not look at; outside of the hole they keep their own values,
            even where the grown hole or its soft border would reach them.
        guide: `[H, W]`, lines that a person drew, for a backend that takes them.
        count: how many fills to make.

    Raises:
        InputError: sizes differ, nothing known is left to fill from, the backend takes no guide or not these
            settings, or several fills are asked of a backend that always makes the same.
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    _check_sizes(picture, hole, exclude)
    extras(backend.info, options.settings, guide)
    if count > 1 and not backend.info.stochastic:
        raise InputError(f"{backend.info.name} makes the same fill for every seed: leave --candidates away.")
    if hole.mask.all() and backend.info.task == "fill":
        raise InputError("The mask covers the whole picture: leave some of the picture to fill from.")
    kept = None if exclude is None or not exclude.any() else exclude & ~hole.mask
    grown = hole.grow(options.grow_px)
    if kept is not None:
        grown = Hole(grown.mask & ~kept, hole.whole)
    soft = dilate(grown.mask, options.feather_px)
    if soft.all() and backend.info.task == "fill":
        raise InputError("The hole and its soft border cover the whole picture: give a smaller --feather.")
    scene = Scene(picture, soft, None if kept is None else kept & ~soft, guide)
    jobs = [replace(options, seed=options.seed + index) for index in range(count)]
    made = filled_views(scene, backend, jobs, monitor)
    box = Box.around(soft)
    weight = feathered(grown.mask[box.slices], options.feather_px) * soft[box.slices]
    if kept is not None:
        weight[kept[box.slices]] = 0
    return [
        Filling(_paste(picture, views, box, weight), picture, grown, box, weight, views, backend, job)
        for job, views in zip(jobs, made, strict=True)
    ]


def _check_sizes(picture: Picture, hole: Hole, exclude: Mask | None) -> None:
    for name, size in (("mask", hole.size), ("exclude mask", exclude.shape if exclude is not None else hole.size)):
        if size != picture.size:
            raise InputError(
                f"The {name} is {size[1]} x {size[0]} pixels but the picture is {picture.size[1]} x {picture.size[0]}: "
                f"save the {name} at the size of the picture."
            )


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

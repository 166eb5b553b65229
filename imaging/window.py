"""`Window`: the crop that a model sees, with its place, scale and padding."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .box import Box, Size
from .hole import Mask
from .size_rule import SizeRule

Float = NDArray[np.float32]

MINIMUM_SIDE_PX = 256
"""A window is at least this large where the picture allows, so that small holes have surroundings to be filled from."""
LEAST_MARGIN_PX = 64
"""Surroundings on every side of a part, unless the caller says otherwise."""
THIN_SHARE = 1 / 8
"""Parts of a hole thinner than this share of the model's largest side are tiled, not scaled down."""


@dataclass(frozen=True)
class Window:
    """A crop of the picture on its way to a model and back.

    Attributes:
        box: the crop, in pixels of the picture.
        core: pixels of the picture that this window's fill is used for.
        scaled: size of the crop as the model sees it.
        padded: size of the model's input; the difference to `scaled` is padding at the bottom and right.
    """

    box: Box
    core: Box
    scaled: Size
    padded: Size

    @classmethod
    def of(cls, box: Box, core: Box, rule: SizeRule) -> Window:
        """The window for a crop `box` under the size rule of a model."""
        longest = max(box.size)
        factor = min(1.0, rule.limit / longest) if rule.limit else 1.0
        scaled = max(1, round(box.height * factor)), max(1, round(box.width * factor))
        return cls(box, core, scaled, rule.fit(*scaled))

    @property
    def factor(self) -> float:
        """Model pixels per picture pixel; below 1 where the crop is scaled down."""
        return max(self.scaled) / max(self.box.size)

    def image_to_model(self, crop: Float, hidden: Mask) -> Float:
        """Crop `[h, w, 3]` to model input `[H, W, 3]`; what lies under `hidden` `[h, w]` never shows in the padding."""
        if crop.shape[:2] != self.scaled:
            crop = cv2.resize(crop, self.scaled[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        down, across = self.padded[0] - self.scaled[0], self.padded[1] - self.scaled[1]
        if not down and not across:
            return crop
        known = crop.copy()
        unknown = self._resize_mask(hidden)
        if unknown.all():
            known[:] = 0
        elif unknown.any():
            nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
            known = crop[tuple(np.asarray(nearest))]
        padded = np.pad(known, ((0, down), (0, across), (0, 0)), mode="symmetric")
        padded[: self.scaled[0], : self.scaled[1]] = crop
        return padded

    def mask_to_model(self, mask: Mask) -> Mask:
        """Mask of the crop `[h, w]` to `[H, W]`: true where any of its pixels falls; padding is false."""
        padded = np.zeros(self.padded, bool)
        padded[: self.scaled[0], : self.scaled[1]] = self._resize_mask(mask)
        return padded

    def _resize_mask(self, mask: Mask) -> Mask:
        if mask.shape == self.scaled:
            return mask
        area = cv2.resize(mask.astype(np.float32), self.scaled[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(area > 0)

    def image_from_model(self, output: Float) -> Float:
        """Model output `[H, W, C]` back to the crop's size `[h, w, C]`."""
        array = np.ascontiguousarray(output[: self.scaled[0], : self.scaled[1]])
        if self.scaled == self.box.size:
            return array
        return np.asarray(cv2.resize(array, self.box.size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)

    def map_from_model(self, values: Float) -> Float:
        """A map `[H, W]` back to the crop's size.

        Each value is shared out evenly over the pixels that it stands for: sum and signs are kept, and what is 0 does
        not catch anything from its neighbours.
        """
        shared = _share_out(values[: self.scaled[0], : self.scaled[1]], self.box.height)
        return np.ascontiguousarray(_share_out(shared.T, self.box.width).T, np.float32)


def _share_out(values: Float, length: int) -> Float:
    """Rows of `values` `[n, w]` shared out over `length` >= n finer rows by their overlap; sums are kept."""
    count = len(values)
    # In units of 1 / length of a row, so that all borders are whole numbers.
    start = np.arange(length) * count
    row = start // length
    beyond = np.maximum(0, start + count - (row + 1) * length)
    inside = ((count - beyond) / length).astype(np.float32)[:, None]
    rest = (beyond / length).astype(np.float32)[:, None]
    return np.asarray(values[row] * inside + values[np.minimum(row + 1, count - 1)] * rest, np.float32)


def windows_for(hidden: Mask, parts: list[Box], rule: SizeRule, context_px: int | None = None) -> list[Window]:
    """Windows that together fill all `parts` of a hole.

    Windows that touch are merged, so that neighbouring parts are filled together, as long as the merged window needs
    no scaling; specks are grouped this way into few windows. A part whose window is too large for the model but that
    is thin (a scratch) is cut into tiles at full resolution, to be filled one after another. A large part is scaled.

    Args:
        hidden: `[H, W]`, all pixels that models may not see.
        parts: boxes of the connected parts to fill.
        rule: sizes that the model accepts.
        context_px: pixels of surroundings on every side; None = half of the part's longest side, 64 to 256.
    """
    size = hidden.shape[0], hidden.shape[1]
    groups = _merge([(part, _surround(part, size, rule, context_px)) for part in parts], size, rule, context_px)
    windows = []
    for core, box in groups:
        tiles = _tiles(hidden, core, box, rule)
        windows += [Window.of(tile_box, tile, rule) for tile, tile_box in tiles] or [Window.of(box, core, rule)]
    return windows


def _surround(part: Box, size: Size, rule: SizeRule, context_px: int | None) -> Box:
    margin = min(256, max(LEAST_MARGIN_PX, max(part.size) // 2)) if context_px is None else context_px
    box = part.pad(margin).clamp(size)
    least = rule.fixed or (max(MINIMUM_SIDE_PX, rule.minimum) if context_px is None else rule.minimum)
    box = box.grow_to((least, least), size)
    if rule.square or rule.fixed:
        side = max(box.size)
        box = box.grow_to((side, side), size)
    step = rule.multiple_of
    return box.grow_to((-(-box.height // step) * step, -(-box.width // step) * step), size)


def _merge(groups: list[tuple[Box, Box]], size: Size, rule: SizeRule, context_px: int | None) -> list[tuple[Box, Box]]:
    """Merge groups (core, window) whose windows touch, unless only scaling would make the merged window fit."""
    merged: list[tuple[Box, Box]] = []
    for group in groups:
        while True:
            found = ((near, _together(near, group, size, rule, context_px)) for near in merged)
            near, box = next(((near, box) for near, box in found if box is not None), (None, None))
            if near is None or box is None:
                break
            merged.remove(near)
            group = group[0].union(near[0]), box
        merged.append(group)
    return sorted(merged, key=lambda g: (g[0].top, g[0].left))


def _together(a: tuple[Box, Box], b: tuple[Box, Box], size: Size, rule: SizeRule, context_px: int | None) -> Box | None:
    """One window for two groups; None if they are better left apart."""
    if not a[1].touches(b[1]):
        return None
    box = _surround(a[1].union(b[1]), size, rule, 0)
    largest = max(rule.limit, *a[1].size, *b[1].size)
    if not rule.limit or max(box.size) <= largest:
        return box
    close = _surround(a[0].union(b[0]), size, rule, LEAST_MARGIN_PX if context_px is None else context_px)
    if max(close.size) <= largest:
        return close
    return box if a[0].pad(8).touches(b[0].pad(8)) else None


def _tiles(hidden: Mask, core: Box, box: Box, rule: SizeRule) -> list[tuple[Box, Box]]:
    """Tiles (core, box) of a thin part that is too large for the model; none if it fits or is thick."""
    limit = rule.limit
    if not limit or max(box.size) <= limit:
        return []
    size = hidden.shape[0], hidden.shape[1]
    inside = hidden[core.slices].astype(np.uint8)
    thickness = 2 * float(cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 3).max())
    if thickness > limit * THIN_SHARE:
        return []
    step = max(limit // 2, limit - 2 * LEAST_MARGIN_PX)
    down, across = _even_step(core.height, step), _even_step(core.width, step)
    tiles = []
    for top in range(core.top, core.bottom, down):
        for left in range(core.left, core.right, across):
            cell = Box(top, left, min(down, core.bottom - top), min(across, core.right - left))
            if hidden[cell.slices].any():
                tiles.append((cell, cell.grow_to((limit, limit), size)))
    return tiles


def _even_step(length: int, largest: int) -> int:
    """The step, at most `largest`, that cuts `length` into equal tiles, so that no sliver is left at the end."""
    return -(-length // -(-length // largest))

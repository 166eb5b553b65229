"""`Hole`: which pixels to fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .box import Box, Size
from .errors import InputError

Mask = NDArray[np.bool_]
THRESHOLD = 128
"""Grey value of a mask file from which on a pixel belongs to the hole."""


@dataclass(frozen=True, eq=False)
class Hole:
    """Pixels to fill: `mask` `[H, W]`, True = fill this. Never empty.

    Never the whole picture either, unless `whole` says that this may be: for restoring, which sees what is there.
    """

    mask: Mask
    whole: bool = False

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise InputError(f"A hole is a bool array [H, W], not {self.mask.dtype} {list(self.mask.shape)}.")
        if not self.mask.any():
            raise InputError("The mask is empty: paint the part to fill white (on black) and try again.")
        if self.mask.all() and not self.whole:
            raise InputError("The mask covers the whole picture: leave some of the picture to fill from.")

    @classmethod
    def from_array(cls, mask: NDArray[np.generic], size: Size | None = None, whole: bool = False) -> Hole:
        """Threshold a mask once, before anything is resized.

        Args:
            mask: `[H, W]` (or `[H, W, 1]`): bool, or integers with white = hole (128 and more of 255; for integer
                masks with no value above 1, 1 = hole), or floats in [0, 1] (0.5 and more = hole).
            size: height and width that the mask must have.
            whole: whether it may cover all of the picture.

        Raises:
            InputError: wrong shape, wrong size, not finite, empty, or everything.
        """
        return cls(threshold(mask, size), whole)

    @property
    def size(self) -> Size:
        """Height and width of the picture."""
        return self.mask.shape[0], self.mask.shape[1]

    @property
    def box(self) -> Box:
        """The smallest box that holds the hole."""
        return Box.around(self.mask)

    @property
    def pixels(self) -> int:
        """How many pixels there are to fill."""
        return int(np.count_nonzero(self.mask))

    def grow(self, px: int) -> Hole:
        """Larger by `px` pixels in every direction (round); raises `InputError` if nothing known is left."""
        if px <= 0:
            return self
        grown = dilate(self.mask, px)
        if grown.all() and not self.whole:
            raise InputError(f"Grown by {px} pixels, the hole covers the whole picture: grow it less.")
        return Hole(grown, self.whole)

    def groups(self) -> list[Box]:
        """Boxes of the connected parts (8-neighbourhood), from top to bottom."""
        box = self.box
        count, _, stats, _ = cv2.connectedComponentsWithStats(self.mask[box.slices].astype(np.uint8), connectivity=8)
        boxes = [
            Box(int(top) + box.top, int(left) + box.left, int(height), int(width))
            for left, top, width, height, _ in stats[1:count]
        ]
        return sorted(boxes, key=lambda b: (b.top, b.left))


def threshold(mask: NDArray[np.generic], size: Size | None = None) -> Mask:
    """A bool mask `[H, W]` from any usual kind of mask array; see `Hole.from_array`."""
    array: NDArray[Any] = np.asarray(mask)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"A mask has the shape [height, width]; this one has {list(array.shape)}.")
    if size is not None and array.shape != tuple(size):
        raise InputError(
            f"The mask is {array.shape[1]} x {array.shape[0]} pixels but the picture is {size[1]} x {size[0]}: "
            "save the mask at the size of the picture."
        )
    if array.dtype == np.bool_:
        return array.astype(np.bool_)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise InputError("The mask holds values that are not numbers: save it as an 8-bit picture.")
        return np.asarray(array >= 0.5)
    limit = THRESHOLD if array.max() > 1 else 1
    if array.dtype == np.uint16 and array.max() > 255:
        limit = THRESHOLD * 257
    return np.asarray(array >= limit)


def dilate(mask: Mask, px: int) -> Mask:
    """`mask` grown by a disc of radius `px`; works on the mask's box only."""
    if px <= 0 or not mask.any():
        return mask.copy()
    box = Box.around(mask).pad(px).clamp((mask.shape[0], mask.shape[1]))
    grown = mask.copy()
    grown[box.slices] = _distance(mask[box.slices]) <= px + 1e-3
    return grown


def feathered(mask: Mask, px: int) -> NDArray[np.float32]:
    """Blending weight `[H, W]`: 1 in `mask`, falling smoothly to 0 at `px` pixels outside of it."""
    if px <= 0:
        return mask.astype(np.float32)
    ramp = np.clip(1 - _distance(mask) / (px + 1), 0, 1).astype(np.float32)
    return ramp * ramp * (3 - 2 * ramp)


def _distance(mask: Mask) -> NDArray[np.float32]:
    """Euclidean distance to the nearest pixel of a mask that is not empty, in pixels."""
    outside = (~mask).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)

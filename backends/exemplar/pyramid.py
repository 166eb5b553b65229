"""The picture at halved sizes: what is known, what is to be filled and by what patches are compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from .field import whole_patches

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

TEXTURE_WEIGHT = 2.0
"""How much texture counts against colour. The root of 50 of Newson et al. 2017 is better for rough textures but leaves
seams in smooth skies."""
FALL_OFF = 2.0
"""By what factor the confidence falls with each pixel into the hole (Wexler et al. 2007, section 3.4)."""
LEAST_CONFIDENCE = 1e-4
"""Deep inside of the hole all pixels are trusted alike."""
LEAST_SOURCES = 64
"""A level needs at least so many patches to copy from."""


@dataclass(frozen=True, eq=False)
class Level:
    """One size of the picture.

    Attributes:
        features: float32 `[H, W, 5]`, colour and texture; what is painted into the hole changes them.
        hole: bool `[H, W]`, to be filled: all pixels that a pixel of the hole has a part in.
        hidden: bool `[H, W]`, the hole and what must not be looked at.
        patch: side of the patches in pixels.
    """

    features: Float
    hole: Mask
    hidden: Mask
    patch: int

    @cached_property
    def sources(self) -> Mask:
        """Bool `[H, W]`: centres of patches that may be copied."""
        return whole_patches(~self.hidden, self.patch)

    @cached_property
    def targets(self) -> Mask:
        """Bool `[H, W]`: centres of patches that reach into the hole."""
        return cv2.dilate(self.hole.astype(np.uint8), np.ones((self.patch, self.patch), np.uint8)).astype(bool)

    @cached_property
    def confidence(self) -> Float:
        """float32 `[H, W]`: 1 outside of the hole, falling with the distance to its border; above 0."""
        depth_px = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.maximum(FALL_OFF**-depth_px, LEAST_CONFIDENCE).astype(np.float32)

    @cached_property
    def weights(self) -> Float:
        """float32 `[H, W]`: how much each pixel counts when patches are compared; excluded ones not at all."""
        return np.where(self.hidden & ~self.hole, 0, self.confidence).astype(np.float32)

    def halved(self) -> Level:
        """The next coarser level; a pixel of it is known where all its pixels of this level are."""
        height, width = self.hole.shape
        odd = (0, height % 2), (0, width % 2)
        hole, hidden = (_any_of_four(np.pad(mask, odd, mode="edge")) for mask in (self.hole, self.hidden))
        features = np.pad(self.features, (*odd, (0, 0)), mode="edge") if height % 2 or width % 2 else self.features
        # Above four channels, OpenCV wants them one after the other.
        means = [
            cv2.resize(features[..., [k]], hole.shape[::-1], interpolation=cv2.INTER_AREA)
            for k in range(features.shape[2])
        ]
        result = np.stack(means, 2, dtype=np.float32) if means else np.zeros((*hole.shape, 0), np.float32)
        result[hidden] = 0
        return Level(result, hole, hidden, self.patch)


def _any_of_four(mask: Mask) -> Mask:
    """Bool `[H / 2, W / 2]`: whether any of the four pixels of each block of 2 x 2 is set."""
    return mask[::2, ::2] | mask[1::2, ::2] | mask[::2, 1::2] | mask[1::2, 1::2]


def pyramid(colours: Float, hole: Mask, hidden: Mask, patch: int) -> list[Level]:
    """Levels from the finest to the coarsest, on which the hole is hardly wider than a patch.

    Args:
        colours: float32 `[H, W, 3]`.
        hole: bool `[H, W]`.
        hidden: bool `[H, W]`, the hole and the excluded pixels.
        patch: side of the patches in pixels.
    """
    halvings = _halvings(hole, hidden, patch)
    texture = TEXTURE_WEIGHT * _texture(colours, ~hidden, 2**halvings)
    features = np.concatenate([colours, texture], 2)
    features[hidden] = 0
    levels = [Level(features, hole, hidden, patch)]
    for _ in range(halvings):
        levels.append(levels[-1].halved())
    return levels


def _halvings(hole: Mask, hidden: Mask, patch: int) -> int:
    """How often the picture can be halved: the hole stays as wide as a patch, and enough sources are left."""
    width = 2 * float(cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, 5).max())
    wanted = max(0, round(np.log2(max(1.0, width / patch))))
    level = Level(np.zeros((*hole.shape, 0), np.float32), hole, hidden, patch)
    for halvings in range(wanted):
        level = level.halved()
        if level.sources.sum() < LEAST_SOURCES:
            return halvings
    return wanted


def _texture(colours: Float, known: Mask, side: int) -> Float:
    """float32 `[H, W, 2]`: mean absolute differences across and down of the grey values, over known pixels near by.

    The texture features of Newson et al. 2017, section 3.2, which tell textures apart where they are too coarsely
    sampled to be seen.
    """
    grey = colours.mean(2)
    result = np.zeros((*grey.shape, 2), np.float32)
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis))
        both = (known[1:] & known[:-1]) if axis == 0 else (known[:, 1:] & known[:, :-1])
        sums, count = np.zeros_like(grey), np.zeros_like(grey)
        here = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        sums[here], count[here] = steps * both, both
        sums, count = (cv2.blur(values, (side + 1, side + 1)) for values in (sums, count))
        result[..., axis] = sums / np.maximum(count, 1e-6)
    return result

"""The picture at halved sizes: what is known, what is to be filled and by what patches are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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

    @property
    def sources(self) -> Mask:
        """Bool `[H, W]`: centres of patches that may be copied."""
        return whole_patches(~self.hidden, self.patch)

    @property
    def targets(self) -> Mask:
        """Bool `[H, W]`: centres of patches that reach into the hole."""
        return cv2.dilate(self.hole.astype(np.uint8), np.ones((self.patch, self.patch), np.uint8)).astype(bool)

    def confidence(self) -> Float:
        """float32 `[H, W]`: 1 outside of the hole, falling with the distance to its border; above 0."""
        depth_px = np.asarray(ndimage.distance_transform_edt(self.hole))
        return np.maximum(FALL_OFF**-depth_px, LEAST_CONFIDENCE).astype(np.float32)

    def weights(self) -> Float:
        """float32 `[H, W]`: how much each pixel counts when patches are compared; excluded ones not at all."""
        return np.where(self.hidden & ~self.hole, 0, self.confidence()).astype(np.float32)

    def halved(self) -> Level:
        """The next coarser level; a pixel of it is known where all its pixels of this level are."""
        height, width = self.hole.shape
        odd = (0, height % 2), (0, width % 2)
        features = np.pad(self.features, (*odd, (0, 0)), mode="edge")
        hole, hidden = (
            np.asarray(_quarters(np.pad(mask, odd, mode="edge")).any(0)) for mask in (self.hole, self.hidden)
        )
        means = _quarters(features).mean(0, dtype=np.float32)
        means[hidden] = 0
        return Level(means, hole, hidden, self.patch)


def _quarters(values: NDArray[Any]) -> NDArray[Any]:
    """The four pixels of each block of 2 x 2: `[4, H / 2, W / 2, ...]`."""
    return np.stack([values[i::2, j::2] for i in (0, 1) for j in (0, 1)])


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

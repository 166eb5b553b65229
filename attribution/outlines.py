"""Outlines that can be seen on any picture: of the hole, of the target, of the region of interest."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError
from .lettering import Colour

RGB = NDArray[np.uint8]
Mask = NDArray[np.bool_]

HOLE_COLOUR: Colour = (255, 255, 255)
REGION_COLOUR: Colour = (255, 128, 224)
TARGET_COLOUR: Colour = (124, 255, 88)
SHADOW: Colour = (16, 16, 20)


def check_picture(picture: RGB) -> None:
    """Raise `InputError` unless `picture` is uint8 RGB `[H, W, 3]` and not empty."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise InputError(
            f"The picture is {picture.dtype} of shape {picture.shape}; give uint8 RGB of shape [height, width, 3]."
        )


def check_mask(mask: Mask, picture: RGB, name: str) -> None:
    """Raise `InputError`, calling the mask `name`, unless it is bool and of the picture's size."""
    if mask.dtype != np.bool_ or mask.shape != picture.shape[:2]:
        raise InputError(
            f"The {name} is {mask.dtype} of shape {mask.shape}; give a bool mask of the picture's "
            f"{picture.shape[1]} × {picture.shape[0]} pixels."
        )


def outline(mask: Mask, width_px: int) -> Mask:
    """The pixels of a mask that lie within `width_px` of its border.

    The edge of the picture counts as border, so that an outline is always closed.

    Args:
        mask: bool `[H, W]`.
        width_px: at least 1.

    Returns:
        bool `[H, W]`, a subset of `mask`.
    """
    return mask & _near(~mask, width_px, edge_counts=True)


def _near(mask: Mask, distance_px: int, *, edge_counts: bool) -> Mask:
    """Pixels at most `distance_px` (Euclidean) away from a pixel of `mask`, or from outside of the picture."""
    if not (edge_counts or mask.any()):
        return np.zeros_like(mask)
    zero_here = np.pad(~mask, 1, constant_values=not edge_counts).astype(np.uint8)
    distance = cv2.distanceTransform(zero_here, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance)[1:-1, 1:-1] <= distance_px


def draw_outline(picture: RGB, mask: Mask, colour: Colour = HOLE_COLOUR, width_px: int | None = None) -> RGB:
    """The outline of `mask` as a double line, `colour` inside and near-black outside.

    Args:
        picture: uint8 RGB `[H, W, 3]`.
        mask: bool `[H, W]`.
        colour: a light one, so that one of the two lines stands out from any picture.
        width_px: width of each of the two lines; by default it follows the picture's size.

    Returns:
        A new uint8 RGB `[H, W, 3]`, unchanged beyond `width_px` from the border of the mask.

    Raises:
        InputError: sizes differ.
    """
    check_picture(picture)
    check_mask(mask, picture, "mask to outline")
    drawn = picture.copy()
    if mask.any():
        width = width_px or line_width(picture)
        drawn[~mask & _near(mask, width, edge_counts=False)] = SHADOW
        drawn[outline(mask, width)] = colour
    return drawn


def line_width(picture: RGB) -> int:
    """Width of an outline's line, in pixels: 1 at 256 × 256, 5 at 1500 × 1500."""
    return max(1, round((picture.shape[0] * picture.shape[1]) ** 0.5 / 320))


def tidy_region(region: Mask) -> Mask:
    """A region of scattered pixels as a few shapes that can be outlined; for the eye only, never for numbers.

    Gaps narrower than about 2 % of the picture are closed, then shapes smaller than about 0.1 % of it are dropped
    unless nothing else would be left.

    Args:
        region: bool `[H, W]`.

    Returns:
        bool `[H, W]`.
    """
    side = (region.shape[0] * region.shape[1]) ** 0.5
    radius = max(1, round(side / 100))
    grown = np.pad(_near(region, radius, edge_counts=False), radius, mode="edge")
    closed = ~_near(~grown, radius, edge_counts=False)[radius:-radius, radius:-radius]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed.astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= side * side / 1000
    large[0] = False
    return large[labels] if count > 1 and large.any() else closed

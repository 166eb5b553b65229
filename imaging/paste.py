"""Paste a fill back into the picture: soft border, true colours, nothing touched outside."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .hole import Mask

Float = NDArray[np.float32]
BAND_PX = 4
"""Width of the bands on both sides of the border whose colours are compared."""


def match_border(fill: Float, original: Float, hole: Mask, known: Mask | None = None) -> Float:
    """Shift the colours of `fill` so that they meet those of the picture along the border of the hole.

    The difference between the band just outside (of the picture) and the band just inside (of the fill) is smoothed
    along the border and spread into the hole.

    Args:
        fill: `[h, w, 3]`, valid inside the hole.
        original: `[h, w, 3]`, valid where `known` says so.
        hole: `[h, w]`.
        known: `[h, w]`, pixels of the picture that may be looked at; None = all outside of the hole.

    Returns:
        A new array `[h, w, 3]`.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND_PX + 1,) * 2)
    inside_hole = hole.astype(np.uint8)
    outer = (cv2.dilate(inside_hole, disc) > 0) & ~hole
    if known is not None:
        outer &= known
    inner = hole & (cv2.erode(inside_hole, disc) == 0)
    outer_mean, outer_weight = _spread(original, outer, 2 * BAND_PX)
    inner_mean, inner_weight = _spread(fill, inner, 2 * BAND_PX)
    border = inner & (outer_weight > 1e-3) & (inner_weight > 1e-3)
    if not border.any():
        return fill.copy()
    reach = max(4.0 * BAND_PX, 0.25 * max(hole.shape))
    shift, _ = _spread(outer_mean - inner_mean, border, reach)
    return fill + np.where(hole[..., None], shift, 0).astype(np.float32)


def _spread(values: Float, where: Mask, sigma: float) -> tuple[Float, Float]:
    """Gaussian mean of `values` over `where` only, and how much of the kernel that was."""
    weight = where.astype(np.float32)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    mean = cv2.GaussianBlur(values * weight[..., None], (0, 0), sigma)
    return (mean / np.maximum(total, 1e-6)[..., None]).astype(np.float32), np.asarray(total, np.float32)


def blend(original: NDArray[np.generic], fill: Float, weight: Float) -> NDArray[np.generic]:
    """Mix `fill` into `original` by `weight`; pixels with weight 0 keep their exact bytes.

    Args:
        original: `[h, w, C]`, uint8, uint16 or float32.
        fill: `[h, w, C]` in the units of `original`, not yet rounded.
        weight: `[h, w]` in [0, 1].

    Returns:
        A new array like `original`, rounded, clipped to the type's range.
    """
    mixed = original.astype(np.float32) * (1 - weight[..., None]) + fill * weight[..., None]
    if original.dtype in (np.uint8, np.uint16):
        mixed = np.clip(np.rint(mixed), 0, 255 if original.dtype == np.uint8 else 65535)
    return np.where(weight[..., None] > 0, mixed.astype(original.dtype), original)

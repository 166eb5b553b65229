"""Smoothed copies of a map, for the eye only.

A smoothed map shows the same thing with less speckle, but it no longer adds up to the change that it explains, and it
bleeds into the hole; numbers are always computed from the map as it is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from ..imaging.errors import InputError

Smoothing = Literal["none", "mean", "gaussian", "median"]
SMOOTHINGS: tuple[Smoothing, ...] = ("none", "mean", "gaussian", "median")


def check_smoothing(kind: str) -> None:
    """Raise `InputError` unless there is a smoothing of that name."""
    if kind not in SMOOTHINGS:
        raise InputError(f'There is no smoothing "{kind}"; choose one of {", ".join(SMOOTHINGS)}.')


def smoothed(values: np.ndarray, kind: str = "gaussian", size: int = 5) -> np.ndarray:
    """A smoothed copy of a map.

    Args:
        values: float `[H, W]`, signed or not; left as it is.
        kind: "none", "mean", "gaussian" or "median".
        size: width of the window in pixels, odd; the Gaussian's sigma is a quarter of it.

    Returns:
        float32 `[H, W]`.

    Raises:
        InputError: unknown kind.
    """
    check_smoothing(kind)
    values = np.asarray(values, np.float32)
    if kind == "mean":
        return ndimage.uniform_filter(values, size, mode="nearest")
    if kind == "gaussian":
        return ndimage.gaussian_filter(values, size / 4, mode="nearest")
    if kind == "median":
        return ndimage.median_filter(values, size, mode="nearest")
    return values.copy()

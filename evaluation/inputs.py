"""Pictures as the measures take them, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError

Picture = NDArray[Any]
Mask = NDArray[np.bool_]


def checked(result: Picture, original: Picture, hole: Mask | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both pictures in 0 to 1, after making sure that they and the hole fit together."""
    first, second = _unit_range(result, "result"), _unit_range(original, "original")
    if first.shape != second.shape:
        raise InputError(
            f"The result has {first.shape[1]} × {first.shape[0]} pixels and the original {second.shape[1]} × "
            f"{second.shape[0]}; give pictures of equal size."
        )
    if hole is not None and (hole.dtype != np.bool_ or hole.shape != first.shape[:2] or not hole.any()):
        raise InputError(
            f"The hole is {hole.dtype} of shape {hole.shape} with {np.count_nonzero(hole)} pixels set; give a bool "
            f"mask of the pictures' {first.shape[1]} × {first.shape[0]} pixels with at least one set."
        )
    return first, second


def _unit_range(picture: Picture, name: str) -> NDArray[np.float64]:
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(f"The {name} has shape {picture.shape}; give RGB of shape [height, width, 3].")
    if picture.dtype == np.uint8:
        return picture / 255.0
    if picture.dtype.kind != "f":
        raise InputError(f"The {name} is {picture.dtype}; give uint8, or float from 0 to 1.")
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):
        raise InputError(f"The {name} has values from {low:g} to {high:g}; give finite floats from 0 to 1, or uint8.")
    return picture.astype(np.float64)

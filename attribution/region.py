"""Where the mass of a map lies: smallest region, Gini and diffusion index, mass by distance, direction."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..imaging.errors import InputError

WINDOW_PX = 256
"""Side of the fixed window for the diffusion index, centred on the target. Over the whole picture the same map in a
larger canvas scores differently, so only the value over the fixed window can be compared between pictures."""

ONE_SIDED = 0.25
"""From this length of the mean direction (0 = evenly around, 1 = all one way) a direction is named."""

DIRECTIONS = (
    "to the right",
    "to the lower right",
    "below",
    "to the lower left",
    "to the left",
    "to the upper left",
    "above",
    "to the upper right",
)


def smallest_region(magnitude: np.ndarray, share: float = 0.5) -> np.ndarray:
    """The smallest set of pixels that holds `share` of the mass; ties go to the pixel that comes first.

    Args:
        magnitude: `[H, W]`, at least 0.
        share: above 0, at most 1.

    Returns:
        bool `[H, W]`; empty where there is no mass.

    Raises:
        InputError: `share` is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"The share of the mass is {share:g}, but it must be above 0 and at most 1; 0.5 is usual.")
    flat = np.asarray(magnitude, np.float64).ravel()
    order = np.argsort(-flat, kind="stable")
    mass = np.cumsum(flat[order])
    chosen = np.zeros(flat.size, bool)
    if flat.size and mass[-1] > 0:
        chosen[order[: int(np.searchsorted(mass, share * mass[-1])) + 1]] = True
    return chosen.reshape(magnitude.shape)


def gini(magnitude: np.ndarray, offset: float = 0.0) -> float:
    """Gini coefficient, 0 = spread evenly, towards 1 = all in one pixel: `Σ (2i − n − 1) a_i / (n Σ a)`, a ascending.

    Args:
        magnitude: any shape, at least 0.
        offset: added to each value before (LAM adds 1e-7).
    """
    values = np.sort(np.asarray(magnitude, np.float64).ravel() + offset)
    total = values.sum()
    if total <= 0:
        return 0.0
    ranks = 2.0 * np.arange(1, values.size + 1) - values.size - 1
    return max(0.0, float((ranks * values).sum() / (values.size * total)))


@dataclass(frozen=True)
class Diffusion:
    """Diffusion index of LAM, `(1 − Gini) · 100`: how widely the network looked.

    Attributes:
        whole: over the whole picture.
        window: over the fixed window around the target, which can be compared between pictures.
        window_box: top, left, height, width of that window in pixels; smaller than `WINDOW_PX` in a smaller picture.
    """

    whole: float
    window: float
    window_box: tuple[int, int, int, int]


def diffusion(magnitude: np.ndarray, target: np.ndarray, side: int = WINDOW_PX) -> Diffusion:
    """Diffusion index of a map `[H, W]` over the whole picture and over `side` x `side` px around `target`."""
    top, left, height, width = box = window_around(target, side)
    part = magnitude[top : top + height, left : left + width]
    return Diffusion(100.0 * (1.0 - gini(magnitude)), 100.0 * (1.0 - gini(part)), box)


def window_around(target: np.ndarray, side: int) -> tuple[int, int, int, int]:
    """Top, left, height, width of a square around the middle of `target`, moved and cut to lie in the picture."""
    starts, lengths = [], []
    for axis, size in enumerate(target.shape):
        length = min(side, size)
        inside = np.flatnonzero(target.any(1 - axis))
        middle = (int(inside[0]) + int(inside[-1]) + 1) // 2 if inside.size else size // 2
        starts.append(min(max(0, middle - length // 2), size - length))
        lengths.append(length)
    return starts[0], starts[1], lengths[0], lengths[1]


def filled_part(hole: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The connected parts of the hole that hold target pixels; excluded pixels elsewhere are left out."""
    _, labels = cv2.connectedComponents(hole.astype(np.uint8), connectivity=8)
    return hole & np.isin(labels, np.unique(labels[target & hole]))


@dataclass(frozen=True)
class MassByDistance:
    """How the mass grows with the distance from the hole.

    Attributes:
        distance_px: int `[K]`: 0, 1, 2, ...
        share: float `[K]`, ascending to 1 (all 0 where there is no mass): share of the mass up to that distance.
    """

    distance_px: np.ndarray
    share: np.ndarray

    def holding(self, share: float) -> int:
        """The distance in pixels within which `share` (0 to 1) of the mass lies."""
        return int(self.distance_px[min(int(np.searchsorted(self.share, share)), self.share.size - 1)])


def mass_by_distance(magnitude: np.ndarray, hole: np.ndarray) -> MassByDistance:
    """Cumulative share of the mass against the distance from the hole, both `[H, W]`; `hole` is bool and not empty.

    The distance of a pixel is Euclidean, to the nearest pixel of the hole: 1 for those that touch it.
    """
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # A hair less before rounding up: the transform is float32, and 3 must not become 4.
    bins = np.ceil(distance - 1e-3).astype(np.int64).ravel()
    mass = np.cumsum(np.bincount(bins, np.asarray(magnitude, np.float64).ravel()))
    share = mass / mass[-1] if mass[-1] > 0 else np.zeros_like(mass)
    return MassByDistance(np.arange(share.size), share)


def direction(magnitude: np.ndarray, target: np.ndarray) -> str | None:
    """Where most of the mass lies as seen from the middle of `target`: one of `DIRECTIONS`, None if all around."""
    rows, columns = np.nonzero(target)
    y, x = np.indices(magnitude.shape, dtype=np.float64)
    y, x = y - rows.mean(), x - columns.mean()
    weight = magnitude / np.maximum(np.hypot(y, x), 1e-9)
    total = float(np.asarray(magnitude, np.float64).sum())
    if total <= 0:
        return None
    down, right = float((weight * y).sum()) / total, float((weight * x).sum()) / total
    if np.hypot(down, right) < ONE_SIDED:
        return None
    return DIRECTIONS[round(np.degrees(np.arctan2(down, right)) / 45) % 8]

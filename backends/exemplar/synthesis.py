"""Filling a hole with patches of the picture, coarse to fine (Wexler et al. 2007; Barnes et al. 2009, section 4.1)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...imaging.errors import InputError
from ...imaging.monitor import Monitor
from .field import Field, nearest, whole_patches
from .provenance import Provenance
from .pyramid import Float, Level, Mask, pyramid
from .voting import mixed, votes

COARSE_TURNS, FINE_TURNS = 10, 6
"""How often search and voting alternate on the coarsest level and on the finest."""
LOCALITY = 10.0
"""Patches from one end of the picture to the other must be eleven times as alike as those near by."""
FIRST_ROUNDS = 5
"""Rounds of the first search, which starts at random."""
SOURCES_AT_THE_END = 4
"""How many sources a pixel of the result has: one leaves hard seams, all of them blur."""


def synthesise(
    colours: Float,
    hole: Mask,
    excluded: Mask | None = None,
    *,
    patch: int = 7,
    rounds: int = 2,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Provenance:
    """Fill a hole; `synthesise(...).filled(colours)` is the filled picture.

    Args:
        colours: float32 `[H, W, 3]` in [0, 1]; what lies in the hole or is excluded is not looked at.
        hole: bool `[H, W]`, at least one pixel.
        excluded: bool `[H, W]`, pixels that are never a source and never compared with.
        patch: side of the patches in pixels, odd, at least 3.
        rounds: rounds of search before each vote.
        seed: the same seed gives the same fill.
        monitor: progress; cancels between rounds.

    Raises:
        InputError: no whole patch of known pixels is left to copy from.
        Cancelled: the caller asked to stop.
    """
    hidden = hole if excluded is None else hole | excluded
    if not whole_patches(~hidden, patch).any():
        raise InputError(
            f"No patch of {patch} x {patch} pixels is left to copy from: make the mask or the excluded part smaller, "
            "or take smaller patches."
        )
    monitor = monitor or Monitor()
    levels = pyramid(colours, hole, hidden, patch)
    field = _first_field(levels[-1], seed)
    effort = np.cumsum([0] + [_turns(levels, depth) / 4**depth for depth in reversed(range(len(levels)))])
    for step, depth in enumerate(reversed(range(len(levels)))):
        part = monitor.part(effort[step] / effort[-1], effort[step + 1] / effort[-1])
        if step:
            field = finer(field, levels[depth])
            _paint(levels[depth], field)
        field = _settle(levels[depth], field, _turns(levels, depth), rounds, seed + 1000 * (depth + 1), part)
    sources, weights = votes(field, hole, levels[0].confidence, patch=patch, keep=SOURCES_AT_THE_END)
    return Provenance((hole.shape[0], hole.shape[1]), np.flatnonzero(hole), sources, weights)


def _turns(levels: list[Level], depth: int) -> int:
    share = depth / max(1, len(levels) - 1)
    return round(FINE_TURNS + (COARSE_TURNS - FINE_TURNS) * share)


def _first_field(level: Level, seed: int) -> Field:
    """Paint the hole of the coarsest level with the nearest known pixels, and match that."""
    nearest_known = ndimage.distance_transform_edt(level.hidden, return_distances=False, return_indices=True)
    known = level.features[tuple(np.asarray(nearest_known))]
    level.features[level.hole] = known[level.hole]
    return _search(level, None, level.weights, FIRST_ROUNDS, seed, Monitor())


def _settle(level: Level, field: Field, turns: int, rounds: int, seed: int, monitor: Monitor) -> Field:
    """Search and vote in turns; ends with a search, so that the field fits the last fill."""
    weights = level.weights
    for turn in range(turns):
        if turn:
            _paint(level, field)
        part = monitor.part(turn / turns, (turn + 1) / turns)
        field = _search(level, field, weights, rounds, seed + turn, part)
    return field


def _search(level: Level, start: Field | None, weights: Float, rounds: int, seed: int, monitor: Monitor) -> Field:
    return nearest(
        level.features,
        level.targets,
        level.sources,
        patch=level.patch,
        rounds=rounds,
        start=start,
        weights=weights,
        locality=LOCALITY,
        seed=seed,
        monitor=monitor,
    )


def _paint(level: Level, field: Field) -> None:
    """Fill the hole of the level, in place, with the mean of what the patches propose."""
    level.features[level.hole] = mixed(
        level.features, field, level.hole, level.confidence, patch=level.patch, channels=level.features.shape[2]
    )


def finer(field: Field, level: Level, stride: int = 1) -> Field:
    """The field of the coarser level at the finer one: each pixel matches the same place beside the doubled match.

    Args:
        field: of the coarser level.
        level: the finer level.
        stride: of the coarser field, see `nearest`; between its matches pixels take the one above and left of them.
    """
    height, width = level.hole.shape
    rows, cols = np.indices((height, width), np.int32)
    coarse = rows // 2 // stride * stride, cols // 2 // stride * stride
    found = level.targets & (field.rows[coarse] >= 0)
    return Field(
        np.where(found, 2 * field.rows[coarse] + rows - 2 * coarse[0], -1).astype(np.int32),
        np.where(found, 2 * field.cols[coarse] + cols - 2 * coarse[1], -1).astype(np.int32),
        np.where(found, field.distance[coarse], np.inf).astype(np.float32),
    )

"""Voting: each filled pixel is made of what the overlapping patches say about it (Wexler et al. 2007, section 3.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .field import FAST_MATH, Field

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]


def votes(field: Field, hole: Mask, confidence: Float, *, patch: int, keep: int) -> tuple[NDArray[np.int64], Float]:
    """The source pixels that the patches around each pixel of the hole propose, and how much each counts.

    A patch whose distance is d counts `confidence * exp(-d / (2 s))`, where s is the median distance of all patches
    that cover the pixel (Wexler et al. 2007, section 3.3; per pixel as in Newson et al. 2017). Proposals of the same
    source pixel are added up, so that what was copied as one piece stays sharp.

    Args:
        field: a match for every centre within half a patch of the hole.
        hole: bool `[H, W]`.
        confidence: float32 `[H, W]`, above 0, of the patches around each centre.
        patch: side of the patches in pixels.
        keep: how many sources of each pixel are kept, the weightiest first; their weights are made to sum to 1.

    Returns:
        int64 `[n, keep]` indices into the flat picture, and float32 `[n, keep]` weights, for the n pixels of the hole
        in reading order. Where there are fewer sources the last ones repeat the first with the weight 0.
    """
    targets = np.flatnonzero(hole)
    sources = np.zeros((targets.size, keep), np.int64)
    weights = np.zeros((targets.size, keep), np.float32)
    _vote(targets, field.rows, field.cols, field.distance, confidence, patch, sources, weights)
    return sources, weights


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True, fastmath=FAST_MATH)(function)


@_compiled
def _vote(targets, rows, cols, distance, confidence, patch, sources, weights):
    proposed, counts = np.empty(patch * patch, np.int64), np.empty(patch * patch, np.float32)
    for index in range(targets.size):
        number = _proposals(targets[index], rows, cols, distance, confidence, patch, proposed, counts)
        number = _merged(proposed, counts, number)
        _keep_best(proposed, counts, number, sources[index], weights[index])


@_compiled
def _proposals(target, rows, cols, distance, confidence, patch, proposed, counts):
    """Write what the patches over the target propose into `proposed` and `counts`; returns their number."""
    height, width = rows.shape
    row, col = target // width, target % width
    number = 0
    for y in range(max(0, row - patch // 2), min(height, row + patch // 2 + 1)):
        for x in range(max(0, col - patch // 2), min(width, col + patch // 2 + 1)):
            if rows[y, x] >= 0:
                proposed[number] = (rows[y, x] + row - y) * width + cols[y, x] + col - x
                counts[number] = distance[y, x]
                number += 1
    ordered = np.sort(counts[:number])
    # Distances of exact copies are 0; the least keeps the quotient finite.
    spread = max(2 * ordered[number // 2], np.float32(1e-9))
    number = 0
    for y in range(max(0, row - patch // 2), min(height, row + patch // 2 + 1)):
        for x in range(max(0, col - patch // 2), min(width, col + patch // 2 + 1)):
            if rows[y, x] >= 0:
                counts[number] = confidence[y, x] * np.exp((ordered[0] - counts[number]) / spread)
                number += 1
    return number


@_compiled
def _merged(proposed, counts, number):
    """Add up the counts of equal proposals; returns the number of different ones."""
    different = 0
    for index in range(number):
        for earlier in range(different):
            if proposed[earlier] == proposed[index]:
                counts[earlier] += counts[index]
                break
        else:
            proposed[different], counts[different] = proposed[index], counts[index]
            different += 1
    return different


@_compiled
def _keep_best(proposed, counts, number, sources, weights):
    """Write the weightiest proposals into `sources` and their shares into `weights`."""
    total = np.float32(0)
    kept = min(number, sources.size)
    for rank in range(kept):
        best = rank
        for index in range(rank + 1, number):
            if counts[index] > counts[best]:
                best = index
        proposed[rank], proposed[best] = proposed[best], proposed[rank]
        counts[rank], counts[best] = counts[best], counts[rank]
        total += counts[rank]
    for rank in range(sources.size):
        sources[rank] = proposed[rank if rank < kept else 0]
        weights[rank] = counts[rank] / total if rank < kept else np.float32(0)

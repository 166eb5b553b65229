"""Voting: each filled pixel is made of what the overlapping patches say about it (Wexler et al. 2007, section 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .bands import side_by_side, slices
from .field import Field
from .matching import compiled

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]


def votes(
    field: Field, hole: Mask, confidence: Float, *, patch: int, keep: int, stride: int = 1
) -> tuple[NDArray[np.int64], Float]:
    """The source pixels that the patches around each pixel of the hole propose, and how much each counts.

    A patch whose distance is d counts `confidence * exp(-d / (2 s))`, where s is the median distance of all patches
    that cover the pixel (Wexler et al. 2007, section 3.3; per pixel as in Newson et al. 2017). Proposals of the same
    source pixel are added up, so that what was copied as one piece stays sharp.

    Args:
        field: a match for every centre within half a patch of the hole.
        hole: bool `[H, W]`.
        confidence: float32 `[H, W]`, above 0, of the patches around each centre.
        patch: side of the patches in pixels.
        stride: the field has matches only where row and column are multiples of it.
        keep: how many sources of each pixel are kept, the weightiest first; their weights are made to sum to 1.

    Returns:
        int64 `[n, keep]` indices into the flat picture, and float32 `[n, keep]` weights, for the n pixels of the hole
        in reading order. Where there are fewer sources the last ones repeat the first with the weight 0.
    """
    targets = np.flatnonzero(hole)
    sources = np.zeros((targets.size, keep), np.int64)
    weights = np.zeros((targets.size, keep), np.float32)

    def vote(part: slice) -> None:
        told = field.rows, field.cols, field.distance, confidence
        _vote(targets[part], *told, patch, stride, sources[part], weights[part])

    side_by_side(vote, slices(targets.size))
    return sources, weights


def mixed(
    features: Float, field: Field, hole: Mask, confidence: Float, *, patch: int, channels: int, stride: int = 1
) -> Float:
    """The pixels of the hole as the mean of all proposals; see `votes` for the arguments and for what each counts.

    Args:
        features: float32 `[H, W, C]`.
        channels: how many of the features are wanted.

    Returns:
        float32 `[n, channels]` for the n pixels of the hole in reading order.
    """
    targets = np.flatnonzero(hole)
    result = np.zeros((targets.size, channels), np.float32)

    def mix(part: slice) -> None:
        _mix(targets[part], field.rows, field.cols, field.distance, confidence, patch, stride, features, result[part])

    side_by_side(mix, slices(targets.size))
    return result


@compiled
def _vote(targets, rows, cols, distance, confidence, patch, stride, sources, weights):
    proposed = np.empty(patch * patch, np.int64)
    counts, ordered = np.empty(patch * patch, np.float32), np.empty(patch * patch, np.float32)
    for index in range(targets.size):
        number = _proposals(targets[index], rows, cols, distance, confidence, patch, stride, proposed, counts, ordered)
        number = _merged(proposed, counts, number)
        _keep_best(proposed, counts, number, index, sources, weights)


@compiled
def _next(place, stride):
    """The first multiple of the stride that is not below the place."""
    return (place + stride - 1) // stride * stride


@compiled
def _median(values, number):
    """The element number // 2 in ascending order (Hoare 1961, Find); changes the order of the values."""
    low, high, wanted = 0, number - 1, number // 2
    while low < high:
        pivot, left, right = values[wanted], low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while pivot < values[right]:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left, right = left + 1, right - 1
        if right < wanted:
            low = left
        if wanted < left:
            high = right
    return values[wanted]


@compiled
def _proposals(target, rows, cols, distance, confidence, patch, stride, proposed, counts, ordered):
    """Write what the patches over the target propose into `proposed` and `counts`; returns their number."""
    height, width = rows.shape
    row, col = target // width, target % width
    top, left = _next(max(0, row - patch // 2), stride), _next(max(0, col - patch // 2), stride)
    number = 0
    for y in range(top, min(height, row + patch // 2 + 1), stride):
        for x in range(left, min(width, col + patch // 2 + 1), stride):
            if rows[y, x] >= 0:
                proposed[number] = (rows[y, x] + row - y) * width + cols[y, x] + col - x
                counts[number] = distance[y, x]
                number += 1
    least = np.float32(np.inf)
    for index in range(number):
        least = min(least, counts[index])
        ordered[index] = counts[index]
    # Distances of exact copies are 0; the floor keeps the quotient finite.
    spread = max(2 * _median(ordered, number), np.float32(1e-9))
    number = 0
    for y in range(top, min(height, row + patch // 2 + 1), stride):
        for x in range(left, min(width, col + patch // 2 + 1), stride):
            if rows[y, x] >= 0:
                counts[number] = confidence[y, x] * np.exp((least - counts[number]) / spread)
                number += 1
    return number


@compiled
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


@compiled
def _keep_best(proposed, counts, number, target, sources, weights):
    """Write the weightiest proposals into `sources` and their shares into `weights`."""
    total = np.float32(0)
    kept = min(number, sources.shape[1])
    for rank in range(kept):
        best = rank
        for index in range(rank + 1, number):
            if counts[index] > counts[best]:
                best = index
        proposed[rank], proposed[best] = proposed[best], proposed[rank]
        counts[rank], counts[best] = counts[best], counts[rank]
        total += counts[rank]
    for rank in range(sources.shape[1]):
        sources[target, rank] = proposed[rank if rank < kept else 0]
        weights[target, rank] = counts[rank] / total if rank < kept else np.float32(0)


@compiled
def _mix(targets, rows, cols, distance, confidence, patch, stride, features, result):
    proposed = np.empty(patch * patch, np.int64)
    counts, ordered = np.empty(patch * patch, np.float32), np.empty(patch * patch, np.float32)
    width = rows.shape[1]
    for index in range(targets.size):
        number = _proposals(targets[index], rows, cols, distance, confidence, patch, stride, proposed, counts, ordered)
        total = np.float32(0)
        for rank in range(number):
            total += counts[rank]
            row, col = proposed[rank] // width, proposed[rank] % width
            for channel in range(result.shape[1]):
                result[index, channel] += counts[rank] * features[row, col, channel]
        for channel in range(result.shape[1]):
            result[index, channel] /= total

"""The compiled loops of PatchMatch (Barnes et al. 2009, section 3); `field` is what others call.

Arrays go from function to function by themselves, never inside of a tuple or as a slice: each of those costs an atomic
count of references in the innermost loops, which takes more time than the work and lets threads wait for one another.

Everywhere: `lines` float32 `[H, W * C + VECTORS]`, the features, a row of pixels per line, and a margin that is not
looked at; `shares` like `lines`, the weight of each; `allowed` bool `[H, W]`, the sources; `listed` int64 `[m]`, the
same as indices into the flat picture; `places` int32 `[2, H, W]`, row and column of each target's match, -1 = none;
`cut` float32 `[2, patch, n]`, values and weights of a target patch, n a multiple of `VECTORS`, the weights 0 outside of
the picture and beyond the patch; `pull`, what the square of the pixels to a source is multiplied by and added to 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

VECTORS = 32
"""Loops over so many numbers at a time are vectorised without a rest."""
SHRINK = 4
"""By what factor the windows of the random search shrink; 2, as in the paper, tries more sources and fills alike."""
FAST_MATH = {"reassoc", "contract", "arcp", "nsz"}
"""Sums may be reordered, which vectorises them; infinities keep their meaning."""


def compiled(function: Any) -> Any:
    """The function as machine code that lets other threads run meanwhile."""
    return njit(cache=True, nogil=True, fastmath=FAST_MATH)(function)


@compiled
def _draw(random, below):
    """A random integer in 0 .. below - 1 by SplitMix64 (Steele et al. 2014); `random` is its state."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(((z >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32))


@compiled
def _room(patch, channels):
    length = (patch * channels + VECTORS - 1) // VECTORS * VECTORS
    return np.zeros((2, patch, length), np.float32)


@compiled
def _take(lines, shares, channels, row, col, cut):
    """Copy the target patch around (row, col) into `cut`; returns the sum of its weights over the pixels."""
    height, patch = shares.shape[0], cut.shape[1]
    width = (shares.shape[1] - VECTORS) // channels
    skipped = max(0, patch // 2 - col) * channels
    length = min(patch, width - col + patch // 2) * channels
    total = np.float32(0)
    for down in range(patch):
        y, first = row - patch // 2 + down, (col - patch // 2) * channels
        if not (0 <= y < height) or skipped or length < patch * channels:
            for k in range(patch * channels):
                cut[1, down, k] = np.float32(0)
        if 0 <= y < height:
            part = np.float32(0)
            for k in range(skipped, length):
                cut[0, down, k] = lines[y, first + k]
                cut[1, down, k] = shares[y, first + k]
                part += shares[y, first + k]
            total += part
    return max(total / channels, np.float32(1e-12))


@compiled
def _difference(lines, cut, channels, row, col, limit):
    """Weighted sum of squared differences to the source patch around (row, col), or some number beyond `limit`."""
    patch, length = cut.shape[1], cut.shape[2]
    # Unsigned, because indices that could be negative are not vectorised.
    first = np.uint64((col - patch // 2) * channels)
    top = np.uint64(row - patch // 2)
    total = np.float32(0)
    for down in range(np.uint64(patch)):
        part = np.float32(0)
        for k in range(np.uint64(length)):
            gap = cut[0, down, k] - lines[top + np.uint64(down), first + np.uint64(k)]
            part += cut[1, down, k] * gap * gap
        total += part
        if total >= limit:
            break
    return total


@compiled
def _factor(pull, row, col, y, x):
    """What the difference between the target (row, col) and the source (y, x) is multiplied by."""
    return np.float32(1 + pull * ((y - row) ** 2 + (x - col) ** 2))


@compiled
def _try(lines, allowed, places, cut, channels, pull, row, col, best, y, x):
    """Match the target (row, col) with (y, x) if that is a better source; returns the lower one of the differences."""
    height, width = allowed.shape
    if not (0 <= y < height and 0 <= x < width) or not allowed[y, x]:
        return best
    factor = _factor(pull, row, col, y, x)
    total = factor * _difference(lines, cut, channels, y, x, best / factor)
    if total < best:
        best, places[0, row, col], places[1, row, col] = total, y, x
    return best


@compiled
def _propagated(lines, allowed, places, cut, channels, pull, row, col, best, step):
    """Try the matches of the two neighbours that came before, moved by one step (section 3.2, propagation)."""
    height, width = allowed.shape
    for axis in range(2):
        down, across = (step, 0) if axis == 0 else (0, step)
        y, x = row - down, col - across
        if not (0 <= y < height and 0 <= x < width) or places[0, y, x] < 0:
            continue
        y, x = places[0, y, x] + down, places[1, y, x] + across
        if y != places[0, row, col] or x != places[1, row, col]:
            best = _try(lines, allowed, places, cut, channels, pull, row, col, best, y, x)
    return best


@compiled
def _searched(lines, allowed, listed, places, cut, channels, pull, row, col, best, reach, random):
    """Try random sources in windows around the best, each smaller than the last (section 3.2, random search)."""
    height, width = allowed.shape
    if reach < 0:
        # Once from the list, so that few and scattered sources are found as well.
        chosen = listed[_draw(random, listed.size)]
        best = _try(lines, allowed, places, cut, channels, pull, row, col, best, chosen // width, chosen % width)
    window = max(height, width) // 2 if reach < 0 else reach
    while window >= 1:
        top, left = max(0, places[0, row, col] - window), max(0, places[1, row, col] - window)
        y = top + _draw(random, min(height, places[0, row, col] + window + 1) - top)
        x = left + _draw(random, min(width, places[1, row, col] + window + 1) - left)
        best = _try(lines, allowed, places, cut, channels, pull, row, col, best, y, x)
        window //= SHRINK
    return best


@compiled
def begin(lines, shares, allowed, listed, patch, channels, pull, targets, places, distance, random):
    """Give targets without an allowed match a random one, and compute all distances."""
    width = allowed.shape[1]
    cut = _room(patch, channels)
    for target in targets:
        row, col = target // width, target % width
        if places[0, row, col] < 0 or not allowed[places[0, row, col], places[1, row, col]]:
            chosen = listed[_draw(random, listed.size)]
            places[0, row, col], places[1, row, col] = chosen // width, chosen % width
        y, x = places[0, row, col], places[1, row, col]
        norm = _take(lines, shares, channels, row, col, cut)
        total = _difference(lines, cut, channels, y, x, np.float32(np.inf))
        distance[row, col] = total * _factor(pull, row, col, y, x) / norm


@compiled
def improve(
    lines, shares, allowed, listed, patch, channels, pull, targets, places, distance, random, stride, reach, way
):
    """One round over all targets, in reading order where `way` is 1 and backwards where it is -1."""
    width = allowed.shape[1]
    cut = _room(patch, channels)
    for target in targets[::way]:
        row, col = target // width, target % width
        norm = _take(lines, shares, channels, row, col, cut)
        best = distance[row, col] * norm
        best = _propagated(lines, allowed, places, cut, channels, pull, row, col, best, way * stride)
        best = _searched(lines, allowed, listed, places, cut, channels, pull, row, col, best, reach, random)
        distance[row, col] = best / norm


@compiled
def try_all(lines, shares, listed, patch, channels, targets, places, distance):
    """Try every source for every target."""
    width = (shares.shape[1] - VECTORS) // channels
    cut = _room(patch, channels)
    for target in targets:
        row, col = target // width, target % width
        norm = _take(lines, shares, channels, row, col, cut)
        best = np.float32(np.inf)
        for chosen in listed:
            total = _difference(lines, cut, channels, chosen // width, chosen % width, best)
            if total < best:
                best, places[0, row, col], places[1, row, col] = total, chosen // width, chosen % width
        distance[row, col] = best / norm

"""Nearest-neighbour fields by PatchMatch (Barnes et al. 2009, section 3).

For every target pixel the field names the source pixel whose surrounding patch looks most alike. Patches are squares
of an odd side. A source patch always lies wholly inside of the picture; of a target patch that sticks out of the
picture only the part inside is compared. The distance is the weighted mean over the compared pixels of the squared
difference, summed over the channels.

NumPy in, NumPy out; the loops are compiled by Numba, release the interpreter lock, and have their own generator of
random numbers, so that a seed fixes the result and nothing global changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...imaging.errors import InputError
from ...imaging.monitor import Monitor

Mask = NDArray[np.bool_]
Int = NDArray[np.int32]
Float = NDArray[np.float32]

UNKNOWN = -1
"""Row and column where no match is sought."""
FAST_MATH = {"reassoc", "contract", "arcp", "nsz"}
"""Sums may be reordered, which vectorises them; infinities keep their meaning."""


@dataclass(frozen=True, eq=False)
class Field:
    """Which source each target matches.

    Attributes:
        rows: int32 `[H, W]`, row of the source centre; -1 where none was sought.
        cols: int32 `[H, W]`, column of the source centre; -1 where none was sought.
        distance: float32 `[H, W]`, weighted mean squared difference of the patches, times the factor of the locality;
            infinite where none was sought.
    """

    rows: Int
    cols: Int
    distance: Float


def whole_patches(known: Mask, patch: int) -> Mask:
    """Bool `[H, W]`: centres whose whole patch of side `patch` lies inside of the picture and of `known` `[H, W]`."""
    kernel = np.ones((patch, patch), np.uint8)
    eroded = cv2.erode(known.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return eroded.astype(bool)


def nearest(
    features: Float,
    targets: Mask,
    sources: Mask,
    *,
    patch: int = 7,
    rounds: int = 5,
    start: Field | None = None,
    weights: Float | None = None,
    locality: float = 0.0,
    reach_px: int | None = None,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Field:
    """An approximate nearest-neighbour field: random start, then rounds of propagation and random search.

    Args:
        features: float32 `[H, W, C]`, what patches are compared by, of any scale; finite.
        targets: bool `[H, W]`, centres whose match is sought.
        sources: bool `[H, W]`, centres that may be a match. The caller makes sure that their whole patches are known,
            see `whole_patches`; those whose patch sticks out of the picture are left out.
        patch: side of the patches in pixels, odd.
        rounds: how often propagation and random search go over all targets, in turns from either corner.
        start: where to start from, for example the field of the coarser level; targets that have no allowed source in
            it start at random. Its distances are not read.
        weights: float32 `[H, W]`, at least 0, how much each pixel of a target patch counts; None = all alike.
        locality: at least 0, how much near sources are preferred: distances are multiplied by 1 + locality * a²,
            where a is how far away the source is, in longest sides of the picture. A factor works alike in smooth and
            in rough parts.
        reach_px: half side of the largest window of the random search around the current match; None = everywhere.
        seed: the same seed gives the same field.
        monitor: told after each round; cancels between rounds.

    Returns:
        The field. Every match is an allowed source.

    Raises:
        InputError: sizes differ, the patch is even, or there are targets but no source.
        Cancelled: the caller asked to stop.
    """
    job = _job(features, targets, sources, patch, weights, locality)
    field = _Matches(*_places(targets, start), np.full(targets.shape, np.inf, np.float32))
    random = np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64)
    _begin(job, field, random)
    for index in range(rounds):
        if monitor:
            monitor.report("matching patches", index / rounds)
        _improve(job, field, -1 if reach_px is None else reach_px, 1 if index % 2 == 0 else -1, random)
    return Field(*field)


def exact(features: Float, targets: Mask, sources: Mask, *, patch: int = 7, weights: Float | None = None) -> Field:
    """The true nearest-neighbour field, by trying every source for every target.

    Time grows with the product of the two numbers. Of equal matches it takes the first in reading order. Arguments,
    returned field and errors are those of `nearest`.
    """
    job = _job(features, targets, sources, patch, weights, 0.0)
    field = _Matches(*_places(targets, None), np.full(targets.shape, np.inf, np.float32))
    _try_all(job, field)
    return Field(*field)


class _Job(NamedTuple):
    """The arguments as the compiled loops want them; not a dataclass because Numba knows named tuples.

    Attributes:
        lines: float32 `[H, W * C]`, the features, a row of pixels per line.
        weights: float32 `[H, W]`.
        targets: int64 `[n]`, as indices into the flat picture, in reading order.
        allowed: bool `[H, W]`, sources.
        listed: int64 `[m]`, the same as indices into the flat picture.
        patch: side in pixels.
        pull: what the square of the pixels to a source is multiplied by and added to 1, see `nearest`'s locality.
    """

    lines: Float
    weights: Float
    targets: NDArray[np.int64]
    allowed: Mask
    listed: NDArray[np.int64]
    patch: int
    pull: float


class _Matches(NamedTuple):
    """A field that is being improved; see `Field`."""

    rows: Int
    cols: Int
    distance: Float


class _Cut(NamedTuple):
    """A target patch: values and weights `[patch, patch * C]`; the weights are 0 outside of the picture."""

    values: Float
    shares: Float


def _job(features: Float, targets: Mask, sources: Mask, patch: int, weights: Float | None, locality: float) -> _Job:
    height, width, channels = features.shape
    for name, array in (("targets", targets), ("sources", sources), ("weights", weights)):
        if array is not None and array.shape != (height, width):
            raise InputError(f"The {name} are {array.shape} but the features {features.shape}: give equal sizes.")
    if patch < 1 or patch % 2 == 0:
        raise InputError(f"The side of a patch is {patch} pixels: give an odd number of pixels.")
    allowed = sources & whole_patches(np.ones_like(sources), patch)
    centres, listed = np.flatnonzero(targets), np.flatnonzero(allowed)
    if centres.size and not listed.size:
        raise InputError(
            f"No patch of {patch} x {patch} pixels is left to copy from: make the mask or the excluded part smaller, "
            "or take smaller patches."
        )
    lines = np.ascontiguousarray(features, np.float32).reshape(height, width * channels)
    weighting = np.ones((height, width)) if weights is None else weights
    pull = locality / max(height, width) ** 2
    return _Job(lines, np.ascontiguousarray(weighting, np.float32), centres, allowed, listed, patch, pull)


def _places(targets: Mask, start: Field | None) -> tuple[Int, Int]:
    """Rows and columns of `start` at the targets, -1 elsewhere."""
    if start is None:
        return np.full(targets.shape, UNKNOWN, np.int32), np.full(targets.shape, UNKNOWN, np.int32)
    if start.rows.shape != targets.shape:
        raise InputError(f"The field to start from is {start.rows.shape}, the targets {targets.shape}: resize it.")
    rows, cols = (np.where(targets, values, UNKNOWN).astype(np.int32) for values in (start.rows, start.cols))
    return rows, cols


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True, fastmath=FAST_MATH)(function)


@_compiled
def _draw(random, below):
    """A random integer in 0 .. below - 1 by SplitMix64 (Steele et al. 2014); `random` is its state."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(((z >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32))


@_compiled
def _room(job):
    channels = job.lines.shape[1] // job.weights.shape[1]
    size = (job.patch, job.patch * channels)
    return _Cut(np.empty(size, np.float32), np.empty(size, np.float32))


@_compiled
def _cut(job, row, col, cut):
    """Copy the target patch around (row, col) into `cut`; returns the sum of its weights over the pixels."""
    height, width = job.weights.shape
    channels = job.lines.shape[1] // width
    total = np.float32(0)
    for down in range(job.patch):
        for across in range(job.patch):
            y, x = row - job.patch // 2 + down, col - job.patch // 2 + across
            inside = 0 <= y < height and 0 <= x < width
            share = job.weights[y, x] if inside else np.float32(0)
            total += share
            for channel in range(channels):
                k = across * channels + channel
                cut.shares[down, k] = share
                cut.values[down, k] = job.lines[y, x * channels + channel] if inside else np.float32(0)
    return max(total, np.float32(1e-12))


@_compiled
def _difference(lines, values, shares, row, col, limit):
    """Weighted sum of squared differences to the source patch around (row, col), or some number beyond `limit`."""
    patch, length = values.shape
    # Unsigned, because indices that could be negative are not vectorised.
    first = np.uint64((col - patch // 2) * (length // patch))
    top = np.uint64(row - patch // 2)
    total = np.float32(0)
    for down in range(np.uint64(patch)):
        part = np.float32(0)
        for k in range(np.uint64(length)):
            gap = values[down, k] - lines[top + np.uint64(down), first + np.uint64(k)]
            part += shares[down, k] * gap * gap
        total += part
        if total >= limit:
            break
    return total


@_compiled
def _factor(job, row, col, y, x):
    """What the difference between the target (row, col) and the source (y, x) is multiplied by."""
    return np.float32(1 + job.pull * ((y - row) ** 2 + (x - col) ** 2))


@_compiled
def _try(job, field, cut, row, col, best, y, x):
    """Match the target (row, col) with (y, x) if that is a better source; returns the lower one of the differences."""
    height, width = job.allowed.shape
    if not (0 <= y < height and 0 <= x < width) or not job.allowed[y, x]:
        return best
    factor = _factor(job, row, col, y, x)
    total = factor * _difference(job.lines, cut.values, cut.shares, y, x, best / factor)
    if total < best:
        best, field.rows[row, col], field.cols[row, col] = total, y, x
    return best


@_compiled
def _propagated(job, field, cut, row, col, best, step):
    """Try the matches of the two neighbours that came before, moved by one pixel (section 3.2, propagation)."""
    height, width = job.allowed.shape
    for down, across in ((step, 0), (0, step)):
        y, x = row - down, col - across
        if not (0 <= y < height and 0 <= x < width) or field.rows[y, x] < 0:
            continue
        y, x = field.rows[y, x] + down, field.cols[y, x] + across
        if y != field.rows[row, col] or x != field.cols[row, col]:
            best = _try(job, field, cut, row, col, best, y, x)
    return best


@_compiled
def _searched(job, field, cut, row, col, best, reach, random):
    """Try random sources in windows around the best that halve in size (section 3.2, random search)."""
    height, width = job.allowed.shape
    if reach < 0:
        # Once from the list, so that few and scattered sources are found as well.
        chosen = job.listed[_draw(random, job.listed.size)]
        best = _try(job, field, cut, row, col, best, chosen // width, chosen % width)
    window = max(height, width) // 2 if reach < 0 else reach
    while window >= 1:
        top, left = max(0, field.rows[row, col] - window), max(0, field.cols[row, col] - window)
        y = top + _draw(random, min(height, field.rows[row, col] + window + 1) - top)
        x = left + _draw(random, min(width, field.cols[row, col] + window + 1) - left)
        best = _try(job, field, cut, row, col, best, y, x)
        window //= 2
    return best


@_compiled
def _begin(job, field, random):
    """Give targets without an allowed match a random one, and compute all distances."""
    width = job.allowed.shape[1]
    cut = _room(job)
    for target in job.targets:
        row, col = target // width, target % width
        if field.rows[row, col] < 0 or not job.allowed[field.rows[row, col], field.cols[row, col]]:
            chosen = job.listed[_draw(random, job.listed.size)]
            field.rows[row, col], field.cols[row, col] = chosen // width, chosen % width
        y, x = field.rows[row, col], field.cols[row, col]
        norm = _cut(job, row, col, cut)
        total = _difference(job.lines, cut.values, cut.shares, y, x, np.float32(np.inf))
        field.distance[row, col] = total * _factor(job, row, col, y, x) / norm


@_compiled
def _improve(job, field, reach, step, random):
    """One round over all targets, in reading order where `step` is 1 and backwards where it is -1."""
    width = job.allowed.shape[1]
    cut = _room(job)
    for target in job.targets[::step]:
        row, col = target // width, target % width
        norm = _cut(job, row, col, cut)
        best = field.distance[row, col] * norm
        best = _propagated(job, field, cut, row, col, best, step)
        best = _searched(job, field, cut, row, col, best, reach, random)
        field.distance[row, col] = best / norm


@_compiled
def _try_all(job, field):
    width = job.allowed.shape[1]
    cut = _room(job)
    for target in job.targets:
        row, col = target // width, target % width
        norm = _cut(job, row, col, cut)
        best = np.float32(np.inf)
        for chosen in job.listed:
            total = _difference(job.lines, cut.values, cut.shares, chosen // width, chosen % width, best)
            if total < best:
                best, field.rows[row, col], field.cols[row, col] = total, chosen // width, chosen % width
        field.distance[row, col] = best / norm

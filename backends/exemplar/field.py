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
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...imaging.errors import InputError
from ...imaging.monitor import Monitor
from .bands import Band, bands, side_by_side
from .matching import VECTORS, begin, improve, try_all

Mask = NDArray[np.bool_]
Int = NDArray[np.int32]
Float = NDArray[np.float32]

UNKNOWN = -1
"""Row and column where no match is sought."""


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
    stride: int = 1,
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
        stride: of the targets only those whose row and column are multiples of it are matched.
        seed: the same seed gives the same field.
        monitor: told after each round; cancels between rounds.

    Returns:
        The field. Every match is an allowed source.

    Raises:
        InputError: sizes differ, the patch is even, or there are targets but no source.
        Cancelled: the caller asked to stop.
    """
    targets = on_grid(targets, stride)
    job = _job(features, targets, sources, patch, weights, locality)
    places, distance = _places(targets, start), np.full(targets.shape, np.inf, np.float32)
    parts = bands(np.flatnonzero(targets), (targets.shape[0], targets.shape[1]), seed)
    side_by_side(lambda band: begin(*job, band.targets, places, distance, band.random), parts)
    for index in range(rounds):
        if monitor:
            monitor.report("matching patches", index / rounds)
        order = stride, -1 if reach_px is None else reach_px, 1 if index % 2 == 0 else -1
        _round(job, places, distance, parts, order)
    return Field(places[0], places[1], distance)


def on_grid(targets: Mask, stride: int) -> Mask:
    """Bool `[H, W]`: those of the targets whose row and column are multiples of `stride`."""
    chosen = np.zeros_like(targets)
    chosen[::stride, ::stride] = targets[::stride, ::stride]
    return chosen


def exact(features: Float, targets: Mask, sources: Mask, *, patch: int = 7, weights: Float | None = None) -> Field:
    """The true nearest-neighbour field, by trying every source for every target.

    Time grows with the product of the two numbers. Of equal matches it takes the first in reading order. Arguments,
    returned field and errors are those of `nearest`.
    """
    job = _job(features, targets, sources, patch, weights, 0.0)
    places, distance = _places(targets, None), np.full(targets.shape, np.inf, np.float32)
    try_all(job.lines, job.shares, job.listed, patch, job.channels, np.flatnonzero(targets), places, distance)
    return Field(places[0], places[1], distance)


class _Job(NamedTuple):
    """The arguments as the compiled loops want them, see `matching`, which also take them in this order.

    Attributes:
        lines: float32 `[H, W * C + VECTORS]`.
        shares: float32 `[H, W * C + VECTORS]`, the weight of each feature.
        allowed: bool `[H, W]`.
        listed: int64 `[m]`.
        patch: side in pixels.
        channels: C.
        pull: how strongly near sources are preferred.
    """

    lines: Float
    shares: Float
    allowed: Mask
    listed: NDArray[np.int64]
    patch: int
    channels: int
    pull: float


def _job(features: Float, targets: Mask, sources: Mask, patch: int, weights: Float | None, locality: float) -> _Job:
    height, width, channels = features.shape
    for name, array in (("targets", targets), ("sources", sources), ("weights", weights)):
        if array is not None and array.shape != (height, width):
            raise InputError(f"The {name} are {array.shape} but the features {features.shape}: give equal sizes.")
    if patch < 1 or patch % 2 == 0:
        raise InputError(f"The side of a patch is {patch} pixels: give an odd number of pixels.")
    allowed = sources & whole_patches(np.ones_like(sources), patch)
    listed = np.flatnonzero(allowed)
    if targets.any() and not listed.size:
        raise InputError(
            f"No patch of {patch} x {patch} pixels is left to copy from: make the mask or the excluded part smaller, "
            "or take smaller patches."
        )
    lines, shares = np.zeros((2, height, width * channels + VECTORS), np.float32)
    lines[:, :-VECTORS] = features.reshape(height, width * channels)
    shares[:, :-VECTORS] = 1 if weights is None else np.repeat(weights, channels, 1)
    pull = locality / max(height, width) ** 2
    return _Job(lines, shares, allowed, listed, patch, channels, pull)


def _places(targets: Mask, start: Field | None) -> Int:
    """int32 `[2, H, W]`: rows and columns of `start` at the targets, -1 elsewhere."""
    if start is None:
        return np.full((2, *targets.shape), UNKNOWN, np.int32)
    if start.rows.shape != targets.shape:
        raise InputError(f"The field to start from is {start.rows.shape}, the targets {targets.shape}: resize it.")
    return np.where(targets, np.stack([start.rows, start.cols]), UNKNOWN).astype(np.int32)


def _round(job: _Job, places: Int, distance: Float, parts: list[Band], order: tuple[int, int, int]) -> None:
    """Improve all bands; each sees the others as they were before. `order` is stride, reach and way."""

    def improved(band: Band) -> Int:
        own = places.copy()
        improve(*job, band.targets, own, distance, band.random, *order)
        return own[:, band.rows]

    for band, own in zip(parts, side_by_side(improved, parts), strict=True):
        places[:, band.rows] = own

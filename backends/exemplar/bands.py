"""Work on a picture divided into bands of rows, for several threads at once.

The bands depend on the picture alone, and each has its own random numbers and sees the others as they were before; so
the result is the same however many threads there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

BANDS = 4
LEAST_TARGETS = 2048
"""So few targets are one band: threads would take longer to start than to work."""
Part = TypeVar("Part")
Result = TypeVar("Result")


class Band(NamedTuple):
    """Neighbouring rows.

    Attributes:
        rows: from the first up to the one after the last.
        targets: int64 `[n]`, the targets in these rows, as indices into the flat picture, in reading order.
        random: uint64 `[1]`, the state of the random numbers of this band.
    """

    rows: slice
    targets: NDArray[np.int64]
    random: NDArray[np.uint64]


def bands(targets: NDArray[np.int64], size: tuple[int, int], seed: int) -> list[Band]:
    """Bands with about as many targets each.

    Args:
        targets: int64 `[n]`, as indices into the flat picture, in reading order.
        size: height and width of the picture.
        seed: of the random numbers; each band has others.
    """
    height, width = size
    parts = BANDS if targets.size >= LEAST_TARGETS else 1
    cuts = [0, *(int(targets[targets.size * part // parts] // width) for part in range(1, parts)), height]
    ends = np.searchsorted(targets, np.array(cuts) * width)
    states = np.random.SeedSequence(seed & 0xFFFFFFFFFFFFFFFF).generate_state(parts, np.uint64).astype(np.uint64)
    return [
        Band(slice(cuts[part], cuts[part + 1]), targets[ends[part] : ends[part + 1]], states[part : part + 1])
        for part in range(parts)
    ]


def side_by_side(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """What the work gives for each part, as many at a time as there are processors."""
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
        return list(pool.map(work, parts))


def slices(number: int) -> list[slice]:
    """The indices of so many things in `BANDS` runs."""
    cuts = [number * part // BANDS for part in range(BANDS + 1)] if number >= LEAST_TARGETS else [0, number]
    return [slice(*pair) for pair in pairwise(cuts)]

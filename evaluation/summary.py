"""What the rows of a benchmark say together: means with intervals, and differences to one backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .results import MEASURES, Measure, Row
from .statistics import Comparison, Estimate, compare, estimate

EQUAL_PSNR_DB = 100.0
"""Taken for the PSNR of equal areas, which is infinite, in means and tests."""


@dataclass(frozen=True)
class Cell:
    """One backend on one mask set.

    Attributes:
        mask, backend: which.
        means: by the key of the measure; those that were measured.
        count: fills.
        hole_percent: mean share of the picture that was hidden.
        seconds: median for a fill.
        peak_mb: most memory of a fill that was watched; None if none was.
    """

    mask: str
    backend: str
    means: dict[str, Estimate]
    count: int
    hole_percent: float
    seconds: float
    peak_mb: float | None


@dataclass(frozen=True)
class Difference:
    """A backend against the reference in one measure, on the holes that both filled."""

    mask: str
    backend: str
    measure: str
    comparison: Comparison


@dataclass(frozen=True)
class Summary:
    """All that a report needs of the numbers.

    Attributes:
        cells: in the order of masks, then backends.
        reference: the backend that others are compared with; empty if there is one only.
        differences: of each other backend; corrected for all comparisons of the same measure together.
    """

    cells: tuple[Cell, ...]
    reference: str
    differences: tuple[Difference, ...]

    @property
    def masks(self) -> list[str]:
        """Names of the mask sets."""
        return list(dict.fromkeys(cell.mask for cell in self.cells))

    @property
    def measures(self) -> list[Measure]:
        """Those that were taken."""
        taken = {key for cell in self.cells for key in cell.means}
        return [one for one in MEASURES if one.key in taken]


def summarise(rows: Sequence[Row], masks: Sequence[str], backends: Sequence[str], seed: int = 0) -> Summary:
    """Means and differences of all rows.

    Args:
        rows: of one benchmark.
        masks: mask sets in the order wanted; others of the rows follow.
        backends: likewise; the first one with rows is the reference.
        seed: of the resampling.
    """
    table: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        table.setdefault((row.mask, row.backend), {})[row.picture] = row
    masks = list(dict.fromkeys([*masks, *(row.mask for row in rows)]))
    backends = list(dict.fromkeys([*backends, *(row.backend for row in rows)]))
    pairs = [(mask, name) for mask in masks for name in backends if (mask, name) in table]
    present = [name for name in backends if any(name == backend for _, backend in pairs)]
    reference = present[0] if len(present) > 1 else ""
    cells = tuple(_cell(mask, name, list(table[mask, name].values()), seed) for mask, name in pairs)
    differences: list[Difference] = []
    for measure in MEASURES if reference else ():
        differences += _differences(table, pairs, reference, measure.key, seed)
    return Summary(cells, reference, tuple(differences))


def _cell(mask: str, backend: str, rows: Sequence[Row], seed: int) -> Cell:
    peaks = _values(rows, "peak_mb")
    columns = {one.key: _values(rows, one.key) for one in MEASURES}
    return Cell(
        mask,
        backend,
        {key: estimate(values, seed) for key, values in columns.items() if len(values)},
        len(rows),
        float(np.mean(_values(rows, "hole_percent"))),
        float(np.median(_values(rows, "seconds"))),
        float(peaks.max()) if len(peaks) else None,
    )


def _differences(
    table: dict[tuple[str, str], dict[str, Row]],
    pairs: Sequence[tuple[str, str]],
    reference: str,
    key: str,
    seed: int,
) -> list[Difference]:
    found = []
    for mask, backend in pairs:
        own, other = table[mask, backend], table.get((mask, reference), {})
        both = [name for name in own if name in other and own[name].values.get(key) is not None]
        both = [name for name in both if other[name].values.get(key) is not None]
        if backend != reference and both:
            arrays = _values([own[name] for name in both], key), _values([other[name] for name in both], key)
            found.append((mask, backend, arrays))
    results = compare([arrays for _, _, arrays in found], seed)
    return [Difference(mask, name, key, one) for (mask, name, _), one in zip(found, results, strict=True)]


def _values(rows: Sequence[Row], key: str) -> NDArray[np.float64]:
    values = [row.values.get(key) for row in rows]
    return np.minimum(
        np.array([value for value in values if value is not None], np.float64),
        EQUAL_PSNR_DB if key.startswith("psnr") else np.inf,
    )

"""How sure the numbers of a benchmark are: intervals by bootstrap, and tests between two backends on the same holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
AT_ONCE = 200
"""Resamples in memory at a time."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its confidence interval; the ends are None where a single value says nothing about them."""

    mean: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Comparison:
    """How a backend differs from another on the same holes.

    Attributes:
        difference: mean of its values less the other's, with the interval by bootstrap over pictures.
        p: of the Wilcoxon signed-rank test, two-sided.
        corrected_p: after Holm's correction for all comparisons made together.
    """

    difference: Estimate
    p: float
    corrected_p: float


def estimate(values: Values, seed: int = 0) -> Estimate:
    """Mean with the percentile interval of the bootstrap (Efron 1979), 95 %.

    Args:
        values: `[n]`, finite, at least one.
        seed: of the resampling; the same seed gives the same interval.
    """
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, None, None, len(values))
    rng = np.random.default_rng(seed)
    parts = [
        values[rng.integers(0, len(values), (AT_ONCE, len(values)))].mean(axis=1) for _ in range(RESAMPLES // AT_ONCE)
    ]
    low, high = np.quantile(np.concatenate(parts), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(mean, float(low), float(high), len(values))


def signed_rank_p(differences: Values) -> float:
    """Two-sided p value of the Wilcoxon signed-rank test (Wilcoxon 1945); 1 where all differences are 0."""
    if not differences.any():
        return 1.0
    result: Any = stats.wilcoxon(differences)  # its type is made while it runs
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979), in the order given.

    With the p values sorted, the i-th of n is multiplied by n - i + 1, never falls below the one before, and is at
    most 1.
    """
    order = np.argsort(p_values)
    scaled = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return [float(value) for value in corrected]


def compare(pairs: Sequence[tuple[Values, Values]], seed: int = 0) -> list[Comparison]:
    """Each pair's first values less its second ones, picture by picture; corrected for all pairs together.

    Args:
        pairs: two arrays `[n]` each, finite, in the same order of pictures, n at least 1.
        seed: see `estimate`.
    """
    differences = [first - second for first, second in pairs]
    p_values = [signed_rank_p(values) for values in differences]
    return [
        Comparison(estimate(values, seed), p, corrected)
        for values, p, corrected in zip(differences, p_values, holm(p_values), strict=True)
    ]

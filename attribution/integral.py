"""The path integral of the gradient, and the check that it adds up.

`PathIG = ∫ ∂F/∂γ · ∂γ/∂α dα`, computed as the sum over neighbouring points of half the sum of the two gradients times
the difference of the two pictures. Since the true integral over an interval is the change of `F` over it, the error of
each interval is known exactly, and new points go where it is largest. The sum is never rescaled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from .evaluator import Point

Evaluate = Callable[[list[float]], Iterator[Point]]
"""Evaluates a path at the given alphas, in their order."""

FIRST_POINTS = 8
SAFETY = 0.8
"""A round of refinement aims at this share of the tolerance, since its gain is an estimate."""

POINTS_PER_ROUND = 4
WORTH_BISECTING = 0.1
"""An interval is bisected together with the worst one if its error is at least this share of the worst one's."""

SMALLEST_CHANGE = 1e-5
"""A change of the objective below this share of its value is mostly rounding; errors are then told in parts of the
value instead."""


@dataclass(frozen=True)
class Rule:
    """How many points to take.

    Attributes:
        points: evenly spaced points to start with, at least 2.
        tolerance_percent: refine until the completeness error is at most this; None = never refine.
        max_evaluations: no more points than this.
    """

    points: int = FIRST_POINTS
    tolerance_percent: float | None = 1.0
    max_evaluations: int = 128


@dataclass(frozen=True)
class Integral:
    """The result of integrating along a path.

    Attributes:
        contributions: float32 `[3, H, W]`, signed, in units of the objective.
        value_image: objective at alpha 1.
        value_baseline: objective at alpha 0.
        local_error: sum of the absolute errors of all intervals, in units of the objective.
    """

    contributions: np.ndarray
    value_image: float
    value_baseline: float
    local_error: float


def relative_error(error: float, value_image: float, value_baseline: float) -> tuple[float, str]:
    """An error in percent, and of what: "the change" of the objective, or "the value" where it hardly changes.

    Never NaN: without any value at all the error is 0 if it is 0, else 100.
    """
    change = abs(value_image - value_baseline)
    value = max(abs(value_image), abs(value_baseline))
    if change > SMALLEST_CHANGE * value:
        return 100.0 * abs(error) / change, "the change"
    if value > 0:
        return 100.0 * abs(error) / value, "the value"
    return (100.0 if error else 0.0), "the value"


@dataclass(frozen=True)
class _Interval:
    left: Point
    right: Point

    def contributions(self) -> np.ndarray:
        difference = self.right.image.astype(np.float64) - self.left.image
        return 0.5 * (self.left.gradient.astype(np.float64) + self.right.gradient) * difference

    @cached_property
    def total(self) -> float:
        return float(self.contributions().sum())

    @property
    def error(self) -> float:
        return self.total - (self.right.value - self.left.value)

    @property
    def middle(self) -> float:
        return 0.5 * (self.left.alpha + self.right.alpha)


@dataclass
class _Sums:
    """What finished intervals leave behind; their pictures and gradients are let go."""

    contributions: np.ndarray | float = 0.0
    error: float = 0.0
    local_error: float = 0.0
    ends: dict[float, float] = field(default_factory=dict)

    def add(self, interval: _Interval) -> None:
        self.contributions = self.contributions + interval.contributions()
        self.error += interval.error
        self.local_error += abs(interval.error)

    def integral(self) -> Integral:
        contributions = np.asarray(self.contributions, np.float32)
        return Integral(contributions, self.ends[1.0], self.ends[0.0], self.local_error)


def integrate(evaluate: Evaluate, rule: Rule) -> Integral:
    """Integrate the gradient along a path from alpha 0 to alpha 1.

    Args:
        evaluate: gives the points of the path; never asked for the same alpha twice.
        rule: how many points.
    """
    sums = _Sums()
    points = _remember_ends(evaluate(np.linspace(0.0, 1.0, rule.points).tolist()), sums.ends)
    intervals = (_Interval(left, right) for left, right in pairwise(points))
    if rule.tolerance_percent is not None:
        intervals = _refine(list(intervals), evaluate, rule, sums)
    for interval in intervals:
        sums.add(interval)
    return sums.integral()


def _remember_ends(points: Iterable[Point], ends: dict[float, float]) -> Iterator[Point]:
    for point in points:
        if point.alpha in (0.0, 1.0):
            ends[point.alpha] = point.value
        yield point


def _refine(intervals: list[_Interval], evaluate: Evaluate, rule: Rule, sums: _Sums) -> list[_Interval]:
    """Bisect the worst intervals until the error is within the tolerance; returns those that are still open.

    An interval whose error is so small that as many as there can ever be would stay within the tolerance together
    goes into `sums` at once.
    """
    assert rule.tolerance_percent is not None
    tolerance = rule.tolerance_percent
    evaluations = len(intervals) + 1
    while True:
        error = sums.error + sum(interval.error for interval in intervals)
        left = rule.max_evaluations - evaluations
        if relative_error(error, sums.ends[1.0], sums.ends[0.0])[0] <= tolerance or left <= 0:
            return intervals
        intervals = _finish(intervals, tolerance / rule.max_evaluations, sums)
        worst = _enough(intervals, _worst(intervals, min(left, POINTS_PER_ROUND)), error, tolerance, sums)
        if not worst:
            return intervals
        middles = list(evaluate([intervals[index].middle for index in worst]))
        evaluations += len(middles)
        intervals = _bisect(intervals, dict(zip(worst, middles, strict=True)))


def _finish(intervals: list[_Interval], enough_percent: float, sums: _Sums) -> list[_Interval]:
    open_intervals = []
    for interval in intervals:
        if relative_error(interval.error, sums.ends[1.0], sums.ends[0.0])[0] <= enough_percent:
            sums.add(interval)
        else:
            open_intervals.append(interval)
    return open_intervals


def _worst(intervals: list[_Interval], count: int) -> list[int]:
    """Indices of the intervals with the largest errors, ascending; those that cannot be halved any more are left."""
    halvable = [
        i for i, interval in enumerate(intervals) if interval.left.alpha < interval.middle < interval.right.alpha
    ]
    ranked = sorted(halvable, key=lambda index: -abs(intervals[index].error))[:count]
    return sorted(i for i in ranked if abs(intervals[i].error) >= WORTH_BISECTING * abs(intervals[ranked[0]].error))


def _enough(intervals: list[_Interval], worst: list[int], error: float, tolerance: float, sums: _Sums) -> list[int]:
    """The fewest of the `worst` intervals whose bisection should bring the error within the tolerance.

    Halving an interval quarters its error (the rule is of second order), so three quarters of it should go.
    """
    chosen: list[int] = []
    for index in sorted(worst, key=lambda index: -abs(intervals[index].error)):
        chosen.append(index)
        error -= 0.75 * intervals[index].error
        if relative_error(error, sums.ends[1.0], sums.ends[0.0])[0] <= SAFETY * tolerance:
            break
    return sorted(chosen)


def _bisect(intervals: list[_Interval], middles: dict[int, Point]) -> list[_Interval]:
    result: list[_Interval] = []
    for index, interval in enumerate(intervals):
        middle = middles.get(index)
        result += (
            [interval] if middle is None else [_Interval(interval.left, middle), _Interval(middle, interval.right)]
        )
    return result

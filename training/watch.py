"""What a run tells while it goes on, and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..imaging.monitor import CancelToken


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        step: steps done.
        steps: of the whole run.
        losses: means since the last line of the log, by name; empty before the first.
        pictures_per_second: over the last steps.
        seconds_left: at this rate.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    pictures_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Watch:
    """Who looks on.

    Attributes:
        say: told a sentence now and then.
        on_progress: called after each step.
        token: stops the run after the step that it is at, with a checkpoint.
    """

    say: Callable[[str], None] = lambda _text: None
    on_progress: Callable[[Progress], None] = lambda _progress: None
    token: CancelToken = field(default_factory=CancelToken)


class Meter:
    """Means of losses between lines of the log, and how fast the run is.

    Args:
        steps: of the whole run.
        batch: pictures of a step.
    """

    def __init__(self, steps: int, batch: int) -> None:
        self.steps, self.batch = steps, batch
        self.losses: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._seconds_per_step = 0.0
        self._last = time.monotonic()

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Losses of one step; they stay on their device."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value.detach()
            self._counts[name] = self._counts.get(name, 0) + 1
        now = time.monotonic()
        taken, self._last = now - self._last, now
        # A mean over about the last fifty steps, of which the first starts it.
        known = self._seconds_per_step
        self._seconds_per_step = taken if not known else known + (taken - known) / 50

    def skip(self) -> None:
        """What was done since the last step is not part of the next one."""
        self._last = time.monotonic()

    def read(self) -> dict[str, float]:
        """Means since they were last read."""
        self.losses = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return self.losses

    def progress(self, step: int) -> Progress:
        """Where the run is after `step` steps."""
        rate = self.batch / self._seconds_per_step if self._seconds_per_step else 0.0
        left = (self.steps - step) * self._seconds_per_step
        return Progress(step, self.steps, self.losses, rate, left)


def duration(seconds: float) -> str:
    """Seconds in words: `40 s`, `12 min`, `3 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"

"""Progress and cancelling: one small value that travels from the caller down to the loop that does the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event

from .errors import Cancelled


class CancelToken:
    """Set by whoever wants the work to stop; safe to use from any thread."""

    def __init__(self) -> None:
        self._event = Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """True once `cancel` was called."""
        return self._event.is_set()


@dataclass(frozen=True)
class Monitor:
    """Reports progress and stops when asked to.

    Args:
        on_progress: called with the stage in a few words and the share done, 0 to 1.
        token: checked at every report.
        span: part of the whole, start and end in 0 to 1, that reports of this monitor fill.
    """

    on_progress: Callable[[str, float], None] | None = None
    token: CancelToken = field(default_factory=CancelToken)
    span: tuple[float, float] = (0.0, 1.0)

    def check(self) -> None:
        """Raise `Cancelled` if the caller asked to stop."""
        if self.token.cancelled:
            raise Cancelled("Stopped as asked; nothing half-written is left.")

    def report(self, stage: str, share: float) -> None:
        """Tell how far the work is (`share` in 0 to 1); raises `Cancelled` if the caller asked to stop."""
        self.check()
        if self.on_progress:
            start, end = self.span
            self.on_progress(stage, start + (end - start) * min(1.0, max(0.0, share)))

    def part(self, start: float, end: float) -> Monitor:
        """A monitor for the part from `start` to `end` (0 to 1) of this one's span."""
        low, high = self.span
        return replace(self, span=(low + (high - low) * start, low + (high - low) * end))

"""What the server remembers of a visit: a cache in memory, bounded, that the page can do without."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..imaging.errors import InputError

if TYPE_CHECKING:
    from ..plugin.service.jobs import Job
    from .photos import Photo
    from .results import Sheet, Shot

FORGOTTEN = "This fill rested for too long and was forgotten: press Fill again."
NO_FILL = "Fill something first."
MOST_BYTES = 2 * 1024**3
KEPT_SHOTS = 2


@dataclass(eq=False)
class Visit:
    """One browser tab.

    Attributes:
        photo: the picture that was opened last.
        shots: the last fills, the newest last.
        sheet: the last comparison.
        jobs: what runs or waits for this visit, by tab.
        filled_before: there was a fill of this picture, though it may be forgotten.
        used_at: when it was used last, on the monotonic clock in seconds.
    """

    photo: Photo | None = None
    shots: list[Shot] = field(default_factory=list)
    sheet: Sheet | None = None
    jobs: dict[str, Job[Any]] = field(default_factory=dict)
    filled_before: bool = False
    used_at: float = 0.0

    def add(self, shot: Shot) -> None:
        """Remember a fill; the oldest beyond `KEPT_SHOTS` goes."""
        self.shots = [*self.shots, shot][-KEPT_SHOTS:]
        self.filled_before = True

    def take_photo(self, photo: Photo) -> None:
        """Another picture: fills of the one before are no longer compared with."""
        if self.photo is not photo:
            self.photo, self.shots, self.filled_before = photo, [], False

    @property
    def shot(self) -> Shot:
        """The newest fill; raises `InputError` if there is none or it was forgotten."""
        if not self.shots:
            raise InputError(FORGOTTEN if self.filled_before else NO_FILL)
        return self.shots[-1]

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        parts = [self.photo, self.sheet, *self.shots]
        return sum(part.bytes for part in parts if part is not None)

    def stop(self, tab: str) -> None:
        """Stop what runs or waits for a tab."""
        if job := self.jobs.get(tab):
            job.cancel()

    def busy(self, tab: str) -> bool:
        """Whether something runs or waits for a tab that was not asked to stop."""
        job = self.jobs.get(tab)
        return job is not None and not job.ended and not job.token.cancelled

    def forget(self) -> None:
        """Give the memory back; the page still shows what it showed, and can open the picture again."""
        self.photo, self.shots, self.sheet = None, [], None

    def end(self) -> None:
        """The tab is gone."""
        for tab in self.jobs:
            self.stop(tab)
        self.forget()


class Visits:
    """All visits of a server; the ones that rested longest are forgotten where there are too many bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._visits: WeakSet[Visit] = WeakSet()
        self._lock = Lock()

    def used(self, visit: Visit) -> None:
        """A visit has just been used; others may have to be forgotten for it."""
        with self._lock:
            visit.used_at = time.monotonic()
            self._visits.add(visit)
            others = sorted((one for one in self._visits if one is not visit), key=lambda one: one.used_at)
            total = sum(one.bytes for one in self._visits)
            for one in others:
                if total <= self._most_bytes:
                    return
                total -= one.bytes
                one.forget()

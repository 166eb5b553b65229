"""`Job`: one piece of work in a queue, as whoever asked for it sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from threading import RLock
from typing import Any, Generic, Literal, TypeVar, cast

from ...imaging.errors import Cancelled, LensError
from ...imaging.monitor import CancelToken, Monitor
from .watch import Watch

T = TypeVar("T")
State = Literal["queued", "running", "done", "failed", "cancelled"]
SMALLEST_STEP = 0.01
"""Progress by less than this share of the whole is not told, so that listeners are not woken for nothing."""
TAKE_S = 5.0
"""Within which a client takes a result after the end of its job."""


@dataclass(frozen=True)
class Work(Generic[T]):
    """What is to be done and how its result is written into a folder; let go as soon as the job has ended."""

    function: Callable[[Monitor], T]
    save: Callable[[T, Path], object] | None = None


class Job(Generic[T]):
    """One piece of work in a queue; safe to use from any thread.

    Attributes:
        id: unguessable; whoever knows it may watch, stop and fetch the job.
        kind: what was asked for, such as `fill`.
        device: where it runs; jobs on one device run one after another.
        label: a few words about it.
        state: `queued`, `running`, `done`, `failed` or `cancelled`.
        position: how many jobs must end before this one starts; 0 = it runs or has ended.
        stage: what it is doing, in a few words.
        share: how much of it is done, 0 to 1.
        error: one sentence about why it failed or was stopped, without paths; empty if it was not.
        folder: where its saved result lies; None until it is saved, soon after it is done.
        finished_at: when it ended, in seconds since 1970; 0 = not yet.
        started_at: when it began to run, on the monotonic clock in seconds.
        token: tells the work to stop.
        ends_with_listeners: it is stopped when all who listened have left.
        fetchable: its result can be written into a folder, so that `/v1` hands it out.
    """

    def __init__(self, kind: str, device: str, label: str, expire_s: float, name: str | None = None) -> None:
        self.id = name or token_urlsafe(18)
        self.kind, self.device, self.label = kind, device, label
        self.state: State = "queued"
        self.position = 0
        self.stage, self.share, self.error = "waiting", 0.0, ""
        self.folder: Path | None = None
        self.finished_at = self.started_at = 0.0
        self.token = CancelToken()
        self.ends_with_listeners = self.fetchable = False
        self.stopper: Callable[[str], None] = lambda why: None
        self._expire_s = expire_s
        self._lock = RLock()
        self._watch = Watch()
        self._failure: LensError | None = None
        self._value: T | None = None
        self._held = False
        self._listeners, self._left_at = 0, 0.0

    @property
    def ended(self) -> bool:
        """True once it is done, failed or cancelled."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def held(self) -> bool:
        """True while `result` is in memory; only the newest results are, so take yours as soon as the job is done."""
        return self._held

    @property
    def awaited(self) -> bool:
        """True while someone listens, and for `TAKE_S` after the end, within which listeners take the result."""
        with self._lock:
            return self._held and (self._listeners > 0 or time.time() - self.finished_at < TAKE_S)

    @property
    def result(self) -> T:
        """What the work returned.

        Raises:
            LensError: as the work raised, with a sentence that names no paths; or the job has not ended, or its result
                has left the memory.
            Cancelled: it was stopped.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self.ended:
                raise LensError("This job is not done yet: wait for it first.")
            if not self._held:
                raise LensError("The result of this job is no longer in memory: submit it again.")
            return cast(T, self._value)

    def cancel(self) -> None:
        """Ask it to stop: at once where it waits, at its next report of progress where it runs."""
        self.stopper("Stopped as asked.")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False where that takes longer than `timeout_s`."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            version = self._watch.version
            if self.ended:
                return True
            left = None if until is None else max(0.0, until - time.monotonic())
            if not self._watch.wait(version, left):
                return self.ended

    def changes(self, timeout_s: float | None = 1.0, since: int | None = None) -> dict[str, Any]:
        """Wait for the next change of state, position, stage or share; returns the snapshot after it.

        A job that has ended never changes, so the answer comes at once.

        Args:
            timeout_s: patience; after it the snapshot comes as it is.
            since: `version` of the snapshot that the caller has seen, so that no change is lost between two calls.
        """
        version = self._watch.version if since is None else since
        if not self.ended:
            self._watch.wait(version, timeout_s)
        return self.snapshot()

    async def achanges(self, timeout_s: float | None = 1.0, since: int | None = None) -> dict[str, Any]:
        """`changes` for an event loop."""
        version = self._watch.version if since is None else since
        if not self.ended:
            await self._watch.await_(version, timeout_s)
        return self.snapshot()

    def snapshot(self) -> dict[str, Any]:
        """Plain values for JSON; `expires_in_s` is None before the end."""
        with self._lock:
            left = max(0.0, self.finished_at + self._expire_s - time.time())
            return {
                "id": self.id,
                "kind": self.kind,
                "label": self.label,
                "device": self.device,
                "state": self.state,
                "position": self.position,
                "stage": self.stage,
                "share": round(self.share, 4),
                "error": self.error,
                "version": self._watch.version,
                "expires_in_s": round(left, 1) if self.ended else None,
            }

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count as a listener; when the last one leaves, a job that `ends_with_listeners` is stopped soon after."""
        with self._lock:
            self._listeners += 1
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= 1
                self._left_at = time.monotonic()
            self.stopper("")

    @property
    def left_at(self) -> float | None:
        """When the last listener left, on the monotonic clock; None if someone listens or nobody ever did."""
        with self._lock:
            return self._left_at if self._left_at and not self._listeners else None

    def move(self, position: int) -> None:
        """Tell how many jobs are before it."""
        with self._lock:
            if self.position == position:
                return
            self.position = position
        self._watch.bump()

    def start(self) -> None:
        """It runs now."""
        with self._lock:
            self.state, self.position, self.stage = "running", 0, "starting"
            self.started_at = time.monotonic()
        self._watch.bump()

    def progress(self, stage: str, share: float) -> None:
        """Tell how far it is; for a `Monitor`."""
        with self._lock:
            if self.token.cancelled or (stage == self.stage and abs(share - self.share) < SMALLEST_STEP):
                return
            self.stage, self.share = stage, share
        self._watch.bump()

    def ask_to_stop(self, why: str) -> bool:
        """Set the token, with a sentence that says why; False if it was set before or the job has ended."""
        with self._lock:
            if self.ended or self.token.cancelled:
                return False
            self.token.cancel()
            self.stage, self.error = "stopping", why
        self._watch.bump()
        return True

    def succeed(self, value: T) -> None:
        """It is done; `value` stays in memory until `drop`."""
        with self._lock:
            self._value, self._held = value, True
            self.state, self.stage, self.share = "done", "done", 1.0
            self.finished_at = time.time()
        self._watch.bump()

    def fail(self, error: LensError) -> None:
        """It failed or, by a `Cancelled`, was stopped."""
        with self._lock:
            self.state = "cancelled" if isinstance(error, Cancelled) else "failed"
            self.stage, self._failure, self.error = self.state, error, str(error)
            self.position = 0
            self.finished_at = time.time()
        self._watch.bump()

    def restore(self, state: State, failure: LensError | None, folder: Path | None, finished_at: float) -> None:
        """Stand as a job of an earlier run stood when it ended."""
        self.state, self.stage, self._failure, self.folder = state, state, failure, folder
        self.share, self.finished_at = float(state == "done"), finished_at
        self.error = str(failure or "")

    def drop(self) -> None:
        """Let the result in memory go."""
        with self._lock:
            self._value, self._held = None, False

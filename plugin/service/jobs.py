"""Jobs: a bounded queue, one job at a time on each device, that can be watched, stopped and fetched later.

A job is a function of a `Monitor`. Its token is set by `Job.cancel`, when listeners have left, when it takes too long,
and when the service ends; work that reports progress or calls `Monitor.check` stops there.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, RLock, Thread
from typing import Any, TypeVar, cast

from ...imaging.errors import Cancelled, InputError, LensError
from ...imaging.monitor import Monitor
from .job import Job, State, Work
from .spool import Record, Spool
from .wording import told

__all__ = ["Job", "Jobs", "QueueFull"]

log = logging.getLogger(__name__)
T = TypeVar("T")
INTERRUPTED = "The service stopped before this job was done, so it was interrupted: submit it again."
LEFT = "Stopped, since whoever listened to it left."
OVERDUE = "Stopped, since it took longer than this service allows: give a smaller picture or fewer steps."

MOST_AWAITED = 4
"""How many times as many results as are kept may be in memory while their clients are about to take them."""


class QueueFull(InputError):
    """As many jobs wait as may wait."""


@dataclass
class _Lane:
    """The queue of one device, and the thread that works it off."""

    device: str
    current: Job[Any] | None = None
    waiting: deque[Job[Any]] = field(default_factory=deque)
    thread: Thread | None = None


class Jobs:
    """All jobs of a process.

    Args:
        queue: how many may wait, over all devices; those that run do not count.
        expire_s: for how long a finished job can be fetched, in seconds.
        spool: owner-only folder that keeps saved results over a restart; None = they go with the process.
        idle_unload_s: after so many seconds without a job `on_idle` is called, once; None = never.
        on_idle: gives memory back.
        leave_s: within which a listener who left may come back before a job that `ends_with_listeners` is stopped.
        longest_s: that one job may run; None = no limit.
        kept: how many results stay in memory, the newest ones; saved ones can be read from `Job.folder` after that.
        finished: how many finished jobs are remembered at most.
        max_bytes: how much their saved results may take on the disk.

    Raises:
        InputError: the spool cannot be used.
    """

    def __init__(
        self,
        queue: int = 16,
        expire_s: float = 900.0,
        spool: Path | None = None,
        *,
        idle_unload_s: float | None = None,
        on_idle: Callable[[], object] | None = None,
        leave_s: float = 1.0,
        longest_s: float | None = None,
        kept: int = 8,
        finished: int = 200,
        max_bytes: int = 2 * 1024**3,
    ) -> None:
        self.limit, self.expire_s, self.leave_s, self.longest_s = queue, expire_s, leave_s, longest_s
        self.spool = Spool(spool)
        self._idle_unload_s, self._on_idle = idle_unload_s, on_idle
        self._kept_count, self._finished_count, self._max_bytes = kept, finished, max_bytes
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._jobs: dict[str, Job[Any]] = {}
        self._work: dict[str, Work[Any]] = {}
        self._sizes: dict[str, int] = {}
        self._lanes: dict[str, _Lane] = {}
        self._kept: deque[Job[Any]] = deque()
        self._idle_since: float | None = None
        self._closed = False
        self._restore()
        self._keeper = Thread(target=self._keep_house, name="jobs", daemon=True)
        self._keeper.start()

    def submit(
        self,
        kind: str,
        work: Callable[[Monitor], T],
        *,
        device: str = "cpu",
        label: str = "",
        save: Callable[[T, Path], object] | None = None,
        ends_with_listeners: bool = False,
    ) -> Job[T]:
        """Queue work.

        Args:
            kind: what is asked for.
            work: gets a monitor for progress and cancelling, and returns the result.
            device: jobs on one device run one after another.
            label: a few words about it.
            save: writes the result into a folder that is the job's own, from which it can be read when it has left
                the memory, and over a restart where there is a spool.
            ends_with_listeners: stop the job when everyone who was `Job.listening` has left.

        Raises:
            QueueFull: at once, where as many jobs wait as may wait.
        """
        with self._lock:
            self.check_room(device)
            job: Job[T] = Job(kind, device, label, self.expire_s)
            job.ends_with_listeners, job.fetchable = ends_with_listeners, save is not None
            job.stopper = lambda why: self.stop(job, why) if why else self._wake()
            if save:
                self.spool.write(_record(job))
            self._jobs[job.id], self._work[job.id] = job, Work(work, save)
            lane = self._lanes.setdefault(device, _Lane(device))
            lane.waiting.append(job)
            self._idle_since = None
            self._advance(lane)
            return job

    def check_room(self, device: str = "cpu") -> None:
        """Raise `QueueFull` where `submit` would, so that nothing large is read for nothing."""
        with self._lock:
            if self._closed:
                raise QueueFull("The service is stopping: try again when it is back.")
            lane, waiting = self._lanes.get(device), self.counts()["waiting"]
            if lane and lane.current and waiting >= self.limit:
                raise QueueFull(f"The queue is full ({waiting} jobs wait already): try again in a moment.")

    def get(self, name: str) -> Job[Any] | None:
        """The job with this id; None if there is none or it has expired."""
        with self._lock:
            return self._jobs.get(name)

    def counts(self) -> dict[str, int]:
        """How many run, wait, may wait, and are finished but not yet expired."""
        with self._lock:
            running = sum(lane.current is not None for lane in self._lanes.values())
            waiting = sum(len(lane.waiting) for lane in self._lanes.values())
            finished = sum(job.ended for job in self._jobs.values())
            return {"running": running, "waiting": waiting, "limit": self.limit, "finished": finished}

    def stop(self, job: Job[Any], why: str) -> None:
        """Cancel a job with a sentence that says why; see `Job.cancel`."""
        with self._lock:
            lane = self._lanes.get(job.device)
            if not job.ask_to_stop(why) or lane is None:
                return
            if job in lane.waiting:
                lane.waiting.remove(job)
                self._end(job, None, _stopped(why))
                self._advance(lane)

    def forget(self, job: Job[Any]) -> None:
        """Delete a job that has ended, with its files."""
        with self._lock:
            self._jobs.pop(job.id, None)
            self._sizes.pop(job.id, None)
            if job in self._kept:
                self._kept.remove(job)
            job.drop()
            self.spool.remove(job.id)

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop everything; jobs that have not ended fail as interrupted, here and after a restart."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for job in [job for job in self._jobs.values() if not job.ended]:
                self.stop(job, INTERRUPTED)
            self._changed.notify_all()
            threads = [lane.thread for lane in self._lanes.values() if lane.thread]
        until = time.monotonic() + timeout_s
        for thread in [*threads, self._keeper]:
            thread.join(max(0.0, until - time.monotonic()))
        self.spool.close()

    def _advance(self, lane: _Lane) -> None:
        """Let the next job of a free lane run, and tell the others their places."""
        if lane.current is None and lane.waiting:
            lane.current = lane.waiting.popleft()
            lane.current.start()
            if lane.thread is None:
                lane.thread = Thread(target=self._work_off, args=(lane,), name=f"jobs-{lane.device}", daemon=True)
                lane.thread.start()
        for index, job in enumerate(lane.waiting):
            job.move(index + 1)
        self._changed.notify_all()

    def _work_off(self, lane: _Lane) -> None:
        """What the thread of a lane does."""
        while True:
            with self._lock:
                self._changed.wait_for(lambda: lane.current or self._closed)
                job = lane.current
                if job is None:
                    return
                work = self._work.pop(job.id)
            value, error = self._run(job, work)
            with self._lock:
                self._end(job, value, error)
                lane.current = None
                self._advance(lane)
            if error is None and work.save:
                self._save(job, work.save, value)
            del job, work, value, error  # a thread that waits must not hold the last result

    def _run(self, job: Job[Any], work: Work[Any]) -> tuple[Any, LensError | None]:
        """Value and error of a job; whatever happens, the lane goes on."""
        monitor = Monitor(job.progress, job.token)
        try:
            monitor.check()
            value = work.function(monitor)
            monitor.check()
            return value, None
        except Cancelled:
            return None, _stopped(job.error or "Stopped as asked.")
        except BaseException as error:
            if not isinstance(error, LensError):
                log.exception("A job failed unexpectedly.")
            return None, told(error)

    def _save(self, job: Job[Any], save: Callable[[Any, Path], object], value: Any) -> None:
        """Write a result into its folder; whoever waits for it has it from the memory meanwhile."""
        try:
            folder = self.spool.folder(job.id)
            save(value, folder)
            job.folder = folder
        except (OSError, LensError) as error:
            log.warning("The result of a job stays in memory only: %s", error)
            return
        with self._lock:
            self._remember(job)
            self._changed.notify_all()

    def _end(self, job: Job[Any], value: Any, error: LensError | None) -> None:
        """Settle a job, with the lock held."""
        self._work.pop(job.id, None)
        self._idle_since = time.monotonic()
        if error is not None:
            job.fail(error)
            if job.fetchable:
                self._remember(job)
            return
        job.succeed(value)
        self._kept.append(job)
        self._drop_old_results()

    def _drop_old_results(self) -> None:
        """Let results go beyond those that are kept, but not from under whoever is just about to take them."""
        over = len(self._kept) - self._kept_count
        for job in list(self._kept):
            if over <= 0:
                return
            if not job.awaited or over > (MOST_AWAITED - 1) * self._kept_count:
                self._kept.remove(job)
                job.drop()
                over -= 1

    def _remember(self, job: Job[Any]) -> None:
        """Write how a job ended, with the lock held; one that was deleted meanwhile goes from the disk too."""
        if job.id in self._jobs:
            self.spool.write(_record(job))
            self._sizes[job.id] = self.spool.size(job.id)
        else:
            self.spool.remove(job.id)

    def _wake(self) -> None:
        with self._lock:
            self._changed.notify_all()

    def _keep_house(self) -> None:
        """Forget what has expired, stop what is overdue or was left, and give memory back when idle."""
        while True:
            with self._lock:
                if self._closed:
                    return
                due = [self._forget_old(), self._stop_left(), self._stop_overdue(), self._time_to_idle()]
                idle = due[-1] == 0
                if not idle:
                    left = [seconds for seconds in due if seconds is not None]
                    self._changed.wait(max(0.005, min(left)) if left else None)
                    continue
                self._idle_since = None
            try:
                if self._on_idle:
                    self._on_idle()
            except Exception:  # whatever a backend does when it goes, jobs must still expire
                log.exception("Memory could not be given back.")

    def _forget_old(self) -> float | None:
        """Forget expired jobs, and the oldest where there are too many; returns seconds until the next expires."""
        ended = sorted((job for job in self._jobs.values() if job.ended), key=lambda job: job.finished_at)
        now = time.time()
        while ended and (
            now >= ended[0].finished_at + self.expire_s
            or len(ended) > self._finished_count
            or (len(ended) > 1 and sum(self._sizes.values()) > self._max_bytes)
        ):
            self.forget(ended.pop(0))
        return ended[0].finished_at + self.expire_s - now if ended else None

    def _stop_left(self) -> float | None:
        """Stop jobs whose listeners have left; returns seconds until the next is due."""
        due = []
        for job in [job for job in self._jobs.values() if job.ends_with_listeners and not job.ended]:
            left_at = job.left_at
            if left_at is None or job.token.cancelled:
                continue
            if (seconds := left_at + self.leave_s - time.monotonic()) <= 0:
                self.stop(job, LEFT)
            else:
                due.append(seconds)
        return min(due, default=None)

    def _stop_overdue(self) -> float | None:
        """Stop jobs that run for too long; returns seconds until the next is due."""
        due = []
        for lane in self._lanes.values():
            if self.longest_s is None or lane.current is None or lane.current.token.cancelled:
                continue
            if (seconds := lane.current.started_at + self.longest_s - time.monotonic()) <= 0:
                self.stop(lane.current, OVERDUE)
            else:
                due.append(seconds)
        return min(due, default=None)

    def _time_to_idle(self) -> float | None:
        """Seconds until memory is given back; None = there is nothing to give back, or work to do."""
        busy = any(lane.current or lane.waiting for lane in self._lanes.values())
        if busy or self._idle_since is None or self._idle_unload_s is None:
            return None
        return max(0.0, self._idle_since + self._idle_unload_s - time.monotonic())

    def _restore(self) -> None:
        """Know the jobs of an earlier run again."""
        for record in list(self.spool.records()):
            if record.finished_at and time.time() >= record.finished_at + self.expire_s:
                self.spool.remove(record.id)
                continue
            job: Job[Any] = Job(record.kind, record.device, record.label, self.expire_s, record.id)
            if record.state not in ("done", "failed", "cancelled"):
                job.restore("failed", LensError(INTERRUPTED), None, time.time())
                self.spool.write(_record(job))
            else:
                kinds = {"done": None, "cancelled": Cancelled(record.error)}
                failure = kinds.get(record.state, LensError(record.error))
                folder = self.spool.folder(record.id) if record.state == "done" else None
                job.restore(cast(State, record.state), failure, folder, record.finished_at)
            job.fetchable = True
            self._jobs[job.id] = job
            self._sizes[job.id] = self.spool.size(job.id)


def _stopped(why: str) -> LensError:
    """What a stopped job ends with: a failure where the service was the cause, or else `Cancelled`."""
    return LensError(why) if why == INTERRUPTED else Cancelled(why)


def _record(job: Job[Any]) -> Record:
    return Record(job.id, job.kind, job.label, job.device, job.state, job.error, job.finished_at)

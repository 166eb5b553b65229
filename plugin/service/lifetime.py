"""How long a private service is wanted: while requests or jobs come, and its installation is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from .api import problem

LOOK_S = 15.0
"""How often it is looked whether the installation is still there."""
DRAIN_S = 5.0
"""How long jobs may go on when the service was asked to end."""
LINGER_S = 0.5
"""After the last of them, so that whoever waits for it can fetch what it made."""
_LEAVING = "The service is about to end and takes no more work: try again in a moment."
_NEW_WORK = ("/v1/jobs", "/v1/downloads")


class Life:
    """How long a private service is wanted.

    Args:
        counts: how many jobs are `running`, `waiting` and `finished`; it stays while any run or wait.
        idle_s: after so many seconds without a request and without a job it ends.
        signs: paths of the installation; when one of them is gone, the service ends.
        look_s: how often they are looked at, in seconds.
    """

    def __init__(
        self, counts: Callable[[], dict[str, int]], idle_s: float, signs: Sequence[Path] = (), look_s: float = LOOK_S
    ) -> None:
        self._counts, self._idle_s, self._signs, self._look_s = counts, idle_s, signs, look_s
        self._lock = threading.Lock()
        self._open, self._last = 0, time.monotonic()
        self._asked = threading.Event()

    @property
    def leaving(self) -> bool:
        """Whether it was asked to end."""
        return self._asked.is_set()

    def leave(self) -> None:
        """End soon; `wait` returns."""
        self._asked.set()

    def begin(self) -> None:
        """A request comes."""
        with self._lock:
            self._open += 1

    def end(self) -> None:
        """A request is answered."""
        with self._lock:
            self._open -= 1
            self._last = time.monotonic()

    def wait(self) -> str:
        """Wait until it is no longer wanted; returns why, in words for a log."""
        while True:
            if gone := next((sign for sign in self._signs if not sign.exists()), None):
                return f"{gone} is gone"
            quiet = self._quiet_s()
            if quiet >= self._idle_s:
                return "nobody came for a while"
            if self._asked.wait(min(self._look_s, max(0.01, self._idle_s - quiet))):
                return "it was asked to end"

    def drain(self, limit_s: float = DRAIN_S) -> None:
        """Wait until the jobs have ended and what they made was fetched; at most `limit_s` seconds."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until and self._quiet_s() < LINGER_S and (self._busy() or self._jobs_done()):
            time.sleep(LINGER_S / 10)

    def _jobs_done(self) -> bool:
        return self._counts()["finished"] > 0

    def _busy(self) -> bool:
        counts = self._counts()
        return counts["running"] + counts["waiting"] > 0

    def _quiet_s(self) -> float:
        """For how long there has been neither a request nor a job."""
        busy = self._busy()
        with self._lock:
            if busy or self._open:
                self._last = time.monotonic()
            return time.monotonic() - self._last


class Attendance:
    """Tells `Life` of every request, and refuses new work when the service is about to end."""

    def __init__(self, app: ASGIApp, life: Life) -> None:
        self.app, self.life = app, life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.life.begin()
        try:
            if self.life.leaving and scope["method"] == "POST" and scope["path"] in _NEW_WORK:
                await problem(503, _LEAVING, {"Connection": "close"})(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        finally:
            self.life.end()

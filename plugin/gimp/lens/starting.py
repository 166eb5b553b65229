"""Find the private service, or start it: `connect`."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .connection import Connection
from .errors import Stopped, Trouble, Unreachable
from .folder import LOG, address_in, last_line, make_private
from .surroundings import clean_environment, command
from .waiting import with_ticks

if TYPE_CHECKING:
    from .settings import Settings

    Tell = Callable[[str, float | None], object]

START_S = 60.0
"""Patience with a service that starts; importing torch on a cold disk takes most of it."""
LEAVE_S = 10.0
"""Patience with another version of the service that was asked to end."""
_LOOK_S = 0.05
_AGAIN_S = 3.0
"""After a start that left at once for one that runs already, but does not answer either, another is made."""
_left: list[subprocess.Popen[bytes]] = []
"""Services that this process started, which outlive it."""


def connect(settings: Settings, tell: Tell, stopped: Callable[[], bool], start_s: float = START_S) -> Connection:
    """A connection to a service of the right version and Python, started if there is none.

    Args:
        settings: which Python, which version, where.
        tell: called with `starting` and None every few hundredths of a second.
        stopped: asked as often.
        start_s: patience, in seconds.

    Raises:
        Trouble: it cannot be started, with the next step.
        Stopped: the person asked to stop; what was started goes on and ends when idle.
    """
    search = _Search(settings, time.monotonic() + start_s)

    def tick() -> None:
        tell("starting", None)
        if stopped():
            raise Stopped

    return with_ticks(search.run, tick, search.over.set)


class _Search:
    """Look for the service until it is there, the time is over, or `over` is set."""

    def __init__(self, settings: Settings, until: float) -> None:
        self.over = threading.Event()
        self._settings, self._until = settings, until
        self._folder = Path(settings.folder)
        self._log = self._folder / LOG
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at, self._log_from = 0.0, 0
        self._asked_to_leave = 0.0

    def run(self) -> Connection:
        """The connection; raises `Trouble`."""
        make_private(self._folder)
        while not self.over.is_set():
            found = self._look()
            if found is not None and self._suits(found[1]):
                return found[0]
            if found is not None:
                self._send_away(*found)
            elif self._time_to_start():
                self._start()
            if time.monotonic() > self._until:
                raise Trouble(
                    f"The service of Inpaint Lens did not start in time (log: {self._log}): try again, or run "
                    "`inpaint-lens gimp doctor` in a terminal."
                )
            self.over.wait(_LOOK_S)
        raise Stopped

    def _look(self) -> tuple[Connection, dict[str, object]] | None:
        """The service that answers, and what it says of itself."""
        address = address_in(self._folder)
        if address is None:
            return None
        connection = Connection(address, str(self._log))
        try:
            facts = connection.json("GET", "/v1/private", limit_s=max(0.1, self._until - time.monotonic()))
        except Unreachable:
            return None
        return (connection, facts) if isinstance(facts, dict) else None

    def _suits(self, facts: dict[str, object]) -> bool:
        """Whether it has our version, in our environment; `python` and `python3` of one folder are the same."""
        theirs, ours = str(facts.get("python")), self._settings.python
        return facts.get("version") == self._settings.version and Path(theirs).parent == Path(ours).parent

    def _send_away(self, connection: Connection, facts: dict[str, object]) -> None:
        """Ask a service of another version to end; it does so within seconds."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            raise Trouble(
                f"The plug-in is of version {self._settings.version}, but Inpaint Lens in {facts.get('python')} of "
                f"version {facts.get('version')}: run `inpaint-lens gimp install` in a terminal, then try again."
            )
        if not self._asked_to_leave:
            self._asked_to_leave = now
            with suppress(Unreachable):
                connection.read("POST", "/v1/private/stop")
        elif now > self._asked_to_leave + LEAVE_S:
            raise Trouble(
                f"Another version of the service (process {facts.get('pid')}) does not end: end it yourself, or log "
                "out and in, then try again."
            )

    def _time_to_start(self) -> bool:
        """Whether nothing was started yet, or what was has left without a reason; raises `Trouble` for a reason."""
        if self._process is None:
            return True
        code = self._process.poll()
        if code:
            why = last_line(self._log, self._log_from) or f"it ended with code {code}"
            raise Trouble(f"The service of Inpaint Lens cannot be started: {why.rstrip('.')} (log: {self._log}).")
        return code == 0 and time.monotonic() > self._started_at + _AGAIN_S

    def _start(self) -> None:
        wanted = command(self._settings)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_from = os.fstat(log).st_size
        try:
            self._process = subprocess.Popen(
                wanted,
                env=clean_environment(os.environ),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise Trouble(
                f"The Python of Inpaint Lens, {self._settings.python}, cannot be run ({error.strerror}): run "
                "`inpaint-lens gimp install` in a terminal, then try again."
            ) from None
        finally:
            os.close(log)
        self._started_at = time.monotonic()
        _left.append(self._process)

"""`Watch`: wait for something to change, from a thread or from an event loop, without asking again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from threading import Condition


class Watch:
    """A count of changes that threads and coroutines wait on."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._version = 0
        self._wakers: set[Callable[[], object]] = set()

    @property
    def version(self) -> int:
        """How many changes there were."""
        return self._version

    def bump(self) -> None:
        """Count a change and wake whoever waits."""
        with self._condition:
            self._version += 1
            wakers, self._wakers = self._wakers, set()
            self._condition.notify_all()
        for wake in wakers:
            with contextlib.suppress(RuntimeError):  # its event loop is closed: nobody waits any more
                wake()

    def wait(self, since: int, timeout_s: float | None) -> bool:
        """Wait until there were more than `since` changes; False where that took longer than `timeout_s`."""
        with self._condition:
            return self._condition.wait_for(lambda: self._version > since, timeout_s)

    async def await_(self, since: int, timeout_s: float | None) -> bool:
        """`wait` for an event loop; takes no thread."""
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> object:
            return loop.call_soon_threadsafe(woken.set)

        with self._condition:
            if self._version > since:
                return True
            self._wakers.add(wake)
        try:
            await asyncio.wait_for(woken.wait(), timeout_s)
        except TimeoutError:
            return False
        finally:
            with self._condition:
                self._wakers.discard(wake)
        return True

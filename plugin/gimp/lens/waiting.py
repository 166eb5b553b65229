"""Wait for slow work without letting go of GIMP: the work runs in a thread, which must not call GIMP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TICK_S = 0.05
"""How often `tick` is called; GIMP's windows and buttons live from that."""


def with_ticks(work: Callable[[], T], tick: Callable[[], object], give_up: Callable[[], object]) -> T:
    """What `work` returns or raises.

    Args:
        work: runs in a thread of its own; each of its waits must have a limit.
        tick: called here, all the while.
        give_up: called here when `tick` raised, to make an end of `work`, which is not waited for then.
    """
    done = threading.Event()
    value: list[T] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            value.append(work())
        except BaseException as problem:
            error.append(problem)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not done.wait(TICK_S):
            tick()
    except BaseException:
        give_up()
        raise
    if error:
        raise error[0]
    return value[0]

"""How far the work is: a small window with Stop where a person asked, GIMP's own progress for scripts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .gimp import Gimp

PATIENCE_S = 0.4
"""Quicker work shows no window."""
_WORDS = {"starting": "Starting the service"}


class Progress:
    """Says nothing and is never stopped; its kinds show the progress."""

    def tell(self, stage: str, share: float | None) -> None:
        """Show the stage and the share that is done; None = unknown. To be called ten times a second."""

    def stopped(self) -> bool:
        """Whether the person wants no more of it."""
        return False

    def close(self) -> None:
        """Take away what was shown."""


class Line(Progress):
    """In GIMP's status bar or terminal; GIMP's Cancel ends the whole plug-in, which the service notices."""

    def __init__(self, title: str) -> None:
        Gimp.progress_init(title)
        self._stage = ""

    def tell(self, stage: str, share: float | None) -> None:
        """Show it."""
        if stage != self._stage:
            self._stage = stage
            Gimp.progress_set_text(words_for(stage))
        if share is None:
            Gimp.progress_pulse()
        else:
            Gimp.progress_update(share)

    def close(self) -> None:
        """Empty the status bar."""
        Gimp.progress_end()


class Window(Progress):
    """A window of its own, beside which GIMP can be used; it comes when the work takes a while."""

    def __init__(self, title: str) -> None:
        self._title, self._start = title, time.monotonic()
        self._window: Any = None
        self._stopped = False

    def tell(self, stage: str, share: float | None) -> None:
        """Show it, and let the buttons work."""
        if self._window is None:
            if time.monotonic() - self._start < PATIENCE_S:
                return
            from .progress_window import ProgressWindow

            self._window = ProgressWindow(self._title, self._stop)
        self._window.show(words_for(stage), share, time.monotonic() - self._start)

    def stopped(self) -> bool:
        """Whether Stop was pressed, or the window closed."""
        return self._stopped

    def close(self) -> None:
        """Take the window away."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _stop(self) -> None:
        self._stopped = True


@contextmanager
def shown(run_mode: Any, title: str) -> Iterator[Progress]:
    """The progress for a run mode, taken away at the end."""
    windows = run_mode != Gimp.RunMode.NONINTERACTIVE and has_display()
    progress: Progress = Window(title) if windows else Line(title)
    try:
        yield progress
    finally:
        progress.close()


def has_display() -> bool:
    """Whether windows can be opened; GIMP has none in batch mode."""
    from .gimp_ui import Gtk

    return bool(Gtk.init_check(None)[0])


def words_for(stage: str) -> str:
    """A stage as a person reads it."""
    words = _WORDS.get(stage, stage)
    return f"{words[:1].upper()}{words[1:]}…"

"""What people see in a terminal: progress with time left, and plain lines."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..imaging.monitor import CancelToken, Monitor


def say(text: str) -> None:
    """One line on standard output, above the progress bar if one is drawn."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stdout)
    else:
        sys.stdout.write(text + "\n")


@contextmanager
def progress(title: str) -> Iterator[Monitor]:
    """A monitor that Ctrl-C cancels and that draws a bar on standard error where that is a terminal."""
    with cancelled_by_interrupt() as token:
        if not sys.stderr.isatty():
            yield Monitor(token=token)
            return
        from tqdm import tqdm

        layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
        with tqdm(total=100, desc=title, bar_format=layout, leave=False) as bar:

            def show(stage: str, share: float) -> None:
                bar.set_description_str(f"{title}: {stage}", refresh=False)
                bar.update(max(0.0, 100 * share - bar.n))

            yield Monitor(show, token)


@contextmanager
def cancelled_by_interrupt() -> Iterator[CancelToken]:
    """A token that the first Ctrl-C sets; a second one interrupts at once.

    The first raises nothing by itself: raised while a native library calls back into Python, it would be lost.
    """
    token = CancelToken()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or another program's business
        yield token
        return

    def stop(_number: int, _frame: object) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    signal.signal(signal.SIGINT, stop)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def table(rows: list[list[str]]) -> str:
    """Columns padded to the widest cell; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

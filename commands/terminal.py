"""What people see in a terminal: progress with time left, and plain lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..imaging.monitor import Monitor


def say(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")


@contextmanager
def progress(title: str) -> Iterator[Monitor]:
    """A monitor that draws a progress bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield Monitor()
        return
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
    with tqdm(total=100, desc=title, bar_format=layout, leave=False) as bar:

        def show(stage: str, share: float) -> None:
            bar.set_description_str(f"{title}: {stage}", refresh=False)
            bar.update(max(0.0, 100 * share - bar.n))

        yield Monitor(show)


def table(rows: list[list[str]]) -> str:
    """Columns padded to the widest cell; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

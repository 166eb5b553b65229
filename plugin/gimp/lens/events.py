"""Server-sent events: the frames of a stream of lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

_LONGEST_LINE = 1 << 20


class Lines(Protocol):
    """What a stream must be able to do."""

    def readline(self, limit: int = -1, /) -> bytes:
        """The next line with its end, or what is left; empty at the end."""
        ...


def events(stream: Lines) -> Iterator[str]:
    """The data of each event that came whole; comments are passed over.

    Raises:
        ValueError: a line is longer than any that is sent.
        UnicodeDecodeError: the data is no UTF-8.
    """
    data: list[bytes] = []
    while line := stream.readline(_LONGEST_LINE):
        if not line.endswith(b"\n"):
            if len(line) >= _LONGEST_LINE:
                raise ValueError("a line of the stream has no end")
            return
        line = line.rstrip(b"\r\n")
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
        if not line and data:
            yield b"\n".join(data).decode("utf-8")
            data = []

"""What one visit looks at, and what it was sent, so that only news travel."""

from __future__ import annotations

from hashlib import blake2b
from threading import RLock
from typing import Any

PAGES = {
    "tasks": "Tasks",
    "start": "1 Start",
    "samples": "2 Training 1",
    "labels": "3 Words",
    "words": "4 Training 2",
}


class Seat:
    """One browser tab.

    Attributes:
        task: name of the open task; empty = none.
        page: the one that is shown, a key of `PAGES`.
        pair: chosen on pages 2 and 4.
        third: third sample chosen on page 3.
        kind: of third samples that page 3 lists; empty = all.
        begins: at which sample each page's list begins.
        asked: the pair that page 4 turned to because its text was asked for.
        states: of the stages when last looked at.
        lock: held while something is drawn.
    """

    # No dataclass, for Gradio takes those apart, and the lock cannot be copied.
    def __init__(self) -> None:
        self.lock = RLock()
        self.open("", "tasks")

    def __deepcopy__(self, _memo: dict[int, Any]) -> Seat:
        """Each visit begins with one of its own."""
        return Seat()

    def open(self, task: str, page: str) -> None:
        """Sit down at a task; what was chosen in another one is forgotten."""
        self.task, self.page, self.kind = task, page, ""
        self.pair: int | None = None
        self.third: int | None = None
        self.asked: int | None = None
        self.begins: dict[str, int] = {}
        self.states: dict[str, str] = {}
        self._sent: dict[Any, bytes] = {}

    def changed(self, key: Any, value: Any) -> bool:
        """Whether a value is another one than when last asked."""
        digest = blake2b(repr(value).encode("utf-8", "replace"), digest_size=16).digest()
        new = self._sent.get(key) != digest
        self._sent[key] = digest
        return new

    def news(self, drawn: dict[Any, Any]) -> dict[Any, Any]:
        """Of what was drawn, only what the visit does not have yet."""
        return {place: value for place, value in drawn.items() if self.changed(place, value)}

"""The target text of each pair in the second training: linked words, a person's, or the preset, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ...imaging.errors import InputError
from .board import Board
from .labels import Labels, faults_of
from .tables import TargetRow
from .texts import improving, preset_target

POLL_SECONDS = 0.1


class Prompts:
    """Target texts by the number of the pair; several processes may ask.

    Args:
        board: where questions are put and answers are found.
        labels: words that are already linked to pairs.
        seconds: countdown of a question; 0 = nobody is asked.
        check: whether the encoder takes a text; raises `InputError`.
        stopping: whether the run is to end, so that nobody is asked any more.
    """

    def __init__(
        self,
        board: Board,
        labels: Labels,
        seconds: float,
        check: Callable[[str], object] = lambda _words: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.board, self.labels, self.seconds = board, labels, seconds
        self.check, self.stopping = check, stopping
        self.faults = {row.id: faults_of(row)[0] for row in labels.library.pairs()}

    def words(self, pairs: Sequence[int]) -> list[str]:
        """Target texts in the improving direction; waits where a person is asked."""
        return [self._one(pair) for pair in pairs]

    def preset(self, pair: int) -> str:
        """The target text for want of a better one: against the fault that the pair is known to have."""
        return preset_target(self.labels.language, self.faults.get(pair, "sharpness"))

    def _one(self, pair: int) -> str:
        row = self.board.target(pair)
        if row is not None and row.state != "open":
            return row.words
        if row is None and (said := self.labels.linked(pair)):
            return self._settled(pair, improving(said), said, "linked")
        if not self.seconds:
            return self._settled(pair, self.preset(pair), self.preset(pair), "preset")
        return self._asked(pair)

    def _settled(self, pair: int, words: str, said: str, source: str) -> str:
        try:
            self.check(words)
        except InputError:
            words, source = self.preset(pair), "preset"
        self.board.settle(pair, words, said, source)
        return words

    def _asked(self, pair: int) -> str:
        """What a person answers before the countdown ends, else the preset."""
        preset = self.preset(pair)
        row: TargetRow | None = self.board.ask(pair, preset, self.seconds)
        while row is not None and row.state == "open":
            if self.stopping():
                # The question stays open for the run that goes on from here.
                return preset
            if time.time() >= row.deadline:
                self.board.settle(pair, preset, preset, "preset")
            else:
                time.sleep(min(POLL_SECONDS, max(0.0, row.deadline - time.time())))
            row = self.board.target(pair)
        return row.words if row else preset

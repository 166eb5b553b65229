"""What pages show of a task, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from .tables import StageRow, now


@dataclass(frozen=True)
class StageView:
    """Where a stage is.

    Attributes:
        stage: first, third or second.
        state: see `session`.
        command: what the worker was last told.
        message: why it failed or was interrupted, or what it said last.
        step, steps: done and at most.
        numbers: the live ones: `loss`, and by stage `accuracy`, `similarity`, `mae`; after the end what was measured.
        current: numbers of the pairs of the step that is being done.
        seconds_left: at the rate of now.
        age_seconds: since the worker last wrote.
    """

    stage: str
    state: str
    command: str
    message: str
    step: int
    steps: int
    numbers: dict[str, float]
    current: tuple[int, ...]
    seconds_left: float
    age_seconds: float

    @classmethod
    def of(cls, row: StageRow) -> StageView:
        """From its row."""
        changed = row.changed if row.changed.tzinfo else row.changed.replace(tzinfo=UTC)
        return cls(
            stage=row.stage,
            state=row.state,
            command=row.command,
            message=row.message,
            step=row.step,
            steps=row.steps,
            numbers=dict(row.numbers),
            current=tuple(row.pairs.get("current", ())),
            seconds_left=row.seconds_left,
            age_seconds=(now() - changed).total_seconds(),
        )

    @property
    def at_work(self) -> bool:
        """Whether a process is at it."""
        return self.state in ("starting", "running", "paused")


@dataclass(frozen=True)
class SampleView:
    """A pair in a list.

    Attributes:
        pair: its number.
        name: of its files.
        held_out: training never sees it.
        current: training is at it now.
        labelled: a person has said something of its prediction or first sample: `said`.
        target: its target text of the second training, empty if none is settled yet.
        first, second, prediction: files of the input, the good picture and the newest prediction.
    """

    pair: int
    name: str
    held_out: bool
    current: bool
    labelled: bool
    said: str
    target: str
    first: Path
    second: Path
    prediction: Path | None


@dataclass(frozen=True)
class QuestionView:
    """A question to the person: the text that will be taken for a pair in `seconds_left` unless another is given.

    While somebody is `writing`, the countdown waits.
    """

    pair: int
    name: str
    words: str
    seconds_left: float
    writing: bool = False

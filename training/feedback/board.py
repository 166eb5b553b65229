"""The board between a worker and who looks on: state, numbers and wishes of each stage, in the task's database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from ...imaging.errors import InputError
from .library import Library
from .tables import PointRow, StageRow, TargetRow

COMMANDS = ("run", "pause", "stop", "end")


class Board:
    """State of the stages of a task.

    Args:
        library: whose database it is.
    """

    def __init__(self, library: Library) -> None:
        self.library = library

    def read(self, stage: str) -> StageRow:
        """The row of a stage, made where there is none."""
        with self.library.session() as session:
            return self._row(session, stage)

    def _row(self, session: Session, stage: str) -> StageRow:
        known = {"task_id": self.library.task_id, "stage": stage}
        row = session.scalar(select(StageRow).filter_by(**known))
        if row is None:
            with suppress(IntegrityError), session.begin_nested():
                session.add(StageRow(**known))
            row = session.scalars(select(StageRow).filter_by(**known)).one()
        return row

    def write(self, stage: str, **values: Any) -> None:
        """Change columns of a stage's row."""
        with self.library.session() as session:
            row = self._row(session, stage)
            for name, value in values.items():
                setattr(row, name, value)

    def order(self, stage: str, command: str) -> None:
        """Tell the worker of a stage to `run`, `pause`, `stop` (with a checkpoint) or `end` (the stage is done)."""
        if command not in COMMANDS:
            raise InputError(f"There is no command '{command}': take one of {', '.join(COMMANDS)}.")
        self.write(stage, command=command)

    def add_point(self, stage: str, step: int, numbers: Mapping[str, float]) -> None:
        """A point of the curve; one of the same step is replaced."""
        with self.library.session() as session:
            known = {"task_id": self.library.task_id, "stage": stage, "step": step}
            row = session.scalar(select(PointRow).filter_by(**known))
            if row is None:
                session.add(PointRow(**known, numbers=dict(numbers)))
            else:
                row.numbers = dict(numbers)

    def forget_points(self, stage: str, after: int) -> None:
        """Take away points behind a step, which will come again."""
        with self.library.session() as session:
            own = PointRow.task_id == self.library.task_id, PointRow.stage == stage, PointRow.step > after
            session.execute(delete(PointRow).where(*own))

    def curve(self, stage: str) -> list[dict[str, float]]:
        """Points of a stage in the order of steps: `step` and the numbers."""
        with self.library.session() as session:
            query = select(PointRow).filter_by(task_id=self.library.task_id, stage=stage).order_by(PointRow.step)
            return [{"step": row.step, **row.numbers} for row in session.scalars(query)]

    def ask(self, pair: int, preset: str, seconds: float) -> TargetRow:
        """The target row of a pair; where there is none, a question is opened with the preset and a countdown."""
        with self.library.session() as session:
            return self._target(session, pair, words=preset, said=preset, deadline=time.time() + seconds)

    def _target(self, session: Session, pair: int, **new: Any) -> TargetRow:
        """The target row of a pair, made of `new` where there is none."""
        known = {"task_id": self.library.task_id, "pair_id": pair}
        row = session.scalar(select(TargetRow).filter_by(**known))
        if row is None:
            with suppress(IntegrityError), session.begin_nested():
                session.add(TargetRow(**known, **new))
            row = session.scalars(select(TargetRow).filter_by(**known)).one()
        return row

    def settle(self, pair: int, words: str, said: str, source: str) -> None:
        """Fix the target text of a pair, asked about or not; a person's answer is not overwritten by a preset."""
        with self.library.session() as session:
            row = self._target(session, pair, words=words, said=said, source=source, state="settled")
            if source == "preset" and row.source == "user":
                row.state = "settled"
                return
            row.words, row.said, row.source, row.state = words, said, source, "settled"

    def answer(self, pair: int, words: str, said: str) -> TargetRow:
        """A person's target text for a pair, whether its question is open or was settled before.

        Raises:
            InputError: the pair is not asked about, and was not.
        """
        with self.library.session() as session:
            row = session.scalar(select(TargetRow).filter_by(task_id=self.library.task_id, pair_id=pair))
            if row is None:
                raise InputError(f"Nothing is asked about pair {pair} now: wait until it is shown.")
            row.words, row.said, row.source, row.state = words, said, "user", "answered"
            return row

    def postpone(self, pair: int, seconds: float) -> None:
        """Let the open question about a pair wait for so long from now; nothing happens where there is none."""
        with self.library.session() as session:
            known = {"task_id": self.library.task_id, "pair_id": pair, "state": "open"}
            row = session.scalar(select(TargetRow).filter_by(**known))
            if row is not None:
                row.deadline = time.time() + seconds

    def questions(self) -> list[TargetRow]:
        """Open questions with their pairs, the oldest first."""
        with self.library.session() as session:
            query = select(TargetRow).filter_by(task_id=self.library.task_id, state="open").order_by(TargetRow.id)
            return list(session.scalars(query.options(selectinload(TargetRow.pair))))

    def target(self, pair: int) -> TargetRow | None:
        """The target row of a pair."""
        with self.library.session() as session:
            return session.scalar(select(TargetRow).filter_by(task_id=self.library.task_id, pair_id=pair))

    def forget_targets(self, pairs: Sequence[int]) -> None:
        """Take target texts away, so that they are asked for again."""
        with self.library.session() as session:
            own = TargetRow.task_id == self.library.task_id, TargetRow.pair_id.in_(pairs)
            session.execute(delete(TargetRow).where(*own))

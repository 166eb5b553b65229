"""Third samples and their words: what people say of pictures, the opposites, and presets for those without words."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from ...imaging.errors import InputError
from . import degradations, texts
from .library import Library
from .tables import PairRow, TargetRow, TaskRow, TextRow, ThirdRow

MOST_CHARACTERS = 500
GOOD_KINDS = ("second", "new")
"""Kinds of third samples that are taken to be without fault where nobody says otherwise."""


class Labels:
    """Words of the third samples of a task.

    Args:
        library: of the task.
        language: of presets, `en` or `zh`.
    """

    def __init__(self, library: Library, language: str = "en") -> None:
        self.library, self.language = library, language

    def third(self, kind: str | None = None) -> list[ThirdRow]:
        """Third samples with pictures, pairs and texts, by number; of one kind (first, second, prediction, new)."""
        with self.library.session() as session:
            query = select(ThirdRow).filter_by(task_id=self.library.task_id).order_by(ThirdRow.id)
            query = query.options(
                selectinload(ThirdRow.texts),
                selectinload(ThirdRow.picture),
                selectinload(ThirdRow.pair).selectinload(PairRow.second),
            )
            return list(session.scalars(query.filter_by(kind=kind) if kind else query))

    def say(self, third: int, words: str, label: int | None) -> list[TextRow]:
        """Store a text with its class, 1 = describes the picture truly, and the opposite text with the other class.

        Raises:
            InputError: no words, too long, no class, or no such sample.
        """
        if label is None:
            raise InputError(f"'{words}' has no class: give 1 if it describes the picture truly, else 0.")
        _check_length(words)
        entries = texts.with_opposite(words, label)
        with self.library.session() as session:
            row = session.get(ThirdRow, third)
            if row is None or row.task_id != self.library.task_id:
                raise InputError(f"There is no third sample {third}: `inpaint-lens feedback label TASK` lists them.")
            for entry, source in zip(entries, ("user", "opposite"), strict=False):
                self._store(row, entry, source)
            session.flush()
            return list(row.texts)

    def _store(self, row: ThirdRow, entry: texts.Entry, source: str) -> None:
        known = next((one for one in row.texts if one.words == entry.words), None)
        if known is None:
            row.texts.append(TextRow(words=entry.words, label=entry.label, source=source))
        else:
            known.label, known.source = entry.label, source

    def forget(self, text: int) -> None:
        """Take a text away; raises `InputError` where there is none of that number."""
        with self.library.session() as session:
            row = session.get(TextRow, text)
            if row is None or row.third.task_id != self.library.task_id:
                raise InputError(f"There is no text {text}.")
            session.delete(row)

    def entries(self, row: ThirdRow) -> tuple[texts.Entry, ...]:
        """The texts of a third sample; the preset ones where it has none."""
        own = tuple(texts.Entry(text.words, text.label) for text in row.texts)
        return own or texts.preset(self.language, faults_of(row.pair), row.kind in GOOD_KINDS)

    def linked(self, pair: int) -> str:
        """What a person has said of the newest prediction of a pair, or else of its first sample; empty if nothing.

        Of several texts the newest that is true of the picture is taken.
        """
        said = self.linked_to([pair])
        return said.get(pair, "")

    def linked_to(self, pairs: Sequence[int]) -> dict[int, str]:
        """`linked` of several pairs; those without words are left out."""
        wanted, found = set(pairs), {}
        with self.library.session() as session:
            query = (
                select(ThirdRow.pair_id, ThirdRow.kind, TextRow.words)
                .join(TextRow)
                .where(
                    ThirdRow.task_id == self.library.task_id,
                    ThirdRow.kind.in_(("first", "prediction")),
                    TextRow.source.in_(("user", "opposite")),
                    TextRow.label == 1,
                )
                .order_by(ThirdRow.kind, TextRow.id)
            )
            for pair, _kind, words in session.execute(query):
                if pair in wanted:
                    # Words of predictions come after those of first samples, and newer after older ones.
                    found[pair] = words
        return found

    def complete(self, done: bool = True) -> None:
        """Say that labelling is done, or that it goes on."""
        with self.library.session() as session:
            row = session.get(TaskRow, self.library.task_id)
            assert row is not None
            row.labelling_complete = done

    @property
    def completed(self) -> bool:
        """Whether labelling was said to be done."""
        with self.library.session() as session:
            row = session.get(TaskRow, self.library.task_id)
            return bool(row and row.labelling_complete)

    def targets(self) -> dict[int, TargetRow]:
        """Target texts of the second training by the number of the pair."""
        with self.library.session() as session:
            rows = session.scalars(select(TargetRow).filter_by(task_id=self.library.task_id))
            return {row.pair_id: row for row in rows}


def faults_of(pair: PairRow | None) -> tuple[str, ...]:
    """Dimensions of quality that the faulty picture of a pair suffers in; sharpness where that is not known."""
    if pair is None or pair.degradation is None:
        return ("sharpness",)
    kind = degradations.KINDS.get(pair.degradation)
    return (kind.dimension if kind else "sharpness",)


def _check_length(words: str) -> None:
    if len(words) > MOST_CHARACTERS:
        raise InputError(f"The text has {len(words)} characters: give at most {MOST_CHARACTERS}.")

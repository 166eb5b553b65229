"""Tables of the sample library: pictures, pairs, words, predictions, and what a running training tells and is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Of all tables."""

    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 - the name is SQLAlchemy's


class TaskRow(Base):
    """A task; a database may hold several, and every other row belongs to one."""

    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(Text)
    labelling_complete: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=now)


class PictureRow(Base):
    """A picture by the hash of its content, with where it is from (`origin`, JSON)."""

    __tablename__ = "pictures"
    __table_args__ = (UniqueConstraint("task_id", "digest"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    file: Mapped[str] = mapped_column(Text)
    height: Mapped[int]
    width: Mapped[int]
    origin: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)


class PairRow(Base):
    """A first (faulty) and a second (good) sample of one picture, and the degradation between them if we made it."""

    __tablename__ = "pairs"
    __table_args__ = (UniqueConstraint("task_id", "first_id", "second_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    first_id: Mapped[int] = mapped_column(ForeignKey("pictures.id"))
    second_id: Mapped[int] = mapped_column(ForeignKey("pictures.id"))
    name: Mapped[str] = mapped_column(Text)
    held_out: Mapped[bool] = mapped_column(default=False)
    degradation: Mapped[str | None] = mapped_column(String(32))
    parameters: Mapped[dict[str, Any] | None]
    origin: Mapped[dict[str, Any]]
    first: Mapped[PictureRow] = relationship(foreign_keys=[first_id])
    second: Mapped[PictureRow] = relationship(foreign_keys=[second_id])


class ThirdRow(Base):
    """A third sample: any picture of the library that words are said of; `kind` is where it is from."""

    __tablename__ = "third_samples"
    __table_args__ = (UniqueConstraint("task_id", "picture_id", "kind", "pair_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    picture_id: Mapped[int] = mapped_column(ForeignKey("pictures.id"))
    kind: Mapped[str] = mapped_column(String(16))
    pair_id: Mapped[int | None] = mapped_column(ForeignKey("pairs.id"))
    picture: Mapped[PictureRow] = relationship()
    pair: Mapped[PairRow | None] = relationship()
    texts: Mapped[list[TextRow]] = relationship(back_populates="third", cascade="all, delete-orphan")


class TextRow(Base):
    """A text sample with its class; `source` is user, opposite or preset."""

    __tablename__ = "texts"
    __table_args__ = (UniqueConstraint("third_id", "words"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    third_id: Mapped[int] = mapped_column(ForeignKey("third_samples.id"), index=True)
    words: Mapped[str] = mapped_column(String(500))
    label: Mapped[int]
    source: Mapped[str] = mapped_column(String(16))
    created: Mapped[datetime] = mapped_column(default=now)
    third: Mapped[ThirdRow] = relationship(back_populates="texts")


class PredictionRow(Base):
    """What the first model made of a pair's first sample, after a stage or within it."""

    __tablename__ = "predictions"
    __table_args__ = (UniqueConstraint("pair_id", "stage", "step"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    pair_id: Mapped[int] = mapped_column(ForeignKey("pairs.id"), index=True)
    picture_id: Mapped[int] = mapped_column(ForeignKey("pictures.id"))
    stage: Mapped[str] = mapped_column(String(16))
    step: Mapped[int]
    final: Mapped[bool] = mapped_column(default=False)
    numbers: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)
    pair: Mapped[PairRow] = relationship()
    picture: Mapped[PictureRow] = relationship()


class StageRow(Base):
    """Where a stage is, and what the person wants of it (`command`)."""

    __tablename__ = "stages"
    __table_args__ = (UniqueConstraint("task_id", "stage"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    stage: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    command: Mapped[str] = mapped_column(String(16), default="run")
    message: Mapped[str] = mapped_column(Text, default="")
    step: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int] = mapped_column(default=0)
    numbers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    pairs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    seconds_left: Mapped[float] = mapped_column(default=0.0)
    changed: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class PointRow(Base):
    """A point of a curve: numbers of a stage after a step."""

    __tablename__ = "points"
    __table_args__ = (UniqueConstraint("task_id", "stage", "step"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    stage: Mapped[str] = mapped_column(String(16))
    step: Mapped[int]
    numbers: Mapped[dict[str, Any]]


class TargetRow(Base):
    """The target text of a pair in the second training, and the question to the person while it is open.

    `state` is open, answered or settled; `source` is linked, user or preset.
    """

    __tablename__ = "targets"
    __table_args__ = (UniqueConstraint("task_id", "pair_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    pair_id: Mapped[int] = mapped_column(ForeignKey("pairs.id"))
    state: Mapped[str] = mapped_column(String(16), default="open")
    words: Mapped[str] = mapped_column(String(500))
    said: Mapped[str] = mapped_column(String(500), default="")
    source: Mapped[str] = mapped_column(String(16), default="preset")
    deadline: Mapped[float] = mapped_column(default=0.0)
    pair: Mapped[PairRow] = relationship()

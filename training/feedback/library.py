"""The sample library of a task: rows in a database, pictures as files named by the hash of their content."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, joinedload, sessionmaker

from ...imaging.errors import InputError, LensError, MissingError
from ...imaging.writing import write_bytes
from ..pictures import is_held_out, read_rgb
from .tables import Base, PairRow, PictureRow, PredictionRow, TaskRow, ThirdRow

RGB = NDArray[np.uint8]
DATABASE = "library.sqlite"
SAMPLES, PREDICTIONS = "pictures", "predictions"
"""Folders; predictions lie apart, so that the samples of a run do not change while it goes on."""
WAIT_SECONDS = 30


class Library:
    """The samples of one task.

    Args:
        folder: of the task; pictures lie in it.
        url: of the database as SQLAlchemy names it; empty = SQLite in the folder.
        key: of the task in the database.
        name: of the task for people, stored when the task is new.

    Raises:
        InputError: the database cannot be reached.
    """

    def __init__(self, folder: Path, url: str = "", key: str = "task", name: str = "") -> None:
        self.folder, self.key = folder, key
        self.url = url or f"sqlite:///{(folder / DATABASE).absolute()}"
        try:
            self.engine = _engine(url) if url else _own_engine((folder / DATABASE).absolute())
            Base.metadata.create_all(self.engine)
            self._sessions = sessionmaker(self.engine, expire_on_commit=False)
            self.task_id = self._task(name or key)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"The database {_shown(self.url)} cannot be used ({reason}): correct it.") from error

    def _task(self, name: str) -> int:
        with self.session() as session:
            row = session.scalar(select(TaskRow).where(TaskRow.key == self.key))
            if row is None:
                row = TaskRow(key=self.key, name=name)
                session.add(row)
                session.flush()
            return row.id

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session whose changes are kept if nothing is raised inside."""
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    def add_picture(
        self, session: Session, picture: RGB, origin: Mapping[str, Any], folder: str = SAMPLES
    ) -> PictureRow:
        """Store a picture `[H, W, 3]` once; one of the same content keeps its first origin."""
        data = _png(picture)
        digest = hashlib.sha256(data).hexdigest()
        row = session.scalar(select(PictureRow).filter_by(task_id=self.task_id, digest=digest))
        place = Path(row.file) if row else Path(folder) / digest[:2] / f"{digest}.png"
        if not (self.folder / place).exists():
            (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(data, self.folder / place, overwrite=True)
        if row is None:
            height, width = picture.shape[:2]
            row = PictureRow(
                task_id=self.task_id, digest=digest, file=place.as_posix(), height=height, width=width,
                origin=dict(origin),
            )  # fmt: skip
            session.add(row)
            session.flush()
        return row

    def add_pair(
        self,
        first: RGB,
        second: RGB,
        name: str,
        origin: Mapping[str, Any],
        held_out_share: float = 0.0,
        degradation: tuple[str, Mapping[str, Any]] | None = None,
    ) -> int:
        """Store a pair once; returns its number. Whether it is held out follows from its name alone."""
        with self.session() as session:
            one = self.add_picture(session, first, {**origin, "sample": "first"})
            two = self.add_picture(session, second, {**origin, "sample": "second"})
            row = session.scalar(select(PairRow).filter_by(task_id=self.task_id, first_id=one.id, second_id=two.id))
            if row is None:
                kind, parameters = degradation or (None, None)
                row = PairRow(
                    task_id=self.task_id, first_id=one.id, second_id=two.id, name=name, origin=dict(origin),
                    held_out=is_held_out(Path(name), held_out_share), degradation=kind,
                    parameters=None if parameters is None else dict(parameters),
                )  # fmt: skip
                session.add(row)
                session.flush()
                self._add_third(session, one.id, "first", row.id)
                self._add_third(session, two.id, "second", row.id)
            return row.id

    def _add_third(self, session: Session, picture: int, kind: str, pair: int | None) -> ThirdRow:
        known = {"task_id": self.task_id, "picture_id": picture, "kind": kind, "pair_id": pair}
        row = session.scalar(select(ThirdRow).filter_by(**known))
        if row is None:
            row = ThirdRow(**known)
            session.add(row)
            session.flush()
        return row

    def add_new(self, picture: RGB, origin: Mapping[str, Any]) -> int:
        """Store a picture that belongs to no pair as a third sample; returns the number of the third sample."""
        with self.session() as session:
            row = self.add_picture(session, picture, origin)
            return self._add_third(session, row.id, "new", None).id

    def add_prediction(
        self, pair: int, picture: RGB, stage: str, step: int, numbers: Mapping[str, float], final: bool
    ) -> int:
        """Store what the first model made of a pair, linked to its first sample; returns the prediction's number.

        The final predictions of the first training are third samples too.
        """
        with self.session() as session:
            origin = {"prediction_of": pair, "stage": stage, "step": step}
            stored = self.add_picture(session, picture, origin, PREDICTIONS)
            row = session.scalar(select(PredictionRow).filter_by(pair_id=pair, stage=stage, step=step))
            if row is None:
                row = PredictionRow(task_id=self.task_id, pair_id=pair, stage=stage, step=step)
                session.add(row)
            row.picture_id, row.numbers, row.final = stored.id, dict(numbers), final
            if final and stage == "first":
                self._add_third(session, stored.id, "prediction", pair)
            session.flush()
            return row.id

    def pairs(self, held_out: bool | None = None) -> list[PairRow]:
        """All pairs by number, or only those that are held out or not."""
        with self.session() as session:
            query = select(PairRow).filter_by(task_id=self.task_id).order_by(PairRow.id)
            query = query.options(joinedload(PairRow.first), joinedload(PairRow.second))
            if held_out is not None:
                query = query.filter_by(held_out=held_out)
            return list(session.scalars(query))

    def predictions(self, stage: str | None = None, pair: int | None = None, final: bool = True) -> list[PredictionRow]:
        """Predictions, the oldest first, with their pictures."""
        with self.session() as session:
            query = select(PredictionRow).filter_by(task_id=self.task_id, final=final)
            if stage is not None:
                query = query.filter_by(stage=stage)
            if pair is not None:
                query = query.filter_by(pair_id=pair)
            query = query.options(joinedload(PredictionRow.picture))
            return list(session.scalars(query.order_by(PredictionRow.id)))

    def path(self, picture: PictureRow) -> Path:
        """The file of a picture."""
        return self.folder / picture.file

    def read(self, picture: PictureRow) -> RGB:
        """A picture `[H, W, 3]`; raises `MissingError` where its file was deleted or damaged."""
        try:
            return read_rgb(self.path(picture))
        except ValueError as error:
            raise MissingError(
                f"The picture {picture.file} of the task in {self.folder} is missing or damaged: put it back, or "
                "import the pictures again."
            ) from error

    def check_files(self, files: Collection[str]) -> None:
        """Raise `MissingError` where files of pictures were deleted."""
        gone = sorted(file for file in files if not (self.folder / file).is_file())
        if gone:
            raise MissingError(
                f"{len(gone)} of {len(files)} pictures of the task in {self.folder} were deleted, first {gone[0]}: put "
                "them back, or import the pictures again."
            )


def _engine(url: str) -> Engine:
    try:
        lite = url.startswith("sqlite")
        engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS} if lite else {}, pool_pre_ping=not lite)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(f"'{_shown(url)}' is no address of a database: write, for example, sqlite:///file.") from error
    if lite:
        event.listen(engine, "connect", _careful)
    return engine


def _own_engine(path: Path) -> Engine:
    """The database in a task's folder, which must exist: one that was deleted is not to come again, empty."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"{path.as_uri()}?mode=rw", WAIT_SECONDS, uri=True, check_same_thread=False)

    engine = create_engine(f"sqlite:///{path}", creator=connect)
    event.listen(engine, "connect", _careful)
    return engine


def _careful(connection: Any, _record: Any) -> None:
    """Readers do not wait for the writer, and links between rows are checked."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _shown(url: str) -> str:
    """An address without its password."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://...@{tail}" if at else url


def _png(picture: RGB) -> bytes:
    made, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not made:
        raise LensError("A picture cannot be encoded as PNG: check that it is RGB with 8 bits.")
    return data.tobytes()


def write_json(value: Any, path: Path) -> None:
    """Write plain values as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(json.dumps(value, ensure_ascii=False, indent=1).encode(), path, overwrite=True)

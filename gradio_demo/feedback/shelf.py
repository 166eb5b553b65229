"""The tasks of one folder, by their names; no path that comes from a client is ever opened."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from ...imaging.errors import InputError, LensError, MissingError
from ...training.feedback.configuration import FILE
from ...training.feedback.session import Session, StageView

T = TypeVar("T")
DATA = "data"
"""The folder of data sets; no task may be called so."""
PAIR_FOLDERS = ("first", "second")
"""A data set with these two has pairs; any other has good pictures."""
NAME = re.compile(r"[^\W_][\w .()-]{0,59}")
IDLE_SHARE = 10
"""What takes long to read is read again only after so many times as long."""
STAGES = ("second", "third", "first")
"""The latest first."""


class Shelf:
    """Tasks and data sets below a folder: each task is a subfolder, data sets are subfolders of `data`.

    Args:
        folder: made where it is not there.

    Raises:
        InputError: it cannot be made, or is a file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The folder {folder} cannot be made ({error.strerror}): choose another.") from error
        self._open: dict[str, Session] = {}
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._lock = Lock()

    def names(self) -> list[str]:
        """Names of the tasks, sorted."""
        return sorted(place.name for place in self._folders(self.folder) if (place / FILE).is_file())

    def data_sets(self) -> list[str]:
        """Names of the data sets, sorted."""
        return sorted(place.name for place in self._folders(self.folder / DATA))

    def data_set(self, name: str) -> Path:
        """The folder of a data set; raises `InputError` where there is none of that name."""
        if name not in self.data_sets():
            raise InputError(f"There is no data set '{name}': choose one of the list, or put it into '{DATA}'.")
        return self.folder / DATA / name

    def has_pairs(self, name: str) -> bool:
        """Whether a data set has pairs, in the subfolders `first` and `second`."""
        return all((self.data_set(name) / part).is_dir() for part in PAIR_FOLDERS)

    def new_folder(self, name: str) -> Path:
        """Where a new task goes.

        Raises:
            InputError: the name cannot be that of a folder, or is taken.
        """
        name = name.strip()
        if not NAME.fullmatch(name) or name.endswith("."):
            raise InputError("Give the task a name of at most 60 letters, digits, blanks and hyphens.")
        if name.casefold() in {DATA, *(place.name.casefold() for place in self._folders(self.folder))}:
            raise InputError(f"The name '{name}' is taken: choose another one.")
        return self.folder / name

    def task(self, name: str) -> Session:
        """An open task.

        Raises:
            InputError: no task has this name.
            MissingError: its files were deleted.
        """
        with self._lock:
            known = self._open.get(name)
            if name in self.names() and not (known and _lost(known)):
                return known or self._opened(name)
            if known:
                self._open.pop(name).close()
        if known:
            raise MissingError(f"Files of the task '{name}' were deleted: put them back, or make a new task.")
        raise InputError(f"There is no task '{name}': choose one of the list." if name else "Open a task first.")

    def _opened(self, name: str) -> Session:
        return self._open.setdefault(name, Session(self.folder / name))

    def discard(self, folder: Path) -> None:
        """Take away a task that could not be made whole."""
        if folder.parent == self.folder:
            shutil.rmtree(folder, ignore_errors=True)

    def read(self, key: Hashable, reader: Callable[[], T]) -> T:
        """What `reader` returns, or has returned not long ago compared to how long it takes."""
        now = time.monotonic()
        until, value = self._kept.get(key, (0.0, None))
        if now < until:
            return value
        value = reader()
        ended = time.monotonic()
        self._kept[key] = ended + IDLE_SHARE * (ended - now), value
        return value

    def forget(self, what: str, task: str) -> None:
        """Read something of a task anew, since it was changed."""
        for key in [key for key in self._kept if isinstance(key, tuple) and key[:2] == (what, task)]:
            self._kept.pop(key, None)

    def state(self, name: str) -> str:
        """Where a task is, in a few words."""
        try:
            session = self.task(name)
            views = [session.status(stage) for stage in STAGES]
        except LensError as error:
            return f"cannot be opened: {type(error).__name__.removesuffix('Error').lower()} files or settings"
        return words_for(views)

    @staticmethod
    def _folders(folder: Path) -> list[Path]:
        if not folder.is_dir():
            return []
        return [place for place in folder.iterdir() if place.is_dir() and not place.name.startswith(".")]


def words_for(views: list[StageView]) -> str:
    """Where a task is, from its stages, the latest first."""
    numbers = {"first": 1, "second": 2, "third": 3}
    at_work = [view for view in views if view.at_work]
    begun = at_work or [view for view in views if view.state != "waiting"]
    return " and ".join(f"training {numbers[view.stage]} {view.state}" for view in at_work or begun[:1]) or "new"


def _lost(session: Session) -> bool:
    return not session.settings.database and not (session.folder / "library.sqlite").is_file()

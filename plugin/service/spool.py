"""Where jobs leave results: an owner-only folder for each, with a record by which a restarted service knows it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ...imaging.errors import InputError

log = logging.getLogger(__name__)
_RECORD = "job.json"
_LONGEST_RECORD = 64 * 1024
_TAKEN = "Another service keeps its results in the same folder: stop it, or take another port."


@dataclass(frozen=True)
class Record:
    """What is remembered of a job.

    Attributes:
        id: of the job; also the name of its folder.
        kind: what was asked for.
        label: a few words about it.
        device: where it ran.
        state: as of the job; one that had not ended stands as `queued`.
        error: why it failed.
        finished_at: when it ended, in seconds since 1970; 0 = not yet.
    """

    id: str
    kind: str
    label: str
    device: str
    state: str
    error: str = ""
    finished_at: float = 0.0


class Spool:
    """Folders of jobs; with a `root` they outlive the process, without one they go with it.

    Raises:
        InputError: the root is not ours alone, cannot be made, or another service uses it.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.lasting = root is not None
        self._temporary = None
        if root is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="inpaint-lens-", ignore_cleanup_errors=True)
            root = Path(self._temporary.name)
        self.root = _private(root)
        self._lock = FileLock(self.root / ".lock", thread_local=False)  # released by another thread
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InputError(_TAKEN) from None

    def folder(self, name: str) -> Path:
        """The folder of the job `name`; made if it is not there."""
        place = self.root / name
        place.mkdir(mode=0o700, exist_ok=True)
        return place

    def write(self, record: Record) -> None:
        """Remember a job; a disk that is full or gone is logged, since the job itself is no worse for it."""
        try:
            place = self.folder(record.id)
            part = place / f"{_RECORD}.part"
            part.write_text(json.dumps(asdict(record)))
            part.replace(place / _RECORD)
        except OSError as error:
            log.warning("A job cannot be remembered over a restart: %s", error)

    def records(self) -> Iterator[Record]:
        """All that is remembered; folders without a usable record are removed."""
        for place in sorted(self.root.iterdir()):
            if not place.is_dir() or place.is_symlink():
                continue
            record = _read(place)
            if record is None:
                log.warning("A folder of a job without a usable record is removed.")
                self.remove(place.name)
            else:
                yield record

    def remove(self, name: str) -> None:
        """Forget a job and delete its files."""
        shutil.rmtree(self.root / name, ignore_errors=True)

    def size(self, name: str) -> int:
        """Bytes that the files of a job take."""
        with contextlib.suppress(OSError):
            return sum(path.stat().st_size for path in (self.root / name).iterdir())
        return 0

    def close(self) -> None:
        """Let another service have the folder; a temporary one is deleted."""
        self._lock.release()
        if self._temporary:
            self._temporary.cleanup()


def _private(root: Path) -> Path:
    """`root` as a folder that only its owner can enter."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = root.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            raise InputError(
                "The folder for results is a link or a file: remove it, or let INPAINT_LENS_CACHE name another."
            )
        if hasattr(os, "getuid") and facts.st_uid != os.getuid():
            raise InputError(
                "The folder for results belongs to another user: let INPAINT_LENS_CACHE name one of your own."
            )
        root.chmod(0o700)
    except OSError as error:
        raise InputError(
            f"The folder for results cannot be made ({error.strerror}): let INPAINT_LENS_CACHE name one that can."
        ) from error
    return root


def _read(place: Path) -> Record | None:
    try:
        path = place / _RECORD
        if path.stat().st_size > _LONGEST_RECORD:
            return None
        record = Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.id == place.name else None

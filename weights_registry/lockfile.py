"""`weights.lock.json`: checksums that the catalog does not hold, recorded at first use and enforced after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..imaging.errors import WeightsError
from ..imaging.monitor import Monitor
from .catalog import WeightsEntry, WeightsFile
from .settings import HubSettings
from .store import process_lock, read_json, unwritable, write_json

VERSION = 1


def lock_path(settings: HubSettings) -> Path:
    """Where the lock file lies."""
    return settings.cache / "weights.lock.json"


def recorded(entry: WeightsEntry, settings: HubSettings) -> tuple[WeightsFile, ...] | None:
    """The files of `entry` as first seen, None where they never were or the catalog's pin has changed since.

    Raises:
        WeightsError: the lock file is damaged.
    """
    record = _entries(settings).get(entry.name)
    if not isinstance(record, dict) or record.get("identity") != entry.identity:
        return None
    try:
        return tuple(WeightsFile(**part) for part in record["files"])
    except (KeyError, TypeError) as error:
        raise _damaged(settings) from error


def record(entry: WeightsEntry, files: Iterable[WeightsFile], settings: HubSettings) -> None:
    """Remember the checksums of `files`; what was recorded under the same pin before stays as it is."""
    with process_lock(settings.cache, "weights.lock", Monitor()):
        if recorded(entry, settings) is not None:
            return
        entries = _entries(settings)
        entries[entry.name] = {"identity": entry.identity, "files": [asdict(part) for part in files]}
        try:
            write_json(lock_path(settings), {"version": VERSION, "entries": entries})
        except OSError as error:
            raise unwritable(settings.cache, error) from error


def _entries(settings: HubSettings) -> dict[str, object]:
    content = read_json(lock_path(settings))
    entries = None if content is None else content.get("entries", {})
    if not isinstance(entries, dict):
        raise _damaged(settings)
    return entries


def _damaged(settings: HubSettings) -> WeightsError:
    return WeightsError(
        f"The lock file {lock_path(settings)} is damaged: delete it; the next download records the checksums anew."
    )

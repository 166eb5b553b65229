"""Weights by name: find them on this machine, demand them, or fetch them; always with their checksum looked at."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..imaging.errors import WeightsError
from ..imaging.monitor import Monitor
from .advice import missing
from .catalog import WeightsEntry, WeightsFile
from .catalog import entry as catalog_entry
from .checksum import forget, matches
from .formats import check_file
from .lockfile import record, recorded
from .overrides import override
from .settings import HubSettings
from .store import process_lock

log = logging.getLogger(__name__)
SPARE_BYTES = 16 << 20


def find(name: str, *, settings: HubSettings | None = None) -> Path | None:
    """Where the weights `name` lie on this machine, whole and with the right checksum; never touches the network.

    Returns:
        The file, or the folder of a set of files; None where they are missing or damaged (`advice.how_to_get` says
        what to do then).

    Raises:
        InputError: there is no such entry, or an override cannot be used.
        WeightsError: an override is of a kind that is never loaded, or the lock file is damaged.
    """
    settings = settings or HubSettings.from_environment()
    entry = catalog_entry(name, settings)
    return override(entry, settings) or _find(entry, settings, Monitor())


def require(name: str, *, settings: HubSettings | None = None) -> Path:
    """As `find`, but raises `MissingError` with the size, the licence and how to get them."""
    settings = settings or HubSettings.from_environment()
    found = find(name, settings=settings)
    if found:
        return found
    entry = catalog_entry(name, settings)
    raise missing(entry, _damaged(entry, settings))


def fetch(
    name: str, *, monitor: Monitor | None = None, force: bool = False, settings: HubSettings | None = None
) -> Path:
    """The weights `name`, downloaded if they are not here yet.

    A file whose checksum is wrong is deleted and fetched once more. One process at a time fetches an entry; the others
    wait and then find it. A local file that stands in for the entry is returned as it is.

    Args:
        name: a catalog entry.
        monitor: progress, and cancelling within a chunk; a cancelled file leaves nothing behind.
        force: download again even though it is here.

    Returns:
        The file, or the folder of a set of files.

    Raises:
        InputError: there is no such entry, or a cache folder cannot be written to.
        MissingError: offline; no room on the disk; the repository is gated; or only a person can fetch them.
        NetworkError: the server cannot be reached or does not deliver.
        WeightsError: what arrives is not what was pinned or recorded.
        Cancelled: asked to stop.
    """
    settings = settings or HubSettings.from_environment()
    monitor = monitor or Monitor()
    monitor.check()
    entry = catalog_entry(name, settings)
    here = override(entry, settings) or (None if force else _find(entry, settings, monitor))
    if here:
        return here
    if entry.by_hand:
        raise missing(entry)
    from .messages import disk_error, offline_error

    if settings.offline:
        raise offline_error(entry)
    try:
        with process_lock(settings.cache, entry.name, monitor):
            return (None if force else _find(entry, settings, monitor)) or _fetch(entry, settings, monitor, force)
    except OSError as error:
        if told := disk_error(entry, settings, error):
            raise told from error
        raise


def _find(entry: WeightsEntry, settings: HubSettings, monitor: Monitor) -> Path | None:
    """The entry in the caches, every file checked."""
    files = None if entry.by_hand else _pinned(entry, settings)
    paths = []
    for part in files or ():
        path = _locate(entry, part, settings)
        if path is None or not matches(path, part, settings, monitor):
            return None
        paths.append(path)
    return _whole(entry, files, paths) if files else None


def _damaged(entry: WeightsEntry, settings: HubSettings) -> bool:
    return not entry.by_hand and any(_locate(entry, part, settings) for part in _pinned(entry, settings) or ())


def _pinned(entry: WeightsEntry, settings: HubSettings) -> tuple[WeightsFile, ...] | None:
    """The entry's files with checksums: from the catalog, else the lock file, else the Hub's cache; None = unknown."""
    if entry.files and all(part.pinned for part in entry.files):
        return entry.files
    if known := recorded(entry, settings):
        return known
    if entry.source != "hub" or not entry.files:
        return None
    from .hub import checksum_by_store

    files = []
    for part in entry.files:
        path = None if part.pinned else _locate(entry, part, settings)
        stored = checksum_by_store(path) if path else None
        if not part.pinned and stored is None:
            return None
        files.append(_with_facts(part, stored) if stored else part)
    return tuple(files)


def _with_facts(part: WeightsFile, facts: WeightsFile) -> WeightsFile:
    """What the catalog leaves open, filled in from what the Hub says."""
    if part.pinned:
        return WeightsFile(part.path, part.size or facts.size, part.sha256, part.git_sha1)
    return WeightsFile(part.path, part.size or facts.size, facts.sha256, facts.git_sha1)


def _locate(entry: WeightsEntry, part: WeightsFile, settings: HubSettings) -> Path | None:
    if entry.source == "https":
        path = _https_target(entry, settings)
        return path if path.is_file() else None
    from .hub import locate

    return locate(entry, part.path, settings)


def _https_target(entry: WeightsEntry, settings: HubSettings) -> Path:
    return settings.cache / "files" / entry.name / entry.filename


def _whole(entry: WeightsEntry, files: Sequence[WeightsFile], paths: Sequence[Path]) -> Path:
    """The single file, or the folder above all of them."""
    if not entry.is_folder:
        return paths[0]
    return paths[0].parents[len(PurePosixPath(files[0].path).parts) - 1]


def _fetch(entry: WeightsEntry, settings: HubSettings, monitor: Monitor, force: bool) -> Path:
    """Download what is missing or damaged; the caller holds the entry's lock."""
    monitor.report(f"asking for {entry.name}", 0.0)
    files = _resolve(entry, settings)
    wanted = [part for part in files if force or not _good(entry, part, settings, monitor)]
    _check_space(entry, wanted, settings)
    total = sum(part.size for part in wanted) or 1
    done = 0
    for part in wanted:
        step = monitor.part(done / total, min(1.0, (done + part.size) / total) if part.size else 1.0)
        done += part.size
        _fetch_file(entry, part, settings, step, force)
    paths = [path for part in files if (path := _locate(entry, part, settings))]
    if len(paths) != len(files):
        raise WeightsError(f"A file of '{entry.name}' vanished while others were fetched: run the download again.")
    if not all(part.pinned for part in entry.files) or entry.include:
        record(entry, [_summed(part, path) for part, path in zip(files, paths, strict=True)], settings)
    monitor.report(f"{entry.name} is ready", 1.0)
    return _whole(entry, files, paths)


def _good(entry: WeightsEntry, part: WeightsFile, settings: HubSettings, monitor: Monitor) -> bool:
    path = _locate(entry, part, settings)
    return path is not None and matches(path, part, settings, monitor)


def _resolve(entry: WeightsEntry, settings: HubSettings) -> tuple[WeightsFile, ...]:
    """The files to have, with whatever size and checksum is known before downloading."""
    if entry.source == "https":
        return _pinned(entry, settings) or entry.files
    from . import hub

    known = _pinned(entry, settings)
    if known is None and entry.include:
        return hub.list_files(entry, settings)
    # One quick question tells whether the Hub can be reached, lets us in and still has this very file, and how
    # large it is: its own client would try for 23 seconds, and download before it notices.
    files = known or entry.files
    asked = range(len(files)) if known is None or not entry.is_folder else range(1)
    told = {index: _with_facts(files[index], hub.ask(entry, files[index], settings)) for index in asked}
    return tuple(told.get(index, part) for index, part in enumerate(files))


def _check_space(entry: WeightsEntry, wanted: Sequence[WeightsFile], settings: HubSettings) -> None:
    """Raise `MissingError` where the disk has no room for the files wanted."""
    needed = sum(part.size for part in wanted)
    folder = settings.cache
    if entry.source == "hub":
        from .hub import cache_folder

        folder = cache_folder(settings)
    existing = next((place for place in (folder, *folder.parents) if place.exists()), Path.cwd())
    free = shutil.disk_usage(existing).free
    if needed and free < needed + SPARE_BYTES:
        from .messages import no_space

        raise no_space(entry, folder, needed, free)


def _fetch_file(entry: WeightsEntry, part: WeightsFile, settings: HubSettings, monitor: Monitor, force: bool) -> None:
    """Download one file and check it; wrong twice is an error and leaves nothing behind."""
    old = _locate(entry, part, settings)
    for attempt in range(2):
        path = _download(entry, part, settings, monitor, force=force or old is not None or attempt > 0)
        if not part.pinned or matches(path, part, settings, monitor):
            try:
                check_file(path, entry.format)
            except WeightsError:
                forget(path)
                raise
            return
        log.warning(
            "%s of '%s' arrived with a wrong checksum%s.", part.path, entry.name, "" if attempt else ", trying again"
        )
        forget(path)
    raise WeightsError(
        f"{part.path} of '{entry.name}' arrived twice with a wrong checksum and was deleted: "
        "try again later, from another network or mirror; a proxy may change what passes through it."
    )


def _download(entry: WeightsEntry, part: WeightsFile, settings: HubSettings, monitor: Monitor, *, force: bool) -> Path:
    if entry.source == "https":
        from . import https

        target = _https_target(entry, settings)
        https.download(entry, target, settings, monitor)
        return target
    from . import hub

    return hub.download(entry, part.path, settings, monitor, force=force)


def _summed(part: WeightsFile, path: Path) -> WeightsFile:
    """The file with its size, and with a checksum even where the server named none."""
    from .checksum import digest

    sha256 = part.sha256 if part.pinned else digest(path)
    return WeightsFile(part.path, part.size or path.stat().st_size, sha256, part.git_sha1)

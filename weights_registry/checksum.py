"""Checksums of files, remembered by path, size and time of change so that a large file is read once."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from ..imaging.monitor import Monitor
from .catalog import WeightsFile
from .settings import HubSettings
from .store import read_json, write_json

log = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 20


def digest(path: Path, *, git: bool = False, monitor: Monitor | None = None) -> str:
    """SHA-256 of a file in hexadecimal, or with `git` the SHA-1 that git gives its content."""
    monitor = monitor or Monitor()
    size = path.stat().st_size
    # Git's own hash is what the Hub keeps of small text files; SHA-1 is not trusted for anything else here.
    summed = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if git else hashlib.sha256()
    with path.open("rb") as stream:
        done = 0
        while block := stream.read(CHUNK_BYTES):
            summed.update(block)
            done += len(block)
            monitor.report(f"checking {path.name}", done / max(size, 1))
    return summed.hexdigest()


def matches(path: Path, expected: WeightsFile, settings: HubSettings, monitor: Monitor | None = None) -> bool:
    """Whether the file on disk is the one that `expected` pins.

    Returns:
        False where it is missing, has another size or another checksum, or where no checksum is known.
    """
    try:
        real = path.resolve(strict=True)
        facts = real.stat()
    except OSError:
        return False
    if not expected.pinned or (expected.size and facts.st_size != expected.size):
        return False
    git = not expected.sha256
    stamp = [facts.st_size, facts.st_mtime_ns, "git-sha1" if git else "sha256"]
    found = _remembered(real, stamp, settings)
    if not found:
        found = digest(real, git=git, monitor=monitor)
        _remember(real, stamp, found, settings)
    return found == (expected.git_sha1 if git else expected.sha256)


def _memory(settings: HubSettings) -> Path:
    return settings.cache / "verified.json"


def _remembered(real: Path, stamp: list[object], settings: HubSettings) -> str:
    known = (read_json(_memory(settings)) or {}).get(str(real))
    if isinstance(known, dict) and known.get("stamp") == stamp:
        return str(known.get("digest", ""))
    return ""


def _remember(real: Path, stamp: list[object], found: str, settings: HubSettings) -> None:
    known = read_json(_memory(settings)) or {}
    known = {name: fact for name, fact in known.items() if Path(name).exists()}
    known[str(real)] = {"stamp": stamp, "digest": found}
    # A read-only cache only costs the time to read the file again.
    with suppress(OSError):
        write_json(_memory(settings), known)


def forget(path: Path) -> None:
    """Delete a file and, where it is a link into a store, what it points at."""
    while True:
        target = path.parent / path.readlink() if path.is_symlink() else None
        path.unlink(missing_ok=True)
        log.info("deleted %s", path)
        if target is None:
            return
        path = target

"""Small JSON files that several processes write: whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor

POLL_S = 0.05


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, empty where there is no file, None where it cannot be read as one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file in one step; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=1, sort_keys=True)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


@contextmanager
def process_lock(cache: Path, name: str, monitor: Monitor) -> Iterator[None]:
    """Hold `name` against other processes and threads; waits, tells so, and can be cancelled while it waits."""
    folder = cache / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(cache, error) from error
    lock = FileLock(folder / f"{name}.lock")
    while True:
        try:
            lock.acquire(timeout=POLL_S)
            break
        except Timeout:
            monitor.report(f"waiting for another download of {name}", 0.0)
        except OSError as error:
            raise unwritable(cache, error) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(folder: Path, error: OSError) -> InputError:
    """The sentence for a cache folder that cannot be written to."""
    return InputError(
        f"The cache folder {folder} cannot be written to ({error.strerror or error}): "
        "correct its permissions, or set INPAINT_LENS_CACHE and HF_HOME to folders of your own."
    )

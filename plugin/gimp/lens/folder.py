"""The service's own folder, which nobody else may enter: where it listens, and its log."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from .connection import Address
from .errors import Trouble

SOCKET, FACTS, LOCK, LOG = "service.sock", "service.json", "service.lock", "service.log"
_LONGEST_FACTS = 64 * 1024
_TAIL_BYTES = 8192


def make_private(folder: Path) -> None:
    """Make the folder where there is none, and see that it is ours alone.

    Raises:
        Trouble: it belongs to someone else, others could have put something into it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        raise Trouble(
            f"The folder '{folder}' cannot be made ({error.strerror}): make room for it, or run "
            "`inpaint-lens gimp install` anew."
        ) from None
    if not stat.S_ISDIR(facts.st_mode):
        raise Trouble(f"'{folder}' is a link or a file instead of a folder: remove it, then try again.")
    if not hasattr(os, "getuid"):
        return
    if facts.st_uid != os.getuid():
        raise Trouble(f"The folder '{folder}' belongs to another user: remove it, then try again.")
    if facts.st_mode & 0o022:
        raise Trouble(f"Others may write into '{folder}', so it is not trusted: remove it, then try again.")
    if facts.st_mode & 0o077:
        folder.chmod(0o700)


def address_in(folder: Path) -> Address | None:
    """Where the service of that folder says that it listens; None where there is none."""
    try:
        with (folder / FACTS).open("rb") as file:
            given = json.loads(file.read(_LONGEST_FACTS))["address"]
        if "uds" in given:
            return Address(uds=str(given["uds"]))
        return Address(host=str(given["host"]), port=int(given["port"]), token=str(given.get("token", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_line(path: Path, start: int = 0) -> str:
    """The last line of a log that is not empty, from the byte `start` on; empty if there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= size else 0, size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

"""The private service as seen from outside of GIMP: which one a plug-in uses, whether it runs, how to end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ... import __version__
from ...imaging.errors import InputError
from ..gimp.lens.connection import Connection
from ..gimp.lens.errors import Trouble
from ..gimp.lens.folder import LOG, address_in
from ..gimp.lens.settings import Settings
from .installing import installed_settings, running_python
from .profiles import Kind, Profile

PACKAGES = ("fastapi", "python_multipart", "uvicorn")
"""What it needs of the extra `web`."""
LEAVE_S = 8.0
"""Patience with one that was asked to end: it lets its jobs finish for 5 seconds."""
_ORDER: dict[Kind, int] = {"snap": 0, "flatpak": 1, "system": 2}
_ANSWER_S = 5.0
_LOOK_S = 0.05


def settings_of(profile: Profile) -> Settings | None:
    """What the plug-in in a profile was told by `install`; None where it is not installed."""
    found = installed_settings(profile)
    return Settings(**found) if found else None


def folder_for_worker(profiles: Sequence[Profile]) -> Path:
    """Where a service must be for the plug-ins in some profiles to find it; those that cannot start one come first.

    Raises:
        InputError: the plug-in is in none of them, or was told to use another Python than the running one.
    """
    installed = [(profile, settings) for profile in profiles if (settings := settings_of(profile))]
    if not installed:
        raise InputError("The plug-in is not installed: run `inpaint-lens gimp install` first.")
    profile, settings = min(installed, key=lambda pair: _ORDER[pair[0].kind])
    if Path(settings.python).parent != running_python().parent or settings.version != __version__:
        raise InputError(
            f"The plug-in in {profile.title} belongs to inpaint-lens {settings.version} in {settings.python}: run the "
            "worker of that one, or `inpaint-lens gimp install` with this one."
        )
    return Path(settings.folder)


def running_service(folder: Path) -> Connection | None:
    """The service of a folder, if it answers."""
    address = address_in(folder)
    if address is None:
        return None
    connection = Connection(address, str(folder / LOG))
    try:
        connection.json("GET", "/v1/private", limit_s=_ANSWER_S)
    except Trouble:
        return None
    return connection


def stop_service(folder: Path) -> bool:
    """End the service of a folder and wait until it is gone.

    Returns:
        False where none was running, or one does not end.
    """
    connection = running_service(folder)
    if connection is None:
        return False
    with suppress(Trouble):  # it may be gone before it has answered
        connection.read("POST", "/v1/private/stop")
    until = time.monotonic() + LEAVE_S
    while time.monotonic() < until:
        if running_service(folder) is None:
            return True
        time.sleep(_LOOK_S)
    return False


def clear_folder(folder: Path) -> None:
    """Remove what the service and the plug-in left in their folder, and the folder if nothing else is in it."""
    if folder.is_symlink() or not folder.is_dir() or running_service(folder):
        return
    with suppress(OSError):
        for pattern in ("service.*", "gimp.log*", "backends.json"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
        folder.rmdir()


def lacking_packages(find: Callable[[str], object]) -> list[str]:
    """Which of `PACKAGES` are not here, asked of `importlib.util.find_spec`."""
    return [name for name in PACKAGES if find(name) is None]

"""What GIMP runs in: an environment that is not for other programs, or the sandbox of a Flatpak or Snap."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Trouble

if TYPE_CHECKING:
    from .settings import Settings

MODULE = "inpaint_lens.plugin.service.private"
_WINDOWS = ("SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", "COMSPEC", "PATHEXT")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PASSED = ("HOME", "PATH", "LANG", "LANGUAGE", "USER", "LOGNAME", "TMPDIR", "TZ", *_CERTIFICATES, *_WINDOWS)
_PASSED_STARTS = ("LC_", "XDG_", "HF_", "INPAINT_LENS_", "CUDA_", "OMP_")
_TO_HOST = ("HF_", "INPAINT_LENS_", "CUDA_", "OMP_")
_TRIAL_S = 30.0
_BY_HAND = (
    "This GIMP is a {kind}, which may not start other programs: run `inpaint-lens gimp worker` in a terminal, then "
    "try again."
)


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What of an environment is passed on: nothing of GIMP, of its Python or of its libraries.

    In a Flatpak the XDG folders are the sandbox's own, so they stay behind too.
    """
    starts = [start for start in _PASSED_STARTS if start != "XDG_" or not in_flatpak(given)]
    kept = {
        name: value
        for name, value in given.items()
        if name in _PASSED or name.startswith(tuple(starts)) or name.lower().endswith("_proxy")
    }
    # Threads that spin while they wait slow GIMP down.
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept}


def in_flatpak(environment: Mapping[str, str]) -> bool:
    """Whether this process is inside the sandbox of a Flatpak."""
    return bool(environment.get("FLATPAK_ID")) or Path("/.flatpak-info").exists()


def command(settings: Settings) -> list[str]:
    """What starts the service.

    Raises:
        Trouble: its Python is gone, or cannot be run from inside a Flatpak or Snap.
    """
    plain = [settings.python, "-m", MODULE, "--folder", settings.folder]
    if in_flatpak(os.environ):
        return plain if _works([settings.python, "-c", f"import {MODULE}"]) else _on_the_host(plain)
    if os.environ.get("SNAP") and not _works([settings.python, "-c", f"import {MODULE}"]):
        raise Trouble(_BY_HAND.format(kind="Snap"))
    if not Path(settings.python).exists():
        raise Trouble(
            f"The Python of Inpaint Lens, {settings.python}, is gone: install inpaint-lens again, then run "
            "`inpaint-lens gimp install` in a terminal."
        )
    return plain


def _on_the_host(plain: list[str]) -> list[str]:
    """The same outside of the sandbox, where that is allowed."""
    passed = {name: value for name, value in clean_environment(os.environ).items() if name.startswith(_TO_HOST)}
    wrapper = ["flatpak-spawn", "--host", *(f"--env={name}={value}" for name, value in passed.items())]
    if not _works([*wrapper, "true"]):
        raise Trouble(_BY_HAND.format(kind="Flatpak"))
    return wrapper + plain


def _works(trial: list[str]) -> bool:
    try:
        done = subprocess.run(
            trial,
            env=clean_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0

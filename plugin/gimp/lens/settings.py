"""What `inpaint-lens gimp install` wrote beside the plug-in: where Inpaint Lens itself is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .errors import Trouble

VARIABLE = "INPAINT_LENS_GIMP_SETTINGS"
"""Environment variable that names another file of settings."""
_NOT_SET_UP = "Inpaint Lens is not set up{detail}: run `inpaint-lens gimp install` in a terminal, then try again."


@dataclass(frozen=True)
class Settings:
    """Where Inpaint Lens is.

    Attributes:
        python: the interpreter that has the package inpaint-lens.
        version: of that package, which the service must have too.
        folder: the service's own: socket, address and log.
    """

    python: str
    version: str
    folder: str


def place() -> Path:
    """The file of settings."""
    return Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parent.parent / "settings.json")


def read() -> Settings:
    """The settings.

    Raises:
        Trouble: there are none, or they cannot be read.
    """
    path = place()
    try:
        given = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Trouble(_NOT_SET_UP.format(detail="")) from None
    except (OSError, ValueError):
        raise Trouble(_NOT_SET_UP.format(detail=f" ({path} cannot be read)")) from None
    values = [str(given.get(name) or "") if isinstance(given, dict) else "" for name in ("python", "version", "folder")]
    if not all(values):
        raise Trouble(_NOT_SET_UP.format(detail=f" ({path} lacks the Python, version or folder)"))
    return Settings(*values)

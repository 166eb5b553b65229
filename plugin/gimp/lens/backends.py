"""Which backends there are: what the service said last, or those that come with every installation."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import settings, starting
from .client import Client
from .errors import Stopped, Trouble

FILE = "backends.json"
"""In the service's folder."""


@dataclass(frozen=True)
class Backend:
    """A backend as people choose it.

    Attributes:
        name: for the service.
        title: for people.
        licence: of its weights.
        ready: it can be used at once.
        megabytes: that are to be downloaded first.
        by_hand: its weights cannot be downloaded from here.
        status: what is missing.
    """

    name: str
    title: str
    licence: str = ""
    ready: bool = True
    megabytes: float = 0.0
    by_hand: bool = False
    status: str = "ready"

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Backend:
        """From an entry of `/v1/backends`; raises `KeyError` or `TypeError`."""
        named = {name: facts[name] for name in ("name", "title", "licence", "ready", "by_hand", "status")}
        return cls(megabytes=float(facts["download_mb"]), **named)

    @property
    def label(self) -> str:
        """A line of a list to choose from."""
        if self.ready:
            return f"{self.name}: {self.title}"
        return f"{self.name}: {self.title} ({'by hand' if self.by_hand else self.size})"

    @property
    def size(self) -> str:
        """What is to be downloaded."""
        if self.ready or not self.megabytes:
            return ""
        return f"{self.megabytes / 1000:.1f} GB" if self.megabytes >= 1000 else f"{self.megabytes:.0f} MB"


BUILT_IN = [
    Backend("lens-small", "LensSmall, the package's network with texture copied from the picture", "Apache-2.0"),
    Backend("exemplar", "PatchMatch with provenance", "Apache-2.0"),
    Backend("patchmatch", "PatchMatch, copies patches of the picture itself", "MIT"),
    Backend("telea", "Fast marching (Telea), OpenCV", "Apache-2.0"),
    Backend("navier-stokes", "Navier-Stokes, OpenCV", "Apache-2.0"),
]
"""Of an installation that has never been asked."""


def in_order(facts: list[dict[str, Any]]) -> list[Backend]:
    """Ready ones first, otherwise as they come; entries of a form unknown here are left out."""
    found = []
    for entry in facts:
        try:
            found.append(Backend.of(entry))
        except (KeyError, TypeError, ValueError):
            continue
    return sorted(found, key=lambda backend: not backend.ready)


def remembered() -> list[Backend]:
    """What the service said last."""
    try:
        facts = json.loads(Path(settings.read().folder, FILE).read_text("utf-8"))
        return in_order(facts) or BUILT_IN
    except (Trouble, OSError, ValueError, TypeError):
        return BUILT_IN


def asked(client: Client) -> list[Backend]:
    """What the service says now, which is remembered; raises `Trouble`."""
    facts = client.backends()
    path = Path(settings.read().folder, FILE)
    new = path.with_name(f"{FILE}.{threading.get_ident()}")
    try:
        new.write_text(json.dumps(facts), "utf-8")
        new.replace(path)
    except OSError:
        pass  # the next dialog asks again
    return in_order(facts)


class Warming:
    """Start the service and ask it for its backends while a dialog is open; in a thread, which never calls GIMP."""

    def __init__(self, then: Callable[[list[Backend], str], object]) -> None:
        self._then, self._over = then, threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def leave(self) -> None:
        """Nobody waits for it any more; the service goes on."""
        self._over.set()

    def _run(self) -> None:
        try:
            connection = starting.connect(settings.read(), lambda *_: None, self._over.is_set)
            found, trouble = asked(Client(connection)), ""
        except Stopped:
            return
        except Trouble as error:
            found, trouble = [], str(error)
        if not self._over.is_set():
            self._then(found, trouble)

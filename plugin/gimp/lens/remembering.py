"""Keep what was typed until the work succeeds; GIMP itself remembers it only then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .gimp import Gimp


class Typed:
    """What was typed into the dialog of one procedure."""

    def __init__(self, procedure: str, names: Sequence[str]) -> None:
        self._path = Path(Gimp.directory(), "plug-in-settings", f"{procedure}.typed.json")
        self._names = tuple(names)

    def restore(self, config: Any) -> None:
        """Put it back, after a run that failed or was stopped."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            for name, value in json.loads(self._path.read_text("utf-8")).items():
                if name in self._names:
                    config.set_property(name, value)

    def keep(self, config: Any) -> None:
        """Before the work begins."""
        values = {name: config.get_property(name) for name in self._names}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(values), "utf-8")

    def forget(self) -> None:
        """After it succeeded."""
        with suppress(OSError):
            self._path.unlink()

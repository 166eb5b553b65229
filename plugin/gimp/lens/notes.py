"""`Note`: what a layer made here remembers, so that it can be explained and filled again."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from .areas import Area
from .choices import Choices

PARASITE = "inpaint-lens"
VERSION = 1


@dataclass(frozen=True)
class Note:
    """What stays on a result layer; places are in pixels of the layer that was filled.

    Attributes:
        choices: how it was filled.
        source: tattoo of the layer that was filled.
        hole: the selection as it was.
        avoid: what the model did not look at.
        region: the region of interest of its last explanation.
        checksum: of the pixels that were sent.
        made: when, in seconds since 1970.
        name: nobody else's; heatmaps name the fill that they explain by it.
    """

    choices: Choices
    source: int
    hole: Area
    avoid: Area | None
    region: Area | None
    checksum: int
    made: float = field(default_factory=time.time)
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def to_bytes(self) -> bytes:
        """ASCII, which is all that GIMP keeps faithfully."""
        areas = {name: getattr(self, name) for name in ("hole", "avoid", "region")}
        facts: dict[str, Any] = {
            "version": VERSION,
            "kind": "result",
            "choices": self.choices.to_json(),
            "source": self.source,
            "checksum": self.checksum,
            "made": self.made,
            "name": self.name,
        }
        facts.update({name: area and area.to_json() for name, area in areas.items()})
        return json.dumps(facts).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Note | None:
        """None for what is no note of a result layer, or a damaged one."""
        try:
            facts = json.loads(data)
            if facts["version"] != VERSION or facts["kind"] != "result":
                return None
            return cls(
                Choices.from_json(facts["choices"]),
                int(facts["source"]),
                Area.from_json(facts["hole"]),
                facts["avoid"] and Area.from_json(facts["avoid"]),
                facts["region"] and Area.from_json(facts["region"]),
                int(facts["checksum"]),
                float(facts["made"]),
                str(facts["name"]),
            )
        except (ValueError, KeyError, TypeError):
            return None


def heatmap_note(fill: str) -> bytes:
    """What stays on a heatmap layer: the name of the fill that it explains."""
    return json.dumps({"version": VERSION, "kind": "heatmap", "fill": fill}).encode("ascii")


def explained_by(data: bytes) -> str | None:
    """The name of the fill that a heatmap layer explains; None for the note of another layer."""
    try:
        facts = json.loads(data)
        return str(facts["fill"]) if facts["kind"] == "heatmap" else None
    except (ValueError, KeyError, TypeError):
        return None

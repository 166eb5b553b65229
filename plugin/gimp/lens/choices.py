"""`Choices`: what a person chose in the dialog, and the same as the service takes it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .areas import Area

LEAST_TARGET_PX = 16
"""A smaller square of a fill holds too few edges to be explained."""
WHOLE, MIDDLE = "whole", "middle"
NOTHING, NAMED, LAST_REGION = "nothing", "named", "last-region"


@dataclass(frozen=True)
class Choices:
    """The arguments of `plug-in-inpaint-lens-fill`.

    Attributes:
        backend: name of a backend.
        explain: whether to explain the fill.
        what: `whole` fill or `middle` of the selection.
        opacity: of the heatmap layer, in percent.
        context: pixels of surroundings that the model sees; -1 = by the size of the selection.
        feather: pixels of soft border around a selection that has none.
        seed: for backends that draw lots.
        avoid: `nothing`, a channel or path that is `named` "avoid", or the `last-region` of interest.
    """

    backend: str = "lens-small"
    explain: bool = True
    what: str = WHOLE
    opacity: float = 85.0
    context: int = -1
    feather: int = 4
    seed: int = 0
    avoid: str = NOTHING

    @classmethod
    def of(cls, config: Any) -> Choices:
        """From a procedure's configuration."""
        values = {name: config.get_property(name) for name in names()}
        # GIMP 3.2 gives None for a text that is not set.
        return cls(**{**values, "backend": (values["backend"] or "").strip() or cls.backend})

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Choices:
        """What `to_json` gave, also of a version that knew more or less; raises `TypeError` for other types."""
        plain = cls()
        known = {name: type(getattr(plain, name))(facts[name]) for name in names() if name in facts}
        return replace(plain, **known)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def request(self, feather_px: int, target: dict[str, int] | None) -> dict[str, Any]:
        """The options of a job of the service."""
        fill = {
            "backend": self.backend,
            "seed": self.seed,
            "feather_px": feather_px,
            "context_px": None if self.context < 0 else self.context,
        }
        explain = {"target": target, "opacity": self.opacity / 100} if self.explain else None
        return {"fill": fill, "explain": explain}


def names() -> list[str]:
    """Of the arguments."""
    return [field.name for field in fields(Choices)]


def middle_of(hole: Area) -> dict[str, int]:
    """A square about the middle of a hole, a third as wide as its shorter side."""
    x, y = hole.middle()
    return {"x": x, "y": y, "size_px": max(LEAST_TARGET_PX, min(hole.box.width, hole.box.height) // 3)}


def square_around(area: Area) -> dict[str, int]:
    """The smallest square that holds an area."""
    box = area.box
    return {
        "x": box.x + box.width // 2,
        "y": box.y + box.height // 2,
        "size_px": max(LEAST_TARGET_PX, box.width, box.height),
    }


def brief(sentence: str) -> str:
    """The first statement of an explanation: what is longer, GIMP shows in a box instead of the status bar."""
    first = re.split(r"[;.] ", sentence, maxsplit=1)[0].rstrip(".")
    return f"{first}." if first else ""

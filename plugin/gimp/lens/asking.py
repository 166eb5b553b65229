"""What is sent to the service for a fill, and asking it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import settings, starting
from .areas import Area, Box, crop_around
from .choices import Choices
from .client import Answer, Client, Request
from .pixels import DEEP_RGBA, extent, format_for, read
from .progress import Progress

_CLEAR = bytes([255]) + bytes(255)


@dataclass(frozen=True)
class Sight:
    """The part of a layer that is sent.

    Attributes:
        box: where it is in the layer.
        kind: format of the pixels.
        pixels: RGBA.
    """

    box: Box
    kind: str
    pixels: bytes

    @classmethod
    def of(cls, image: Any, layer: Any, hole: Area, choices: Choices) -> Sight:
        """All that may be looked at to fill a hole of a layer; a fill from it is the same as from the whole layer."""
        whole = extent(layer)
        box = crop_around(hole.box, choices.feather, choices.context, whole.width, whole.height)
        kind = format_for(image)
        return cls(box, kind, read(layer, box, kind))

    @property
    def deep(self) -> bool:
        """16 instead of 8 bits."""
        return self.kind == DEEP_RGBA

    @property
    def checksum(self) -> int:
        """Of the pixels."""
        return zlib.crc32(self.pixels)

    @property
    def transparent(self) -> Area | None:
        """Where nothing can be seen; the colours that are left there mean nothing."""
        alpha = self.pixels[6::8] if self.deep else self.pixels[3::4]
        if b"\0" not in alpha:
            return None
        clear = Area.of(self.box, alpha.translate(_CLEAR))
        lower = Area.of(self.box, self.pixels[7::8].translate(_CLEAR)) if self.deep else clear
        return clear and lower and clear.common(lower)


@dataclass(frozen=True)
class Question:
    """One fill, in the coordinates of the layer.

    Attributes:
        sight: what is sent of the layer.
        hole: the selection.
        avoid: what the model may not look at.
        choices: how to fill.
        target: the square of the fill to explain; None = all of it.
    """

    sight: Sight
    hole: Area
    avoid: Area | None
    choices: Choices
    target: dict[str, int] | None = None

    @property
    def soft(self) -> bool:
        """Whether the selection's own border is what the fill gets."""
        return self.hole.feathered or (self.choices.feather == 0 and self.hole.blended)

    def request(self) -> Request:
        """The same as the service takes it."""
        box, hole = self.sight.box, self.hole.hard
        target = self.target and {**self.target, "x": self.target["x"] - box.x, "y": self.target["y"] - box.y}
        clear = self.sight.transparent
        hidden = clear.joined(self.avoid) if clear else self.avoid
        exclude = hidden and hidden.without(hole)
        return Request(
            width=box.width,
            height=box.height,
            picture=self.sight.pixels,
            dtype="uint16" if self.sight.deep else "uint8",
            channels=4,
            mask=hole.on(box),
            exclude=exclude and exclude.on(box),
            options=self.choices.request(0 if self.soft else self.choices.feather, target),
        )


def client_for(progress: Progress) -> Client:
    """A client of the service, which is started where it does not run; raises `Trouble` or `Stopped`."""
    return Client(starting.connect(settings.read(), progress.tell, progress.stopped))


def ask(question: Question, progress: Progress, wanted: Callable[[], bool]) -> Answer:
    """Have it filled; raises `Trouble`, or `Stopped` when the person stops it or it is not `wanted` any more."""

    def stopped() -> bool:
        return progress.stopped() or not wanted()

    return client_for(progress).fill(question.request(), progress.tell, stopped)

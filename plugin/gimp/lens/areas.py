"""`Box` and `Area`: rectangles and masks in plain Python, quick enough for photographs."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

_SET = bytes([0]) + bytes([255]) * 255
_HALF = bytes(128) + bytes([255]) * 128
_MOST_PIXELS = 1 << 30
_BETWEEN = bytes([0]) + bytes([1]) * 254 + bytes([0])


class Box(NamedTuple):
    """A rectangle of pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column right of it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.y + self.height

    def padded(self, px: int) -> Box:
        """Larger by `px` on every side."""
        return Box(self.x - px, self.y - px, self.width + 2 * px, self.height + 2 * px)

    def moved(self, across: int, down: int) -> Box:
        """The same rectangle elsewhere."""
        return Box(self.x + across, self.y + down, self.width, self.height)

    def common(self, other: Box) -> Box:
        """What lies in both; without pixels if nothing does."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Box(x, y, max(0, min(self.right, other.right) - x), max(0, min(self.bottom, other.bottom) - y))

    def union(self, other: Box) -> Box:
        """The smallest that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)


def crop_around(hole: Box, feather_px: int, context_px: int, width: int, height: int) -> Box:
    """The part of a picture that has everything that may be looked at to fill `hole`.

    A window reaches at most the context (by itself up to 256 pixels) beyond the hole and its soft border; made square,
    and pushed back from the picture's border, it reaches so far again and the length of the hole.
    """
    soft = hole.padded(feather_px)
    longest = max(soft.width, soft.height)
    margin = max(1024, 2 * longest, longest + 2 * max(context_px, 256))
    return soft.padded(margin).common(Box(0, 0, width, height))


@dataclass(frozen=True)
class Area:
    """A mask with a place: `values` of 0 to 255 in `box`, row by row, and 0 everywhere else."""

    box: Box
    values: bytes

    @classmethod
    def of(cls, box: Box, values: bytes) -> Area | None:
        """As small as it can be; None where nothing is set."""
        first = len(values) - len(values.lstrip(b"\0"))
        if first == len(values):
            return None
        top, bottom = first // box.width, (len(values.rstrip(b"\0")) - 1) // box.width
        rows = (values[y * box.width : (y + 1) * box.width] for y in range(top, bottom + 1))
        columns = reduce(int.__or__, (int.from_bytes(row, "big") for row in rows)).to_bytes(box.width, "big")
        left, right = box.width - len(columns.lstrip(b"\0")), len(columns.rstrip(b"\0"))
        small = Box(box.x + left, box.y + top, right - left, bottom - top + 1)
        return cls(small, cls(box, values).on(small))

    def on(self, box: Box) -> bytes:
        """The values in another box."""
        if box == self.box:
            return self.values
        shared, mine, whole = self.box.common(box), self.box, bytearray(box.width * box.height)
        for y in range(shared.y, shared.bottom):
            start = (y - box.y) * box.width + shared.x - box.x
            source = (y - mine.y) * mine.width + shared.x - mine.x
            whole[start : start + shared.width] = self.values[source : source + shared.width]
        return bytes(whole)

    @property
    def hard(self) -> Area:
        """255 wherever anything is set."""
        return Area(self.box, self.values.translate(_SET))

    @property
    def halved(self) -> Area | None:
        """255 where at least half is set; None if that is nowhere."""
        return Area.of(self.box, self.values.translate(_HALF))

    @property
    def blended(self) -> bool:
        """Whether any value lies between 0 and 255."""
        return b"\1" in self.values.translate(_BETWEEN)

    @property
    def feathered(self) -> bool:
        """Whether the border is soft over several pixels, more than smoothing a jagged edge makes it."""
        box = self.box.padded(1)
        between = int.from_bytes(self.on(box).translate(_BETWEEN), "big")
        down = 8 * box.width
        return bool(between & between >> 8 & between << 8 & between >> down & between << down)

    def joined(self, other: Area | None) -> Area:
        """What either covers, of areas that are hard."""
        if other is None:
            return self
        box = self.box.union(other.box)
        return Area(box, _bitwise(self.on(box), other.on(box), int.__or__))

    def without(self, other: Area) -> Area | None:
        """What this covers and the other does not, of areas that are hard."""
        return Area.of(self.box, _bitwise(self.values, other.on(self.box), lambda mine, its: mine & ~its))

    def common(self, other: Area) -> Area | None:
        """What both cover, of areas that are hard."""
        return Area.of(self.box, _bitwise(self.values, other.on(self.box), int.__and__))

    def middle(self) -> tuple[int, int]:
        """Column and row of a pixel of it near the middle of its box."""
        width, height = self.box.width, self.box.height
        for y in sorted(range(height), key=lambda row: abs(row - height // 2)):
            runs = self.values[y * width : (y + 1) * width].translate(_SET).split(b"\0")
            longest = max(range(len(runs)), key=lambda run: len(runs[run]))
            if runs[longest]:
                start = sum(len(run) + 1 for run in runs[:longest])
                return self.box.x + start + len(runs[longest]) // 2, self.box.y + y
        raise ValueError("the area is empty")

    def to_json(self) -> dict[str, Any]:
        """Plain ASCII values."""
        return {"box": list(self.box), "values": base64.b64encode(zlib.compress(self.values)).decode("ascii")}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Area:
        """What `to_json` gave; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        box = Box(*(int(number) for number in facts["box"]))
        size = box.width * box.height
        if min(box.width, box.height) < 1 or size > _MOST_PIXELS:
            raise ValueError("an area of no size, or of one that no picture has")
        try:
            values = zlib.decompressobj().decompress(base64.b64decode(facts["values"]), size)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if len(values) != size:
            raise ValueError("an area with another number of values")
        return cls(box, values)


def _bitwise(one: bytes, other: bytes, function: Any) -> bytes:
    whole = function(int.from_bytes(one, "big"), int.from_bytes(other, "big"))
    return whole.to_bytes(len(one), "big")

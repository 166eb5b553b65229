"""`Box`: a rectangle of pixels, with verbs instead of loose integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right`, ends not included; pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def around(cls, mask: NDArray[np.bool_]) -> Box:
        """The smallest box that holds every true pixel of `mask` `[H, W]`; an empty box if there is none."""
        rows = np.flatnonzero(mask.any(axis=1))
        if not rows.size:
            return cls(0, 0, 0, 0)
        band = mask[rows[0] : rows[-1] + 1]
        columns = np.flatnonzero(band.any(axis=0))
        return cls(int(rows[0]), int(columns[0]), len(band), int(columns[-1] - columns[0]) + 1)

    @classmethod
    def whole(cls, size: Size) -> Box:
        """All of a picture of `size`."""
        return cls(0, 0, size[0], size[1])

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """First column right of the box."""
        return self.left + self.width

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index for an array `[H, W, ...]`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def pad(self, px: int) -> Box:
        """Larger by `px` on every side."""
        return Box(self.top - px, self.left - px, self.height + 2 * px, self.width + 2 * px)

    def clamp(self, size: Size) -> Box:
        """The part inside a picture of `size`."""
        top, left = max(0, self.top), max(0, self.left)
        return Box(top, left, max(0, min(size[0], self.bottom) - top), max(0, min(size[1], self.right) - left))

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom, right = max(self.bottom, other.bottom), max(self.right, other.right)
        return Box(top, left, bottom - top, right - left)

    def touches(self, other: Box) -> bool:
        """True if the two overlap or share an edge or a corner."""
        return (
            self.top <= other.bottom
            and other.top <= self.bottom
            and self.left <= other.right
            and other.left <= self.right
        )

    def contains(self, other: Box) -> bool:
        """True if `other` lies inside."""
        return (
            self.top <= other.top
            and self.left <= other.left
            and self.bottom >= other.bottom
            and self.right >= other.right
        )

    def relative_to(self, other: Box) -> Box:
        """The same pixels, counted from the corner of `other`."""
        return Box(self.top - other.top, self.left - other.left, self.height, self.width)

    def grow_to(self, size: Size, picture: Size) -> Box:
        """At least `size`, kept inside a picture of size `picture` by shifting; smaller only if the picture is."""
        top, height = _stretch(self.top, self.height, size[0], picture[0])
        left, width = _stretch(self.left, self.width, size[1], picture[1])
        return Box(top, left, height, width)


def _stretch(start: int, length: int, wanted: int, limit: int) -> tuple[int, int]:
    wanted = min(max(wanted, length), limit)
    start -= (wanted - length) // 2
    return min(max(0, start), limit - wanted), wanted

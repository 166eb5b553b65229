"""What sizes a network accepts, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SizeRule:
    """Sizes in pixels that a network accepts.

    Attributes:
        minimum: smallest height and width.
        multiple_of: height and width are multiples of this.
        square: height equals width.
        largest: longest side that the network was made for; a larger window is scaled down to it. 0 = no limit.
        fixed: the only side accepted, as a square. 0 = any.
    """

    minimum: int = 1
    multiple_of: int = 1
    square: bool = False
    largest: int = 0
    fixed: int = 0

    def fit(self, height: int, width: int) -> tuple[int, int]:
        """The smallest accepted size that holds `height` x `width` (padding makes up the difference)."""
        if self.fixed:
            return self.fixed, self.fixed
        sides = [max(self.minimum, -(-side // self.multiple_of) * self.multiple_of) for side in (height, width)]
        if self.square:
            sides = [max(sides)] * 2
        return sides[0], sides[1]

    @property
    def limit(self) -> int:
        """Longest side before scaling is needed; 0 = none."""
        return self.fixed or self.largest

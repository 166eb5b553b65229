"""What a person asks for, as one value that every front end makes, logs and repeats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Literal

from ..backends.protocol import BackendInfo, Value
from ..imaging.box import Box, Size
from ..imaging.errors import InputError
from .choices import DEFAULT_BACKEND, METHODS, SMOOTHINGS

Method = Literal["path-ig", "gradient", "input-x-gradient", "integrated-gradients", "occlusion", "rise", "provenance"]
Smoothing = Literal["none", "mean", "gaussian", "median"]


@dataclass(frozen=True)
class Target:
    """The part of the fill to explain: a square of `size_px` centred at column `x`, row `y` of the picture."""

    x: int
    y: int
    size_px: int

    def __post_init__(self) -> None:
        numbers = self.x, self.y, self.size_px
        if not all(isinstance(number, Integral) for number in numbers) or self.size_px < 1:
            raise InputError(f"{numbers} is no target: give x, y and size in whole pixels, for example 320, 200, 64.")

    @classmethod
    def parse(cls, text: str) -> Target:
        """From `X,Y,SIZE`; raises `InputError` for anything else."""
        found = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text)
        if not found or int(found[3]) < 1:
            raise InputError(f"'{text}' is no target: give X,Y,SIZE in pixels, for example 320,200,64.")
        return cls(*(int(number) for number in found.groups()))

    def box(self, size: Size) -> Box:
        """The square, cut at the border of a picture of `size`."""
        return Box(self.y - self.size_px // 2, self.x - self.size_px // 2, self.size_px, self.size_px).clamp(size)


@dataclass(frozen=True)
class FillOptions:
    """How to fill.

    Attributes:
        backend: name of a backend.
        device: `auto`, `cpu`, `cuda`, `mps`.
        seed: for stochastic backends.
        grow_px: how far the hole is grown before anything else.
        feather_px: width of the soft border outside of the hole; the model fills it too.
        context_px: surroundings that the model sees on every side; None = by the size of the hole.
        match_border: shift the fill's colours so that they meet the picture's at the border.
        refine: where the model worked at reduced resolution, add detail copied from the picture.
        settings: what the backend lets people choose, by name; see `BackendInfo.settings`.
        weights: files that stand in for the backend's weights, by catalog entry.
    """

    backend: str = DEFAULT_BACKEND
    device: str = "auto"
    seed: int = 0
    grow_px: int = 0
    feather_px: int = 4
    context_px: int | None = None
    match_border: bool = False
    refine: bool = True
    settings: Mapping[str, Value] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("grow", self.grow_px), ("feather", self.feather_px), ("context", self.context_px or 0)):
            if not isinstance(value, Integral) or not 0 <= value <= 4096:
                raise InputError(f"--{name} is {value}: give a number of pixels from 0 to 4096.")


def default_method(info: BackendInfo) -> Method:
    """The method that tells most about a backend."""
    if info.copies:
        return "provenance"
    return "path-ig" if info.differentiable else "occlusion"


@dataclass(frozen=True)
class ExplainOptions:
    """How to explain.

    Attributes:
        method: attribution method.
        target: part of the fill; None = all of it.
        steps: number of network evaluations, or `auto` for as many as the tolerance needs.
        tolerance_percent: how far the attribution's sum may be from what it must be.
        smooth: smoothing of the maps for display.
        keep_steps: keep the pictures along the path.
        region_share: share of the attribution that the region of interest holds.
        opacity: of the heatmap layer, 0 to 1.
        test: hide the region of interest, fill again, and tell how much the fill changes.
    """

    method: Method = "path-ig"
    target: Target | None = None
    steps: int | Literal["auto"] = "auto"
    tolerance_percent: float = 1.0
    smooth: Smoothing = "none"
    keep_steps: bool = False
    region_share: float = 0.5
    opacity: float = field(default=0.85)
    test: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"There is no method '{self.method}': take one of {', '.join(METHODS)}.")
        if self.smooth not in SMOOTHINGS:
            raise InputError(f"There is no smoothing '{self.smooth}': take one of {', '.join(SMOOTHINGS)}.")
        if self.steps != "auto" and not (isinstance(self.steps, Integral) and 2 <= self.steps <= 4096):
            raise InputError(f"--steps is {self.steps}: give 'auto' or a number from 2 to 4096.")
        if not 0 < self.tolerance_percent <= 100:
            raise InputError(f"--tolerance is {self.tolerance_percent:g}: give a percentage above 0, up to 100.")
        if not 0 < self.region_share < 1:
            raise InputError(f"The region's share is {self.region_share:g}: give a number between 0 and 1.")

"""From an attribution map to pictures: scale, colours, translucent layer, outlines, and the finished figure.

Colours are a linear function of the value, so equal steps of attribution look like equal steps; only the opacity grows
faster, so that weak values can be seen at all while the picture stays visible where the map is near zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..imaging.errors import InputError
from .lettering import INK, Colour, beside, blank, font, frame, line_height, stack, text_block
from .outlines import (
    HOLE_COLOUR,
    REGION_COLOUR,
    RGB,
    SHADOW,
    TARGET_COLOUR,
    Mask,
    check_mask,
    check_picture,
    draw_outline,
    outline,
    tidy_region,
)

__all__ = [
    "Mark",
    "Scale",
    "colour_bar",
    "colourise",
    "draw_outline",
    "heat_rgba",
    "legend",
    "outline",
    "overlay",
    "render",
    "text_size",
    "tidy_region",
]

SEQUENTIAL = "inferno"
DIVERGING = "managua_r"
LIMIT_PERCENTILE = 99.5
OPACITY = 0.85


@dataclass(frozen=True)
class Scale:
    """Which value gets which colour; shared by maps that are to be compared.

    Attributes:
        limit: the absolute value that gets the strongest colour, at least 0; larger values get it too. 0 shows nothing.
        signed: False shows absolute values from 0 to `limit`, True shows values from `-limit` to `limit`.

    Raises:
        InputError: the limit is negative or not finite.
    """

    limit: float
    signed: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.limit) and self.limit >= 0):
            raise InputError(f"The limit of a colour scale is {self.limit}; give a finite number that is at least 0.")

    @classmethod
    def of(cls, attribution: NDArray[Any], *, signed: bool = False) -> Scale:
        """The scale of one map `[H, W]`; see `shared` for its limit."""
        return cls.shared([attribution], signed=signed)

    @classmethod
    def shared(cls, attributions: Sequence[NDArray[Any]], *, signed: bool = False) -> Scale:
        """One scale for several maps, so that equal colours mean equal values.

        The limit is the largest over the maps of the 99.5th percentile of the absolute values: no map has more than
        0.5 % of its pixels beyond the strongest colour, and a few extreme pixels don't leave the rest dark. A map that
        is zero nearly everywhere, so that its percentile is 0, counts with its largest value. Not finite values are
        left out.

        Args:
            attributions: float maps `[H, W]`, at least one; their sizes may differ.
            signed: see `Scale`.

        Raises:
            InputError: no map, or one that is not two-dimensional or is empty.
        """
        if not len(attributions):
            raise InputError("A colour scale needs at least one attribution map, but none was given.")
        return cls(max(_robust_limit(_checked_map(values)) for values in attributions), signed)

    def normalise(self, attribution: NDArray[Any]) -> NDArray[np.float32]:
        """Map `[H, W]` in units of the limit: 0 to 1, or -1 to 1 where signed; NaN becomes 0, infinity the limit."""
        values = _checked_map(attribution)
        if self.limit == 0:
            return np.zeros(values.shape, dtype=np.float32)
        values = np.where(np.isnan(values), 0, values if self.signed else np.abs(values))
        # Clipped before the division: a tiny limit would overflow otherwise.
        return (np.clip(values, -self.limit, self.limit) / self.limit).astype(np.float32)


def _checked_map(attribution: NDArray[Any]) -> NDArray[np.float64]:
    values = np.asarray(attribution)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiub":
        raise InputError(
            f"The attribution map has shape {values.shape} and type {values.dtype}; give real numbers of shape "
            "[height, width], with the channels summed."
        )
    return values.astype(np.float64)


def _robust_limit(values: NDArray[np.float64]) -> float:
    magnitude = np.abs(values[np.isfinite(values)])
    if not magnitude.size:
        return 0.0
    return float(np.percentile(magnitude, LIMIT_PERCENTILE)) or float(magnitude.max())


@lru_cache(maxsize=4)
def _colour_table(name: str) -> RGB:
    import matplotlib

    table = matplotlib.colormaps[name](np.arange(256), bytes=True)
    return np.ascontiguousarray(table[:, :3], dtype=np.uint8)


def colourise(attribution: NDArray[Any], scale: Scale) -> RGB:
    """Opaque colours of a map.

    Args:
        attribution: float `[H, W]`.
        scale: inferno from 0 to the limit, or, where signed, light blue below zero and yellow above.

    Returns:
        uint8 RGB `[H, W, 3]`.

    Raises:
        InputError: the map is not two-dimensional or is empty.
    """
    share = scale.normalise(attribution)
    if scale.signed:
        share = (share + 1) / 2
    return _colour_table(DIVERGING if scale.signed else SEQUENTIAL)[np.rint(share * 255).astype(np.uint8)]


def heat_rgba(attribution: NDArray[Any], scale: Scale) -> NDArray[np.uint8]:
    """The heatmap as a layer: colours of `colourise`, transparent at zero, opaque at the limit.

    Opacity grows with the square root of the value, so it never falls as the magnitude grows.

    Args:
        attribution: float `[H, W]`.
        scale: what the colours mean.

    Returns:
        uint8 RGBA `[H, W, 4]`, alpha not premultiplied.

    Raises:
        InputError: the map is not two-dimensional or is empty.
    """
    alpha = np.rint(255 * np.sqrt(np.abs(scale.normalise(attribution)))).astype(np.uint8)
    return np.dstack([colourise(attribution, scale), alpha])


def overlay(picture: RGB, rgba: NDArray[np.uint8], opacity: float = OPACITY) -> RGB:
    """`rgba` laid over `picture`.

    Args:
        picture: uint8 RGB `[H, W, 3]`.
        rgba: uint8 RGBA `[H, W, 4]`, alpha not premultiplied.
        opacity: 0 to 1, multiplies the alpha.

    Returns:
        A new uint8 RGB `[H, W, 3]`; pixels where alpha is 0 are those of `picture`, bit for bit.

    Raises:
        InputError: sizes differ, or the opacity is outside of 0 to 1.
    """
    check_picture(picture)
    if rgba.dtype != np.uint8 or rgba.shape != (*picture.shape[:2], 4):
        raise InputError(
            f"The heatmap layer is {rgba.dtype} of shape {rgba.shape}; give uint8 RGBA of the picture's "
            f"{picture.shape[1]} × {picture.shape[0]} pixels."
        )
    if not 0 <= opacity <= 1:
        raise InputError(f"The opacity of the heatmap is {opacity}; give a number from 0 to 1.")
    alpha = np.rint(rgba[..., 3:] * opacity).astype(np.uint16)
    # Largest sum is 255 * 255 + 127, which just fits 16 bits.
    return ((picture * (255 - alpha) + rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


class Mark(NamedTuple):
    """An outline of the legend: its colour and what it means."""

    colour: Colour
    words: str


def text_size(picture: RGB) -> int:
    """Size of the letters that suit a picture, in pixels: 11 at 256 × 256, 27 at 1500 × 1500."""
    return max(11, round((picture.shape[0] * picture.shape[1]) ** 0.5 * 0.018))


def colour_bar(scale: Scale, width_px: int, text_px: int) -> RGB:
    """Colour bar with ticks, values and a heading in words.

    The bar is drawn as the heatmap layer over a checkerboard: what is clear in the bar is clear in the overlay.

    Args:
        scale: what the colours mean.
        width_px: width of the bar, at least twelve times `text_px`.
        text_px: size of the letters.

    Returns:
        uint8 RGB `[height, width_px, 3]`; the height follows from the text.
    """
    if scale.limit == 0:
        return text_block("influence on the fill: zero everywhere", width_px, text_px)
    heading = "influence: blue lowers, yellow raises" if scale.signed else "influence on the fill"
    low = -scale.limit if scale.signed else 0.0
    values = np.linspace(low, scale.limit, width_px)
    height = round(1.1 * text_px)
    rows, columns = np.indices((height, width_px)) // max(2, height // 3)
    checkers = np.where((rows + columns) % 2, 255, 214).astype(np.uint8)[..., None].repeat(3, axis=2)
    bar = overlay(checkers, heat_rgba(np.tile(values, (height, 1)), scale), 1.0)
    bar[[0, -1]] = bar[:, [0, -1]] = INK
    return stack([text_block(heading, width_px, text_px), bar, _ticks(scale, low, width_px, text_px)])


def _ticks(scale: Scale, low: float, width_px: int, text_px: int) -> RGB:
    tick_px = max(2, text_px // 4)
    canvas = Image.fromarray(blank(tick_px + line_height(text_px), width_px))
    draw = ImageDraw.Draw(canvas)
    middle = (low + scale.limit) / 2
    first = f"≤ {_number(low)}" if scale.signed else "0"
    labels = [(0.0, "l", first), (0.5, "m", _number(middle)), (1.0, "r", f"≥ {_number(scale.limit)}")]
    for share, anchor, label in labels:
        left = round(share * (width_px - 1))
        draw.line([(left, 0), (left, tick_px - 1)], fill=INK, width=max(1, text_px // 12))
        draw.text((left, tick_px), label, font=font(text_px), fill=INK, anchor=f"{anchor}a")
    return np.array(canvas)


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "\N{MINUS SIGN}")


def legend(scale: Scale, marks: Sequence[Mark], width_px: int, text_px: int) -> RGB:
    """Colour bar and the meaning of each outline, beside each other where there is room and else below.

    Args:
        scale: what the colours mean.
        marks: the outlines, in order.
        width_px: room for all of it, at least twelve times `text_px`.
        text_px: size of the letters.

    Returns:
        uint8 RGB `[height, at most width_px, 3]`.
    """
    bar = colour_bar(scale, min(width_px, 22 * text_px), text_px)
    entries = stack([_entry(mark, min(width_px, 24 * text_px), text_px) for mark in marks])
    gap = 2 * text_px
    if not entries.size or bar.shape[1] + gap + entries.shape[1] > width_px:
        return stack([bar, entries], gap=text_px // 2)
    return beside([bar, entries], gap=gap)


def _entry(mark: Mark, width_px: int, text_px: int) -> RGB:
    sample_px = 2 * text_px
    text = text_block(mark.words, width_px - sample_px - text_px // 2, text_px)
    sample = blank(text.shape[0], sample_px)
    stroke = max(2, text_px // 6)
    top = line_height(text_px) // 2 - stroke
    sample[top : top + stroke] = mark.colour
    sample[top + stroke : top + 2 * stroke] = sample[top - stroke : top] = SHADOW
    return beside([sample, text], gap=text_px // 2)


def render(
    picture: RGB,
    attribution: NDArray[Any],
    *,
    hole: Mask,
    region: Mask | None = None,
    target: Mask | None = None,
    scale: Scale | None = None,
    signed: bool = False,
    opacity: float = OPACITY,
    with_legend: bool = True,
    title: str | None = None,
    region_words: str = "region of interest",
) -> RGB:
    """The finished figure: picture, heatmap over it, outlines, colour bar, legend.

    Args:
        picture: uint8 RGB `[H, W, 3]`, original or filled.
        attribution: float `[H, W]`.
        hole: bool `[H, W]`, outlined in white.
        region: bool `[H, W]`, the region of interest, tidied for the eye by `tidy_region` and outlined in pink.
        target: bool `[H, W]`, the part of the hole that is explained; outlined in green unless it is the whole hole.
        scale: what the colours mean; by default that of this map alone.
        signed: kind of the default scale, without effect where `scale` is given.
        opacity: of the heatmap, 0 to 1.
        with_legend: add colour bar and legend below the picture.
        title: a heading above the picture.
        region_words: what the legend calls the region.

    Returns:
        uint8 RGB; exactly of the picture's size where there is neither legend nor title.

    Raises:
        InputError: sizes or types differ from the above.
    """
    scale = scale or Scale.of(attribution, signed=signed)
    check_picture(picture)
    check_mask(hole, picture, "hole")
    drawn = overlay(picture, heat_rgba(attribution, scale), opacity)
    marks = []
    if region is not None:
        check_mask(region, picture, "region of interest")
        # Closing gaps must not carry the region into the hole.
        drawn = draw_outline(drawn, tidy_region(region) & (region | ~hole), REGION_COLOUR)
        marks.append(Mark(REGION_COLOUR, region_words))
    drawn = draw_outline(drawn, hole)
    marks.insert(0, Mark(HOLE_COLOUR, "hole"))
    if target is not None and not np.array_equal(target, hole):
        drawn = draw_outline(drawn, target, TARGET_COLOUR)
        marks.insert(1, Mark(TARGET_COLOUR, "part of the hole that is explained"))
    if not with_legend and title is None:
        return drawn
    size = text_size(picture)
    width = max(picture.shape[1], 16 * size)
    head = [text_block(title, width, round(size * 1.15), bold=True)] if title else []
    foot = [legend(scale, marks, width, size)] if with_legend else []
    return frame(stack([*head, drawn, *foot], gap=size // 2), size)

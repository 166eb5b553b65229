"""Pixels in and out of GIMP. The core sees a write only after the flush, and a buffer must not outlive its use."""

from __future__ import annotations

from typing import Any

from .areas import Box
from .gimp import Gegl, Gimp

RGBA = "R'G'B'A u8"
"""sRGB, into and out of which GEGL converts every kind of picture and colour profile."""
DEEP_RGBA = "R'G'B'A u16"
"""For pictures of more than 8 bits; floats too, because a fill has no values below 0 or above 1."""
MASK = "Y u8"
"""Masks are linear; a gamma would bend their soft borders."""
_EIGHT_BITS = (Gimp.Precision.U8_LINEAR, Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL)


def format_for(image: Any) -> str:
    """The format in which an image's pixels keep their depth."""
    return RGBA if image.get_precision() in _EIGHT_BITS else DEEP_RGBA


def read(drawable: Any, box: Box, kind: str) -> bytes:
    """The pixels in `box`, in the drawable's own coordinates; 0 outside of it."""
    buffer = drawable.get_buffer()
    try:
        return buffer.get(Gegl.Rectangle.new(*box), 1.0, kind, Gegl.AbyssPolicy.NONE)
    finally:
        del buffer


def write(drawable: Any, kind: str, data: bytes) -> None:
    """All pixels of a drawable; only for one that was just made: this cannot be undone."""
    width, height = drawable.get_width(), drawable.get_height()
    buffer = drawable.get_buffer()
    try:
        buffer.set(Gegl.Rectangle.new(0, 0, width, height), kind, data)
        buffer.flush()
    finally:
        del buffer
    drawable.update(0, 0, width, height)


def extent(drawable: Any) -> Box:
    """All of a drawable, in its own coordinates."""
    return Box(0, 0, drawable.get_width(), drawable.get_height())


def offset(layer: Any) -> tuple[int, int]:
    """Column and row of the image where a layer begins."""
    _, x, y = layer.get_offsets()
    return x, y

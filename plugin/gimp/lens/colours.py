"""Bytes of layers: colours from here, transparency from there."""

from __future__ import annotations

from array import array

from .areas import Box


def with_alpha(rgba: bytes, alpha: bytes) -> bytes:
    """RGBA of 8 bits with other transparency."""
    mixed = bytearray(rgba)
    mixed[3::4] = alpha
    return bytes(mixed)


def cut(pixels: bytes, box: Box, part: Box, bytes_per_pixel: int) -> bytes:
    """The pixels of `part`, which lies in `box`."""
    rows = []
    for y in range(part.y - box.y, part.bottom - box.y):
        start = (y * box.width + part.x - box.x) * bytes_per_pixel
        rows.append(pixels[start : start + part.width * bytes_per_pixel])
    return b"".join(rows)


def deep_fill(filled: bytes, before: bytes, alpha: bytes, mixed: bool) -> bytes:
    """The layer that makes `filled` of `before`, RGBA of 16 bits.

    Args:
        filled: the filled picture.
        before: the picture as it was.
        alpha: of the layer, 8 bits.
        mixed: the filled picture has the old colours mixed in where `alpha` lies between 0 and 255; they are taken out.
    """
    colours = array("H", filled)
    if mixed:
        _unmix(colours, array("H", before), alpha)
    wide = bytearray(2 * len(alpha))
    wide[0::2] = wide[1::2] = alpha
    colours[3::4] = array("H", bytes(wide))
    return colours.tobytes()


def _unmix(colours: array[int], before: array[int], alpha: bytes) -> None:
    for pixel in (index for index, value in enumerate(alpha) if 0 < value < 255):
        share = alpha[pixel] / 255
        for place in range(4 * pixel, 4 * pixel + 3):
            value = before[place] + (colours[place] - before[place]) / share
            colours[place] = min(65535, max(0, round(value)))


def over(below: bytes, above: bytes) -> bytes:
    """RGBA of 8 bits, `above` where it is not transparent at all, `below` elsewhere."""
    alpha = above[3::4]
    cover = bytearray(len(above))
    cover[0::4] = cover[1::4] = cover[2::4] = cover[3::4] = alpha
    covered, ground, top = (int.from_bytes(data, "big") for data in (cover, below, above))
    return (ground & ~covered | top & covered).to_bytes(len(below), "big")

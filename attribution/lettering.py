"""Letters in pictures: a font that is always there, wrapping that never cuts, and text blocks to paste."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..imaging.errors import InputError

Colour = tuple[int, int, int]

INK: Colour = (28, 30, 34)
FAINT_INK: Colour = (104, 108, 116)
PAPER: Colour = (255, 255, 255)
LINE_SPACING = 1.35


@lru_cache(maxsize=32)
def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and covers Latin, Greek and Cyrillic, at `size_px` pixels."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size_px)


def line_height(size_px: int) -> int:
    """Distance of two lines of text of `size_px`, in pixels."""
    return round(size_px * LINE_SPACING)


def wrap(text: str, width_px: int, face: ImageFont.FreeTypeFont) -> list[str]:
    """Lines of `text` that are at most `width_px` wide.

    Breaks at spaces, inside a word only where the word alone is too wide, and at line feeds. Every letter is kept; a
    single letter wider than `width_px` stands alone on its line.
    """
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            candidate = f"{line} {word}" if line else word
            if face.getlength(candidate) <= width_px:
                line = candidate
                continue
            if line:
                lines.append(line)
            *full, line = _break_word(word, width_px, face)
            lines.extend(full)
        if line:
            lines.append(line)
    return lines


def _break_word(word: str, width_px: int, face: ImageFont.FreeTypeFont) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and face.getlength(pieces[-1] + letter) > width_px:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def text_block(
    text: str, width_px: int, size_px: int, *, bold: bool = False, colour: Colour = INK, centred: bool = False
) -> NDArray[np.uint8]:
    """Wrapped text on white.

    Returns:
        uint8 `[height, width_px, 3]`; the height follows from the number of lines and is 0 for an empty text.

    Raises:
        InputError: `width_px` is too narrow for a single letter of this size.
    """
    face = font(size_px, bold=bold)
    # Letters such as "j" reach a little beyond their own box.
    margin = 1 + size_px // 40
    room = width_px - 2 * margin
    lines = wrap(text, room, face)
    if any(face.getlength(line) > room for line in lines):
        raise InputError(
            f"Text of {size_px} px does not fit a column of {width_px} px; take a column of {2 * size_px} px or more."
        )
    step = line_height(size_px)
    above = (step - sum(face.getmetrics())) // 2
    canvas = Image.new("RGB", (width_px, max(1, step * len(lines))), PAPER)
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        left = (width_px - face.getlength(line)) / 2 if centred else margin
        draw.text((left, row * step + above), line, font=face, fill=colour, anchor="la")
    return np.array(canvas)[: step * len(lines)]


def blank(height: int, width: int) -> NDArray[np.uint8]:
    """White uint8 `[height, width, 3]`."""
    return np.full((height, width, 3), PAPER, dtype=np.uint8)


def stack(blocks: list[NDArray[np.uint8]], *, gap: int = 0) -> NDArray[np.uint8]:
    """Blocks below each other, left-aligned on white, `gap` pixels apart; empty blocks are left out."""
    blocks = [block for block in blocks if block.size]
    if not blocks:
        return blank(0, 0)
    height = sum(block.shape[0] for block in blocks) + gap * (len(blocks) - 1)
    canvas = blank(height, max(block.shape[1] for block in blocks))
    top = 0
    for block in blocks:
        canvas[top : top + block.shape[0], : block.shape[1]] = block
        top += block.shape[0] + gap
    return canvas


def beside(blocks: list[NDArray[np.uint8]], *, gap: int = 0) -> NDArray[np.uint8]:
    """Blocks next to each other, aligned at the top on white, `gap` pixels apart; empty blocks are left out."""
    turned = stack([block.swapaxes(0, 1) for block in blocks], gap=gap)
    return np.ascontiguousarray(turned.swapaxes(0, 1))


def frame(block: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    """`block` with a white margin of `margin` pixels on all sides."""
    canvas = blank(block.shape[0] + 2 * margin, block.shape[1] + 2 * margin)
    canvas[margin : margin + block.shape[0], margin : margin + block.shape[1]] = block
    return canvas

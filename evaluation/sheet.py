"""Contact sheets: pictures in rows with captions, for comparing fills and explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..attribution.lettering import FAINT_INK, beside, blank, frame, stack, text_block
from ..imaging.errors import InputError

RGB = NDArray[np.uint8]

SMALLEST_CELL_PX = 64


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        picture: uint8 RGB `[H, W, 3]`.
        caption: what it shows; wrapped to the width of the cell, never cut.
        note: a second text in grey, scores for instance; wrapped likewise.
    """

    picture: RGB
    caption: str
    note: str = ""


def contact_sheet(
    rows: Sequence[Sequence[Cell]],
    *,
    cell_px: int = 320,
    row_titles: Sequence[str] = (),
    title: str = "",
    footer: RGB | None = None,
) -> RGB:
    """Rows of pictures on white, each picture fitted into a square cell with its aspect ratio kept.

    Args:
        rows: cells from left to right; rows may differ in length.
        cell_px: side of the square into which each picture is fitted, 64 or more.
        row_titles: a heading above each row; none, or one for each row (an empty one takes no room).
        title: a heading above all.
        footer: uint8 RGB set below the rows at its own size, a legend that all rows share for instance.

    Returns:
        uint8 RGB `[H, W, 3]`.

    Raises:
        InputError: no cell at all, a number of row titles that differs from the number of rows, cells too small, or a
            picture that is not uint8 RGB.
    """
    _check(rows, cell_px, row_titles, footer)
    text_px = max(11, round(cell_px * 0.045))
    gap = max(8, cell_px // 16)
    columns = max(len(row) for row in rows)
    width = columns * cell_px + (columns - 1) * gap
    blocks = [text_block(title, width, round(text_px * 1.4), bold=True)]
    for index, row in enumerate(rows):
        heading = text_block(row_titles[index] if row_titles else "", width, round(text_px * 1.15), bold=True)
        blocks.append(stack([heading, _row(row, cell_px, text_px, gap)], gap=gap // 2))
    if footer is not None:
        blocks.append(footer)
    return frame(stack(blocks, gap=round(1.25 * gap)), gap)


def _row(row: Sequence[Cell], cell_px: int, text_px: int, gap: int) -> RGB:
    pictures = [_fit(cell.picture, cell_px) for cell in row]
    tallest = max((picture.shape[0] for picture in pictures), default=0)
    return beside(
        [_cell(cell, pic, tallest, cell_px, text_px) for cell, pic in zip(row, pictures, strict=True)], gap=gap
    )


def _cell(cell: Cell, picture: RGB, tallest: int, cell_px: int, text_px: int) -> RGB:
    space = blank(tallest, cell_px)
    left = (cell_px - picture.shape[1]) // 2
    space[tallest - picture.shape[0] :, left : left + picture.shape[1]] = picture
    caption = text_block(cell.caption, cell_px, text_px, centred=True)
    note_px = max(10, round(text_px * 0.88))
    note = text_block(cell.note, cell_px, note_px, colour=FAINT_INK, centred=True)
    return stack([space, stack([caption, note])], gap=text_px // 2)


def _fit(picture: RGB, cell_px: int) -> RGB:
    height, width = picture.shape[:2]
    scale = cell_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return picture
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _check(rows: Sequence[Sequence[Cell]], cell_px: int, row_titles: Sequence[str], footer: RGB | None) -> None:
    if not any(rows):
        raise InputError("The sheet has no pictures; give at least one row with one cell.")
    if row_titles and len(row_titles) != len(rows):
        raise InputError(f"The sheet has {len(rows)} rows but {len(row_titles)} row titles; give one for each or none.")
    if cell_px < SMALLEST_CELL_PX:
        raise InputError(f"Cells of {cell_px} px are too small for a caption; take {SMALLEST_CELL_PX} px or more.")
    pictures = [cell.picture for row in rows for cell in row] + ([footer] if footer is not None else [])
    for picture in pictures:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise InputError(
                f"A picture of the sheet is {picture.dtype} of shape {picture.shape}; give uint8 RGB of shape "
                "[height, width, 3]."
            )

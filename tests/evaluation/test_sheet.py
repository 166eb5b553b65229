"""Contact sheets."""

import numpy as np
import pytest
from inpaint_lens.evaluation.sheet import Cell, contact_sheet
from inpaint_lens.imaging.errors import InputError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def flat(height, width, colour):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def box(sheet, colour):
    """Top, left, height and width of the pixels of one colour."""
    rows, columns = np.nonzero((sheet == colour).all(axis=2))
    return rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(40, 80, (50, 100)), (300, 100, (100, 33)), (9, 9, (100, 100))]
)
def test_pictures_fill_their_cell_and_keep_their_aspect_ratio(height, width, expected):
    sheet = contact_sheet([[Cell(flat(height, width, RED), "a")]], cell_px=100)
    assert box(sheet, RED)[2:] == expected


def test_a_picture_of_the_cells_size_is_shown_bit_for_bit():
    picture = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    sheet = contact_sheet([[Cell(picture, "")]], cell_px=100)
    margin = (sheet.shape[1] - 100) // 2
    assert np.array_equal(sheet[margin : margin + 100, margin : margin + 100], picture)


def test_cells_of_a_row_stand_beside_each_other_and_rows_below_each_other():
    cells = [Cell(flat(50, 50, RED), "a"), Cell(flat(50, 50, BLUE), "b")]
    across, down = contact_sheet([cells], cell_px=64), contact_sheet([[cells[0]], [cells[1]]], cell_px=64)
    assert box(across, RED)[0] == box(across, BLUE)[0]
    assert box(across, RED)[1] + 64 < box(across, BLUE)[1]
    assert box(down, RED)[0] + 64 < box(down, BLUE)[0]


def test_pictures_of_a_row_stand_on_one_line():
    sheet = contact_sheet([[Cell(flat(50, 100, RED), "a"), Cell(flat(100, 50, BLUE), "b")]], cell_px=100)
    red, blue = box(sheet, RED), box(sheet, BLUE)
    assert red[0] + red[2] == blue[0] + blue[2]


def test_a_long_caption_makes_the_sheet_taller_instead_of_wider():
    short, long = (contact_sheet([[Cell(flat(9, 9, RED), text)]], cell_px=100) for text in ("word", "word " * 40))
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0] + 100


def test_a_caption_of_one_endless_word_stays_in_its_cell():
    sheet = contact_sheet([[Cell(flat(9, 9, RED), "x" * 99), Cell(flat(9, 9, BLUE), "")]], cell_px=100)
    left, width = box(sheet, RED)[1], 100
    below = sheet[box(sheet, RED)[0] + 100 :]
    ink = np.flatnonzero((below < 200).any(axis=(0, 2)))
    assert ink.min() >= left and ink.max() < left + width


def test_titles_notes_and_footer_each_take_their_room():
    cell = Cell(flat(9, 9, RED), "a")
    plain = contact_sheet([[cell]], cell_px=100).shape[0]
    assert contact_sheet([[cell]], cell_px=100, title="t").shape[0] > plain
    assert contact_sheet([[cell]], cell_px=100, row_titles=["r"]).shape[0] > plain
    assert contact_sheet([[Cell(cell.picture, "a", "note")]], cell_px=100).shape[0] > plain
    assert contact_sheet([[cell]], cell_px=100, footer=flat(30, 50, BLUE)).shape[0] > plain + 30


def test_rows_may_differ_in_length():
    cell = Cell(flat(9, 9, RED), "a")
    assert contact_sheet([[cell], [cell, cell, cell]], cell_px=64).shape[1] > 3 * 64


@pytest.mark.parametrize("rows", [[], [[]]])
def test_a_sheet_without_pictures_is_refused(rows):
    with pytest.raises(InputError, match="no pictures"):
        contact_sheet(rows)


def test_row_titles_that_do_not_match_the_rows_are_refused():
    with pytest.raises(InputError, match="1 rows but 2 row titles"):
        contact_sheet([[Cell(flat(9, 9, RED), "a")]], row_titles=["a", "b"])


def test_a_float_picture_is_refused():
    with pytest.raises(InputError, match="float64"):
        contact_sheet([[Cell(np.zeros((9, 9, 3)), "a")]])  # pyright: ignore[reportArgumentType]


def test_cells_too_small_for_a_caption_are_refused():
    with pytest.raises(InputError, match="too small"):
        contact_sheet([[Cell(flat(9, 9, RED), "a")]], cell_px=10)

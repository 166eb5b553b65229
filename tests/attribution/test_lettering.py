"""Text in pictures is wrapped, never cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.attribution.lettering import INK, beside, font, line_height, stack, text_block, wrap
from inpaint_lens.imaging.errors import InputError
from PIL import Image, ImageDraw

texts = st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0x24F), max_size=80)


@given(texts, st.integers(40, 300))
def test_wrapping_keeps_every_letter_and_the_width(text, width):
    face = font(12)
    lines = wrap(text, width, face)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(face.getlength(line) <= width or len(line) == 1 for line in lines)


def test_words_are_broken_only_where_they_do_not_fit_alone():
    assert wrap("one two", 60, font(12)) == ["one two"]
    assert wrap("one two", 40, font(12)) == ["one", "two"]
    assert len(wrap("onetwothreefour", 40, font(12))) > 1


def test_line_feeds_are_kept():
    assert wrap("a\nb", 200, font(12)) == ["a", "b"]


def test_a_block_grows_with_its_text_and_an_empty_one_takes_no_room():
    assert text_block("", 100, 12).shape == (0, 100, 3)
    assert text_block("word " * 20, 100, 12).shape[0] > 3 * text_block("word", 100, 12).shape[0]


@given(st.integers(8, 200), st.booleans())
def test_a_line_has_room_for_accents_and_descenders(size, bold):
    assert sum(font(size, bold=bold).getmetrics()) <= line_height(size)


def test_a_block_holds_all_the_ink_of_its_text():
    picture = Image.new("L", (300, 100), 255)
    ImageDraw.Draw(picture).text((20, 20), "jÅÉŰ gpqy|f", font=font(14), fill=INK[0])
    ink = (255 - np.array(picture)).sum()
    assert (255 - text_block("jÅÉŰ gpqy|f", 200, 14, colour=(INK[0], INK[0], INK[0]))[..., 0]).sum() == ink


def test_a_column_narrower_than_a_letter_is_refused():
    with pytest.raises(InputError, match="does not fit"):
        text_block("W", 5, 40)


def test_blocks_are_set_on_white_with_gaps():
    black = np.zeros((2, 3, 3), dtype=np.uint8)
    assert stack([black, black[:, :1]], gap=4).shape == (8, 3, 3)
    assert beside([black, black[:1]], gap=4).shape == (2, 10, 3)
    assert (stack([black, black], gap=4)[2:6] == 255).all()

import numpy as np
import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.guide import drawn_lines


@pytest.fixture
def lines():
    lines = np.zeros((20, 30), bool)
    lines[5, 3:20] = True
    return lines


@pytest.mark.parametrize("dark", [True, False])
def test_dark_strokes_on_white_and_white_strokes_on_black_are_the_same_lines(lines, dark):
    drawing = np.where(lines, 0, 255) if dark else np.where(lines, 255, 0)
    assert np.array_equal(drawn_lines(drawing.astype(np.uint8), (20, 30)), lines)


def test_a_guide_of_another_size_is_refused_by_its_name(lines):
    with pytest.raises(InputError, match="The guide is 30 x 20"):
        drawn_lines(lines, (21, 30))


def test_an_empty_guide_is_refused(lines):
    with pytest.raises(InputError, match="The guide is empty"):
        drawn_lines(np.full((20, 30), 255, np.uint8), (20, 30))

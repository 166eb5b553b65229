import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.imaging.box import Box

COORDINATE = st.integers(-20, 40)
LENGTH = st.integers(1, 25)
BOXES = st.builds(Box, COORDINATE, COORDINATE, LENGTH, LENGTH)
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def pixels(box: Box) -> set[tuple[int, int]]:
    return {(y, x) for y in range(box.top, box.bottom) for x in range(box.left, box.right)}


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_around_is_the_smallest_box_that_holds_the_mask(height, width, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width)))
    mask = mask.reshape(height, width)
    box = Box.around(mask)
    rows, columns = np.nonzero(mask)
    if not rows.size:
        assert box == Box(0, 0, 0, 0)
    else:
        assert (box.top, box.bottom) == (rows.min(), rows.max() + 1)
        assert (box.left, box.right) == (columns.min(), columns.max() + 1)


@given(BOXES, SIZES)
def test_clamp_keeps_exactly_the_pixels_inside_the_picture(box, size):
    assert pixels(box.clamp(size)) == pixels(box) & pixels(Box.whole(size))


@given(BOXES, BOXES)
def test_union_contains_both(a, b):
    union = a.union(b)
    assert union.contains(a)
    assert union.contains(b)
    assert union == b.union(a)


@given(BOXES, BOXES)
def test_boxes_touch_where_one_grown_by_a_pixel_overlaps_the_other(a, b):
    assert a.touches(b) == b.touches(a) == bool(pixels(a.pad(1)) & pixels(b))


@given(BOXES, BOXES)
def test_contains_says_that_no_pixel_lies_outside(a, b):
    assert a.contains(b) == (pixels(b) <= pixels(a))


def test_relative_to_counts_from_the_other_corner():
    assert Box(10, 20, 3, 4).relative_to(Box(8, 15, 9, 9)) == Box(2, 5, 3, 4)


@given(BOXES, SIZES, st.integers(1, 60), st.integers(1, 60))
def test_a_grown_box_lies_inside_the_picture_and_is_as_large_as_the_picture_allows(box, size, height, width):
    box = box.clamp(size)
    if 0 in box.size:
        return
    grown = box.grow_to((height, width), size)
    assert Box.whole(size).contains(grown)
    assert grown.contains(box)
    assert grown.size == (min(size[0], max(box.height, height)), min(size[1], max(box.width, width)))


@pytest.mark.parametrize(("top", "expected"), [(0, 0), (45, 40), (90, 80)])
def test_a_box_grows_around_its_middle_and_is_shifted_at_the_border(top, expected):
    assert Box(top, 0, 10, 10).grow_to((20, 10), (100, 10)).top == expected

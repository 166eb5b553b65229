import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.attribution.provenance import (
    Arrow,
    arrows,
    contributions,
    draw_arrows,
    matching_colours,
    source_region,
)
from inpaint_lens.backends.exemplar.provenance import Provenance
from inpaint_lens.imaging.errors import InputError

SIZE = 30, 40


def box(top, left, height, width):
    drawn = np.zeros(SIZE, bool)
    drawn[top : top + height, left : left + width] = True
    return drawn


def copied(pieces):
    """A fill of pieces (mask of the target, rows down and columns right to its source)."""
    shift = np.zeros(SIZE, np.int64)
    for mask, down, right in pieces:
        shift[mask] = down * SIZE[1] + right
    targets = np.flatnonzero(shift)
    sources = targets + shift.reshape(-1)[targets]
    return Provenance(SIZE, targets, sources[:, None], np.ones((targets.size, 1), np.float32))


TWO = [(box(10, 10, 6, 5), 0, 20), (box(10, 15, 6, 4), 12, -10)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_the_map_sums_to_the_number_of_filled_pixels_and_is_zero_elsewhere(seed, sources):
    rng = np.random.default_rng(seed)
    hole = rng.random(SIZE) < 0.2
    targets = np.flatnonzero(hole)
    weights = rng.random((targets.size, sources)).astype(np.float32) + 0.01
    found = Provenance(
        SIZE,
        targets,
        rng.choice(np.flatnonzero(~hole), (targets.size, sources)),
        weights / weights.sum(1, keepdims=True),
    )
    values = contributions(found)
    assert values.sum(dtype=np.float64) == pytest.approx(targets.size, rel=1e-5)
    assert values.min() >= 0 and not values[hole].any()


def test_only_the_target_counts():
    values = contributions(copied(TWO), box(0, 0, 30, 15))
    np.testing.assert_array_equal(values > 0, box(10, 30, 6, 5))
    assert values.sum() == 30


def test_the_region_is_where_most_was_copied_from():
    np.testing.assert_array_equal(source_region(copied(TWO), box(0, 15, 30, 10), 1.0), box(22, 5, 6, 4))


def test_source_and_fill_have_the_same_colour():
    found = copied(TWO)
    drawn = matching_colours(found)
    flat = drawn.reshape(-1, 4)
    np.testing.assert_array_equal(flat[found.targets], flat[found.sources[:, 0]])
    shown = np.zeros(SIZE, bool)
    shown.reshape(-1)[np.union1d(found.targets, found.sources)] = True
    np.testing.assert_array_equal(drawn[..., 3] == 255, shown)
    assert (drawn[..., 3][~shown] == 0).all()
    places = flat[np.unique(found.sources), :3]
    assert len(np.unique(places, axis=0)) == len(places)


def test_each_piece_is_an_arrow_and_the_largest_comes_first():
    first, second = arrows(copied(TWO))
    assert (first.share, second.share) == pytest.approx((30 / 54, 24 / 54))
    assert np.subtract(first.source, first.target).tolist() == [0, 20]
    assert np.subtract(second.source, second.target).tolist() == [12, -10]
    assert TWO[0][0][first.target] and TWO[1][0][second.target]


def test_pieces_that_do_not_touch_are_two_even_with_the_same_offset():
    apart = [(box(4, 4, 3, 3), 0, 20), (box(14, 4, 3, 3), 0, 20)]
    assert len(arrows(copied(apart))) == 2
    assert len(arrows(copied(apart), most=1)) == 1


def test_arrows_reach_from_source_to_fill_and_leave_the_rest_clear():
    drawn = draw_arrows((Arrow((5, 5), (5, 30), 1.0),), SIZE)
    assert drawn.shape == (*SIZE, 4) and drawn.dtype == np.uint8
    assert drawn[5, 5, 3] == drawn[5, 30, 3] == 255
    assert (drawn[5, 10, :3] == 255).all()
    assert not drawn[15:, :, 3].any()


def test_a_target_outside_of_the_fill_is_refused():
    with pytest.raises(InputError, match="Nothing was filled"):
        contributions(copied(TWO), box(0, 0, 3, 3))
    with pytest.raises(InputError, match="same size"):
        contributions(copied(TWO), np.ones((3, 3), bool))

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from inpaint_lens.attribution.region import (
    diffusion,
    direction,
    filled_part,
    gini,
    mass_by_distance,
    smallest_region,
    window_around,
)
from inpaint_lens.imaging.errors import InputError
from scipy import ndimage

MAPS = arrays(np.float64, (5, 6), elements=st.integers(0, 8).map(float))


@settings(max_examples=60, deadline=None)
@given(MAPS, st.floats(0.01, 1.0))
def test_region_is_the_smallest_set_that_holds_the_share(magnitude, share):
    region = smallest_region(magnitude, share)
    needed = share * magnitude.sum()
    if not magnitude.any():
        assert not region.any()
        return
    assert magnitude[region].sum() >= needed - 1e-9
    # No set of one pixel fewer can: not even that of the largest values.
    assert np.sort(magnitude.ravel())[::-1][: region.sum() - 1].sum() < needed + 1e-9


def test_ties_go_to_the_first_pixels():
    assert smallest_region(np.ones((2, 4)), 0.5).tolist() == [[True] * 4, [False] * 4]


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_share_out_of_range_is_told(share):
    with pytest.raises(InputError, match="above 0"):
        smallest_region(np.ones((2, 2)), share)


def test_gini_of_equal_values_is_zero():
    assert gini(np.full((4, 5), 0.3)) == pytest.approx(0, abs=1e-12)


def test_gini_of_a_single_pixel_is_all_but_one_part():
    alone = np.zeros(20)
    alone[7] = 3
    assert gini(alone) == pytest.approx(19 / 20)


def test_gini_of_nothing_is_zero():
    assert gini(np.zeros((3, 3))) == 0


@settings(max_examples=40, deadline=None)
@given(MAPS)
def test_gini_is_half_the_mean_difference_by_the_mean(values):
    if values.any():
        differences = np.abs(values.ravel()[:, None] - values.ravel()[None]).mean()
        assert gini(values) == pytest.approx(differences / (2 * values.mean()), abs=1e-9)


def test_diffusion_index_over_the_window_does_not_change_with_the_canvas():
    small, target = np.random.default_rng(0).random((40, 40)), np.zeros((40, 40), bool)
    target[18:22, 18:22] = True
    around = ((30, 50), (20, 40))
    one, other = diffusion(small, target, 16), diffusion(np.pad(small, around), np.pad(target, around), 16)
    assert one.window == other.window and one.whole > 2 * other.whole
    assert other.window_box == (42, 32, 16, 16)


def test_window_stays_in_the_picture():
    target = np.zeros((30, 20), bool)
    target[0, 19] = True
    assert window_around(target, 16) == (0, 4, 16, 16) and window_around(target, 25) == (0, 0, 25, 20)


def test_mass_by_distance_agrees_with_scipy():
    magnitude, hole = np.random.default_rng(0).random((20, 25)), np.zeros((20, 25), bool)
    hole[5:9, 6:12] = True
    magnitude[hole] = 0
    found = mass_by_distance(magnitude, hole)
    exact = ndimage.distance_transform_edt(~hole)
    for distance, share in zip(found.distance_px, found.share, strict=True):
        assert share == pytest.approx(magnitude[exact <= distance + 1e-4].sum() / magnitude.sum())
    assert found.share[-1] == pytest.approx(1) and found.distance_px[0] == 0


def test_distance_that_holds_a_share():
    magnitude, hole = np.zeros((1, 12)), np.zeros((1, 12), bool)
    hole[0, 0] = True
    magnitude[0, [2, 5, 9]] = 1
    assert [mass_by_distance(magnitude, hole).holding(share) for share in (0.3, 0.5, 1.0)] == [2, 5, 9]


def test_excluded_pixels_far_from_the_target_do_not_count_as_hole():
    hole, target = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    hole[1:4, 1:4] = hole[7, 7] = True
    target[2, 2] = True
    assert filled_part(hole, target).sum() == 9


@pytest.mark.parametrize(
    ("at", "words"),
    [((2, 2), "to the upper left"), ((10, 18), "to the right"), ((18, 10), "below"), ((1, 10), "above")],
)
def test_direction_in_words(at, words):
    magnitude, target = np.zeros((21, 21)), np.zeros((21, 21), bool)
    target[10, 10], magnitude[at] = True, 1
    assert direction(magnitude, target) == words


def test_no_direction_where_the_mass_lies_all_around():
    target = np.zeros((21, 21), bool)
    target[10, 10] = True
    assert direction(np.ones((21, 21)), target) is None and direction(np.zeros((21, 21)), target) is None

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inpaint_lens.imaging.box import Box
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.hole import Hole, dilate, feathered, threshold
from scipy import ndimage

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=14))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 127, 128, 255], np.uint8),
        ([0, 0, 1, 1], np.uint8),
        ([0, 127 * 257, 128 * 257, 65535], np.uint16),
        ([0, 0, 1, 1], np.int64),
        ([0.0, 0.49, 0.5, 1.0], np.float32),
        ([False, False, True, True], bool),
    ],
)
def test_a_mask_of_any_kind_is_cut_in_the_middle_of_its_range(values, dtype):
    assert threshold(np.array([values], dtype)).tolist() == [[False, False, True, True]]


def test_a_mask_may_have_a_channel_axis_of_one():
    assert Hole.from_array(np.array([[[255], [0]]], np.uint8)).pixels == 1


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((4, 4), bool), "empty"),
        (np.ones((4, 4), bool), "whole picture"),
        (np.full((4, 4), np.nan), "not numbers"),
        (np.zeros((4, 4, 3), np.uint8), r"\[4, 4, 3\]"),
        (np.zeros((0, 4), np.uint8), r"\[0, 4\]"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused_in_a_sentence(mask, words):
    with pytest.raises(InputError, match=words):
        Hole.from_array(mask)


def test_a_mask_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(InputError, match=r"5 x 4 pixels but the picture is 7 x 6"):
        Hole.from_array(np.eye(4, 5, dtype=bool), (6, 7))


@given(MASKS, st.integers(0, 4))
@settings(max_examples=50)
def test_growing_reaches_no_pixel_farther_away_than_asked_and_all_that_are_nearer(mask, px):
    if not mask.any():
        return
    distance = np.asarray(ndimage.distance_transform_edt(~mask))
    grown = dilate(mask, px)
    assert not grown[distance > px].any()
    assert grown[distance <= px].all()
    assert grown[mask].all()


def test_growing_goes_straight_to_the_full_distance():
    mask = np.zeros((11, 11), bool)
    mask[5, 5] = True
    assert Box.around(dilate(mask, 3)) == Box(2, 2, 7, 7)


def test_growing_changes_nothing_that_the_caller_holds():
    mask = np.eye(5, dtype=bool)
    dilate(mask, 2)[:] = False
    dilate(mask, 0)[:] = False
    assert np.array_equal(mask, np.eye(5, dtype=bool))


def test_a_hole_that_grows_over_everything_is_refused():
    with pytest.raises(InputError, match="whole picture"):
        Hole(np.eye(4, dtype=bool)).grow(10)


@given(MASKS, st.integers(0, 5))
@settings(max_examples=50)
def test_a_feather_is_one_in_the_hole_and_zero_from_its_width_on(mask, px):
    if not mask.any():
        return
    weight = feathered(mask, px)
    distance = np.asarray(ndimage.distance_transform_edt(~mask))
    assert weight.dtype == np.float32
    assert (weight[mask] == 1).all()
    assert (weight[distance >= px + 1] == 0).all()
    if px:
        assert ((weight > 0) & (weight < 1))[(distance > 0) & (distance <= px)].all()


def test_a_feather_falls_with_every_pixel():
    mask = np.zeros((1, 12), bool)
    mask[0, 0] = True
    weight = feathered(mask, 6)[0]
    assert (np.diff(weight[:8]) < 0).all()


def test_groups_are_the_parts_that_touch_even_at_a_corner():
    mask = np.zeros((8, 9), bool)
    mask[0, 0] = mask[1, 1] = mask[6, 7] = True
    assert Hole(mask).groups() == [Box(0, 0, 2, 2), Box(6, 7, 1, 1)]


@given(MASKS)
@settings(max_examples=50)
def test_every_pixel_of_a_hole_lies_in_a_group(mask):
    if not mask.any() or mask.all():
        return
    covered = np.zeros_like(mask)
    for box in Hole(mask).groups():
        covered[box.slices] = True
    _, count = ndimage.label(mask, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    assert covered[mask].all()
    assert len(Hole(mask).groups()) == count

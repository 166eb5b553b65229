"""Mask sets: each hides what it says, the same for each backend."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.evaluation.mask_sets import BANDS, GROUPS, MASK_SETS, MaskFolder, mask_sets
from inpaint_lens.imaging.errors import InputError
from PIL import Image


def hole(name, picture="a.png", side=256, seed=0):
    return MASK_SETS[name].hole(picture, side, seed)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(MASK_SETS)), st.integers(32, 200), st.integers(0, 2**32))
def test_every_set_hides_some_pixels_and_leaves_some_at_any_size(name, side, seed):
    mask = hole(name, side=side, seed=seed)
    assert mask.shape == (side, side) and mask.dtype == np.bool_
    assert 0 < mask.mean() < 1


@pytest.mark.parametrize("name", MASK_SETS)
def test_the_same_picture_and_seed_give_the_same_hole(name):
    assert np.array_equal(hole(name), hole(name))


@pytest.mark.parametrize("name", ["random", "wide", "narrow", "irregular-20-30"])
def test_another_picture_or_another_seed_gives_another_hole(name):
    first = hole(name)
    assert not np.array_equal(first, hole(name, picture="b.png"))
    assert not np.array_equal(first, hole(name, seed=1))


def test_holes_are_the_same_on_every_machine():
    assert hole("random").sum() == 12822
    assert np.argwhere(hole("random"))[0].tolist() == [46, 41]


def test_the_centre_square_is_128_of_256_pixels():
    assert np.argwhere(hole("centre")).min(0).tolist() == [64, 64]
    assert np.argwhere(hole("centre")).max(0).tolist() == [191, 191]
    assert hole("centre").sum() == 128 * 128


def test_random_squares_cover_at_most_a_quarter():
    shares = [hole("random", seed=seed).mean() for seed in range(30)]
    assert min(shares) >= 1 / 16 and max(shares) <= 1 / 4


def test_super_resolution_keeps_one_pixel_of_four():
    kept = ~hole("super-resolve")
    assert kept.sum() == 128 * 128 and kept[::2, ::2].all()


def test_alternating_lines_hide_every_second_row():
    mask = hole("alternating-lines")
    assert mask[1::2].all() and not mask[::2].any()


def test_half_hides_the_right_half():
    assert hole("half")[:, 128:].all() and not hole("half")[:, :128].any()


def test_expand_keeps_the_central_64_pixels():
    kept = np.argwhere(~hole("expand"))
    assert len(kept) == 64 * 64
    assert kept.min(0).tolist() == [96, 96] and kept.max(0).tolist() == [159, 159]


@pytest.mark.parametrize("band", BANDS)
def test_irregular_holes_cover_what_their_band_says(band):
    shares = [100 * hole(f"irregular-{band[0]}-{band[1]}", side=128, seed=seed).mean() for seed in range(20)]
    assert max(1, band[0]) <= min(shares) and max(shares) <= band[1]


def test_wide_strokes_are_broader_than_narrow_ones():
    def thickness(name):
        distances = [
            cv2.distanceTransform(hole(name, seed=seed).astype(np.uint8), cv2.DIST_L2, 3) for seed in range(10)
        ]
        return np.mean([distance.max() for distance in distances])

    assert thickness("wide") > 2 * thickness("narrow")


def test_a_group_stands_for_its_sets_and_each_set_is_taken_once():
    names = [one.name for one in mask_sets(["half", "repaint", "irregular"])]
    assert names == ["half", *(one.name for one in GROUPS["repaint"] if one.name != "half"), *(
        one.name for one in GROUPS["irregular"]
    )]  # fmt: skip


def test_a_misspelt_set_is_answered_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'centre'"):
        mask_sets(["center"])


def save(mask, path):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def test_a_folder_gives_a_picture_the_mask_of_its_name(tmp_path):
    for index in range(4):
        mask = np.zeros((64, 64), bool)
        mask[: 8 * (index + 1)] = True
        save(mask, tmp_path / "masks" / f"p{index}.png")
    folder = mask_sets([str(tmp_path / "masks")])[0]
    assert folder.name == "masks"
    assert [folder.hole(f"sub/p{index}.jpg", 64, 0).mean() for index in range(4)] == [1 / 8, 2 / 8, 3 / 8, 4 / 8]
    drawn = {folder.hole(f"other{index}.jpg", 64, 0).mean() for index in range(30)}
    assert drawn == {1 / 8, 2 / 8, 3 / 8, 4 / 8}


def test_a_mask_of_a_folder_is_scaled_to_the_picture(tmp_path):
    mask = np.zeros((96, 96), bool)
    mask[:48] = True
    save(mask, tmp_path / "masks" / "a.png")
    assert np.array_equal(MaskFolder.of(tmp_path / "masks").hole("a", 32, 0), np.arange(32)[:, None] < np.full(32, 16))


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_that_hides_nothing_or_everything_is_refused_by_name(tmp_path, value):
    save(np.full((32, 32), value), tmp_path / "masks" / "a.png")
    with pytest.raises(InputError, match=r"a\.png hides"):
        MaskFolder.of(tmp_path / "masks").hole("a", 32, 0)


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(InputError, match="no mask"):
        mask_sets([str(tmp_path)])

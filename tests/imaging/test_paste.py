import numpy as np
import pytest
from inpaint_lens.imaging.hole import feathered
from inpaint_lens.imaging.paste import blend, match_border


def square_hole(side: int = 64, start: int = 20, stop: int = 44) -> np.ndarray:
    hole = np.zeros((side, side), bool)
    hole[start:stop, start:stop] = True
    return hole


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pixels_without_weight_keep_their_exact_values(dtype):
    rng = np.random.default_rng(0)
    original = rng.random((64, 64, 3)) * (1 if dtype == np.float32 else np.iinfo(dtype).max)
    original = original.astype(dtype)
    before = original.copy()
    weight = feathered(square_hole(), 4)
    result = blend(original, rng.random((64, 64, 3), dtype=np.float32) * 200, weight)
    assert result.dtype == dtype
    assert result[weight == 0].tobytes() == original[weight == 0].tobytes()
    assert np.array_equal(original, before)


def test_a_fill_is_rounded_and_not_cut_off():
    original = np.zeros((1, 2, 1), np.uint8)
    fill = np.array([[[100.6], [100.4]]], np.float32)
    assert blend(original, fill, np.ones((1, 2), np.float32)).ravel().tolist() == [101, 100]


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_fill_beyond_the_range_does_not_wrap_around(dtype, top):
    fill = np.array([[[-9.0], [top + 9.0]]], np.float32)
    assert blend(np.zeros((1, 2, 1), dtype), fill, np.ones((1, 2), np.float32)).ravel().tolist() == [0, top]


def test_half_the_weight_gives_the_mean():
    mixed = blend(np.full((1, 1, 3), 100, np.uint8), np.full((1, 1, 3), 200, np.float32), np.full((1, 1), 0.5, "f4"))
    assert mixed.ravel().tolist() == [150] * 3


def test_matching_the_border_moves_a_constant_offset_away():
    hole = square_hole()
    y, x = np.mgrid[:64, :64] / 64
    true = np.stack([0.3 + 0.2 * y, 0.4 + 0.1 * x, 0.5 + 0 * x], 2).astype(np.float32)
    shifted = match_border(true + np.float32(0.1), np.where(hole[..., None], 9, true).astype(np.float32), hole)
    assert np.abs(shifted - true)[hole].max() < 0.02


def test_matching_the_border_leaves_a_true_fill_alone_and_the_input_too():
    hole = square_hole()
    fill = np.full((64, 64, 3), 0.5, np.float32)
    assert np.abs(match_border(fill, fill, hole) - fill).max() < 1e-5
    match_border(fill, fill * 0.5, hole)
    assert (fill == 0.5).all()


def test_matching_the_border_never_looks_at_hidden_pixels():
    hole, known = square_hole(), ~square_hole()
    known[:, 44:] = False
    rng = np.random.default_rng(0)
    fill, picture = rng.random((2, 64, 64, 3), dtype=np.float32)
    other = np.where(known[..., None], picture, 1 - picture)
    assert np.array_equal(match_border(fill, picture, hole, known), match_border(fill, other, hole, known))


def test_a_hole_with_nothing_known_around_it_is_not_matched():
    fill = np.full((8, 8, 3), 0.5, np.float32)
    assert np.array_equal(match_border(fill, fill * 0, np.ones((8, 8), bool)), fill)

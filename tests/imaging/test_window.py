import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.imaging.box import Box
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.size_rule import SizeRule
from inpaint_lens.imaging.window import Window, windows_for

RULES = st.builds(
    SizeRule,
    minimum=st.sampled_from([1, 16, 32]),
    multiple_of=st.sampled_from([1, 8]),
    square=st.booleans(),
    largest=st.sampled_from([0, 32, 64]),
) | st.builds(SizeRule, fixed=st.sampled_from([32, 64]))


@st.composite
def holes(draw) -> Hole:
    """Holes of several rectangles, from single pixels to long scratches, in pictures from 1 x 2 pixels on."""
    height, width = draw(st.integers(1, 160)), draw(st.integers(2, 160))
    mask = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(1, 6))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : top + draw(st.sampled_from([1, 3, 30, 160])), left : left + draw(st.sampled_from([1, 3, 30]))] = True
    if mask.all():
        mask[0, 0] = False
    return Hole(mask)


def windows(hole: Hole, rule: SizeRule, context_px: int | None = None) -> list[Window]:
    return windows_for(hole.mask, hole.groups(), rule, context_px)


@given(holes(), RULES, st.sampled_from([None, 0, 5, 40]))
@settings(max_examples=150, deadline=None)
def test_every_pixel_of_the_hole_belongs_to_exactly_one_window(hole, rule, context_px):
    covered = np.zeros(hole.size, int)
    for window in windows(hole, rule, context_px):
        covered[window.core.slices] += 1
        assert window.box.contains(window.core)
    assert (covered[hole.mask] == 1).all()


@given(holes(), RULES, st.sampled_from([None, 0, 40]))
@settings(max_examples=100, deadline=None)
def test_windows_lie_inside_the_picture_and_their_sizes_obey_the_rule(hole, rule, context_px):
    for window in windows(hole, rule, context_px):
        assert Box.whole(hole.size).contains(window.box)
        assert all(small <= large for small, large in zip(window.scaled, window.box.size, strict=True))
        assert all(small <= large for small, large in zip(window.scaled, window.padded, strict=True))
        assert rule.fit(*window.padded) == window.padded
        assert not rule.limit or max(window.scaled) <= rule.limit
        assert window.scaled == window.box.size or max(window.box.size) > rule.limit


def test_parts_whose_windows_touch_share_one_window():
    mask = np.zeros((300, 900), bool)
    mask[100:110, 100:110] = mask[100:110, 300:310] = True
    assert len(windows(Hole(mask), SizeRule())) == 1


def test_parts_far_apart_have_windows_of_their_own():
    mask = np.zeros((300, 2000), bool)
    mask[100:110, 100:110] = mask[100:110, 1800:1810] = True
    assert len(windows(Hole(mask), SizeRule())) == 2


@pytest.mark.parametrize("rule", [SizeRule(minimum=32, multiple_of=8, largest=512), SizeRule(fixed=512), SizeRule()])
def test_hundreds_of_specks_need_few_windows(rule):
    mask = np.zeros((1200, 1200), bool)
    mask[25::50, 25::50] = True
    found = windows(Hole(mask), rule)
    assert len(Hole(mask).groups()) == 576
    assert len(found) <= 36
    assert all(window.scaled == window.box.size for window in found)


def test_a_long_thin_scratch_is_tiled_at_full_resolution():
    mask = np.zeros((300, 1500), bool)
    mask[150:153, 20:1480] = True
    found = windows(Hole(mask), SizeRule(multiple_of=8, largest=256))
    assert all(window.factor == 1 for window in found)
    assert len(found) > 4


def test_a_large_thick_hole_is_scaled_to_one_window():
    mask = np.zeros((900, 900), bool)
    mask[200:700, 200:700] = True
    (window,) = windows(Hole(mask), SizeRule(multiple_of=8, largest=256))
    assert max(window.scaled) == 256
    assert window.factor < 1


def test_a_small_hole_sees_surroundings_of_a_decent_size():
    mask = np.zeros((600, 600), bool)
    mask[0, 0] = True
    (window,) = windows(Hole(mask), SizeRule())
    assert window.box == Box(0, 0, 256, 256)


def random_crop(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((*size, 3), dtype=np.float32)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 16]))
@settings(max_examples=40, deadline=None)
def test_without_scaling_a_picture_comes_back_bit_for_bit(height, width, multiple_of):
    window = Window.of(Box(3, 5, height, width), Box(3, 5, 1, 1), SizeRule(minimum=16, multiple_of=multiple_of))
    crop = random_crop((height, width))
    hidden = np.zeros((height, width), bool)
    hidden[0, 0] = True
    there = window.image_to_model(crop, hidden)
    assert there.shape[:2] == window.padded
    assert np.array_equal(window.image_from_model(there), crop)
    assert np.array_equal(window.map_from_model(there[..., 0]), crop[..., 0])


@given(st.integers(1, 30), st.integers(1, 30), st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_hidden_never_shows_in_the_padding(height, width, data):
    window = Window.of(Box(0, 0, height, width), Box(0, 0, 1, 1), SizeRule(minimum=32, multiple_of=8))
    hidden = np.random.default_rng(data.draw(st.integers(0, 99))).random((height, width)) < data.draw(
        st.sampled_from([0.2, 0.9, 1.0])
    )
    crop, other = random_crop((height, width)), random_crop((height, width))
    other[hidden] = 1 - other[hidden]
    padding = np.ones(window.padded, bool)
    padding[:height, :width] = False
    assert np.array_equal(window.image_to_model(crop, hidden)[padding], window.image_to_model(other, hidden)[padding])


def test_the_padding_of_a_mask_is_not_hole():
    window = Window.of(Box(0, 0, 20, 20), Box(0, 0, 1, 1), SizeRule(multiple_of=32))
    padded = window.mask_to_model(np.ones((20, 20), bool))
    assert padded.shape == (32, 32)
    assert padded.sum() == 400


@given(st.integers(33, 200), st.integers(33, 200), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_a_scaled_mask_covers_every_model_pixel_that_mixes_in_a_hidden_one(height, width, seed):
    window = Window.of(Box(0, 0, height, width), Box(0, 0, 1, 1), SizeRule(largest=32))
    hidden = np.random.default_rng(seed).random((height, width)) < 0.01
    crop, other = random_crop((height, width)), random_crop((height, width))
    other[hidden] += 1
    known = ~window.mask_to_model(hidden)
    assert np.array_equal(window.image_to_model(crop, hidden)[known], window.image_to_model(other, hidden)[known])


@given(st.integers(33, 150), st.integers(33, 150), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_a_map_keeps_its_sum_and_its_zeros_when_it_is_enlarged(height, width, seed):
    window = Window.of(Box(0, 0, height, width), Box(0, 0, 1, 1), SizeRule(largest=32, multiple_of=8))
    rng = np.random.default_rng(seed)
    values = rng.normal(size=window.padded).astype(np.float32)
    values[window.scaled[0] :] = values[:, window.scaled[1] :] = 0
    values[5:, 5:] = 0
    back = window.map_from_model(values)
    assert back.shape == (height, width)
    assert back.sum(dtype=np.float64) == pytest.approx(values.sum(dtype=np.float64), abs=1e-4)
    assert np.abs(back).sum(dtype=np.float64) <= np.abs(values).sum(dtype=np.float64) + 1e-4
    assert not back[-(-5 * height // window.scaled[0]) :, -(-5 * width // window.scaled[1]) :].any()


def test_a_map_that_adds_up_to_nothing_is_not_blown_up():
    window = Window.of(Box(0, 0, 96, 96), Box(0, 0, 1, 1), SizeRule(largest=32))
    values = np.zeros((32, 32), np.float32)
    values[3, 0], values[7, 9] = 1, -1 + 1e-6
    assert np.abs(window.map_from_model(values)).max() <= 1 / 9 + 1e-6


def test_the_callers_crop_is_never_written_to():
    crop, hidden = random_crop((40, 40)), np.zeros((40, 40), bool)
    hidden[:10, :10] = True
    before = crop.copy()
    for rule in (SizeRule(), SizeRule(multiple_of=32), SizeRule(largest=16)):
        window = Window.of(Box(0, 0, 40, 40), Box(0, 0, 1, 1), rule)
        window.image_to_model(crop, hidden)
        window.image_from_model(window.image_to_model(crop, hidden))
    assert np.array_equal(crop, before)

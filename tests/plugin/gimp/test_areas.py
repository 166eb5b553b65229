"""`Box` and `Area`: masks in plain Python, against NumPy and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from inpaint_lens.imaging.box import Box as Window
from inpaint_lens.imaging.size_rule import SizeRule
from inpaint_lens.imaging.window import windows_for
from inpaint_lens.plugin.gimp.lens.areas import Area, Box, crop_around

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MASKS = arrays(np.uint8, SIDES, elements=st.sampled_from([0, 0, 0, 1, 127, 128, 255]))
HARD = arrays(np.uint8, (9, 7), elements=st.sampled_from([0, 0, 255]))
SHEET = Box(-3, 4, 7, 9)


def area_of(mask: np.ndarray, x: int = -3, y: int = 4) -> Area | None:
    return Area.of(Box(x, y, mask.shape[1], mask.shape[0]), mask.tobytes())


def seen(area: Area | None, box: Box = SHEET) -> np.ndarray:
    if area is None:
        return np.zeros((box.height, box.width), np.uint8)
    return np.frombuffer(area.on(box), np.uint8).reshape(box.height, box.width)


@given(MASKS)
def test_an_area_is_as_small_as_it_can_be_and_loses_nothing(mask):
    area = area_of(mask)
    assert (area is None) == (not mask.any())
    if area is not None:
        rows, columns = np.nonzero(mask)
        left, top, right, bottom = (int(edge) for edge in (columns.min(), rows.min(), columns.max(), rows.max()))
        assert area.box == Box(left - 3, top + 4, right - left + 1, bottom - top + 1)
        np.testing.assert_array_equal(seen(area, Box(-3, 4, mask.shape[1], mask.shape[0])), mask)


@given(MASKS, st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 20), st.integers(1, 20)))
def test_an_area_can_be_seen_in_any_box(mask, numbers):
    area, box = area_of(mask), Box(*numbers)
    sheet = np.zeros((80, 80), np.uint8)
    sheet[24 : 24 + mask.shape[0], 17 : 17 + mask.shape[1]] = mask
    want = sheet[20 + box.y : 20 + box.bottom, 20 + box.x : 20 + box.right]
    np.testing.assert_array_equal(seen(area, box), want)


@given(HARD, HARD)
def test_areas_are_joined_common_and_without_each_other_pixel_by_pixel(one, other):
    first, second = area_of(one), area_of(other)
    if first is None or second is None:
        return
    np.testing.assert_array_equal(seen(first.joined(second)), one | other)
    np.testing.assert_array_equal(seen(first.common(second)), one & other)
    np.testing.assert_array_equal(seen(first.without(second)), one & ~other)


@given(MASKS)
def test_an_area_is_made_hard_or_halved_by_value(mask):
    area, box = area_of(mask), Box(-3, 4, mask.shape[1], mask.shape[0])
    if area is not None:
        np.testing.assert_array_equal(seen(area.hard, box), np.where(mask > 0, 255, 0))
        np.testing.assert_array_equal(seen(area.halved, box), np.where(mask >= 128, 255, 0))
        assert area.blended == bool(((mask > 0) & (mask < 255)).any())


@given(MASKS)
def test_an_area_survives_json(mask):
    area = area_of(mask)
    if area is not None:
        assert Area.from_json(area.to_json()) == area


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"box": [0, 0, 2, 2]},
        {"box": [0, 0, 2, 2], "values": "no base64!"},
        {"box": [0, 0, 2, 2], "values": "AAAA"},
        {"box": [0, 0, 0, 2], "values": ""},
        {"box": [0, 0, 100000, 100000], "values": ""},
        {"box": [0, 0, 3, 3], "values": Area(Box(0, 0, 2, 2), b"\1\2\3\4").to_json()["values"]},
        {"box": [0, 0], "values": ""},
        {"box": None, "values": ""},
    ],
)
def test_what_is_no_area_is_refused(facts):
    with pytest.raises((ValueError, KeyError, TypeError)):
        Area.from_json(facts)


@given(MASKS)
def test_the_middle_of_an_area_lies_in_it(mask):
    area = area_of(mask)
    if area is not None:
        x, y = area.middle()
        assert mask[y - 4, x + 3]


def ellipse(blur_px: int = 0, smooth: bool = False) -> np.ndarray:
    drawn = np.zeros((120, 160), np.uint8)
    cv2.ellipse(drawn, (80, 60), (50, 33), 20, 0, 360, 255, -1, cv2.LINE_AA if smooth else cv2.LINE_8)
    return cv2.GaussianBlur(drawn, (0, 0), blur_px / 2) if blur_px else drawn


def test_only_a_border_over_several_pixels_counts_as_feathered():
    plain, smooth, soft = (area_of(mask) for mask in (ellipse(), ellipse(smooth=True), ellipse(6)))
    assert plain and smooth and soft
    assert (plain.blended, smooth.blended, soft.blended) == (False, True, True)
    assert (plain.feathered, smooth.feathered, soft.feathered) == (False, False, True)


@pytest.mark.parametrize("context_px", [-1, 0, 300, 2000])
@pytest.mark.parametrize("feather_px", [0, 40])
@pytest.mark.parametrize("hole", [(0, 0, 40, 30), (6000, 10, 30, 500), (2500, 2000, 700, 90), (7960, 5980, 40, 20)])
@pytest.mark.parametrize("rule", [SizeRule(), SizeRule(multiple_of=8, square=True), SizeRule(fixed=512)])
def test_a_crop_holds_every_window_and_gives_the_same_ones(context_px, feather_px, hole, rule):
    left, top, width, height = hole
    soft = Window(top, left, height, width).pad(feather_px).clamp((6000, 8000))
    context = None if context_px < 0 else context_px
    mask = np.zeros((6000, 8000), bool)
    mask[soft.slices] = True
    whole = windows_for(mask, [soft], rule, context)
    x, y, *size = crop_around(Box(*hole), feather_px, context_px, 8000, 6000)
    crop = Window(y, x, size[1], size[0])
    part = windows_for(mask[crop.slices], [soft.relative_to(crop)], rule, context)
    placed = [window.box.relative_to(Window(-y, -x, 0, 0)) for window in part]
    assert placed == [window.box for window in whole]
    assert [window.padded for window in part] == [window.padded for window in whole]

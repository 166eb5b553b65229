"""Colour scale, colours, overlay, outlines and the finished figure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from inpaint_lens.attribution import heatmap
from inpaint_lens.attribution.heatmap import Mark, Scale
from inpaint_lens.attribution.lettering import line_height
from inpaint_lens.attribution.outlines import HOLE_COLOUR, REGION_COLOUR, SHADOW, TARGET_COLOUR
from inpaint_lens.imaging.errors import InputError

masks = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))
maps = arrays(np.float64, (5, 7), elements=st.floats(allow_nan=True, allow_infinity=True))
limits = st.floats(min_value=0, max_value=1e300)


def grey(height=40, width=50, level=120):
    return np.full((height, width, 3), level, dtype=np.uint8)


def square(height=40, width=50):
    mask = np.zeros((height, width), dtype=bool)
    mask[10:25, 15:35] = True
    return mask


def luminance(rgb):
    linear = (rgb / 255.0) ** 2.2
    return linear @ [0.2126, 0.7152, 0.0722]


def test_a_few_extreme_pixels_do_not_set_the_limit():
    attribution = np.ones((100, 100))
    attribution[0, :10] = 1e6
    assert Scale.of(attribution).limit == 1


def test_a_map_that_is_zero_nearly_everywhere_gets_its_largest_value_as_limit():
    attribution = np.zeros((100, 100))
    attribution[3, 4] = -7
    assert Scale.of(attribution).limit == 7


def test_a_shared_scale_has_the_limit_of_the_strongest_map():
    weak, strong = np.full((8, 8), 0.1), np.full((30, 20), -3.0)
    assert Scale.shared([weak, strong], signed=True) == Scale(3.0, signed=True)


def test_values_that_are_not_finite_are_left_out_of_the_limit():
    assert Scale.of(np.array([[np.nan, np.inf, 2.0]])).limit == pytest.approx(2.0)


@pytest.mark.parametrize("limit", [-1.0, np.nan, np.inf])
def test_a_limit_that_is_negative_or_not_finite_is_refused(limit):
    with pytest.raises(InputError, match="finite number that is at least 0"):
        Scale(limit)


def test_a_shared_scale_of_no_maps_is_refused():
    with pytest.raises(InputError, match="at least one attribution map"):
        Scale.shared([])


@given(maps, limits, st.booleans())
def test_normalised_values_are_finite_and_within_the_limits_for_any_map(attribution, limit, signed):
    share = Scale(limit, signed).normalise(attribution)
    assert ((share >= (-1 if signed else 0)) & (share <= 1)).all()


def test_a_map_with_channels_is_refused():
    with pytest.raises(InputError, match="channels summed"):
        heatmap.colourise(np.zeros((4, 4, 3)), Scale(1))


def test_colours_grow_brighter_with_every_step_of_an_absolute_map():
    ramp = np.linspace(0, 1, 64)[None]
    assert (np.diff(luminance(heatmap.colourise(ramp, Scale(1))[0])) > 0).all()


def test_an_absolute_map_has_the_same_colours_for_both_signs():
    values = np.array([[0.3, 0.8]])
    assert np.array_equal(heatmap.colourise(values, Scale(1)), heatmap.colourise(-values, Scale(1)))


def test_signed_colours_are_blue_below_zero_and_yellow_above():
    ((below, above),) = heatmap.colourise(np.array([[-1.0, 1.0]]), Scale(1, signed=True)).astype(int)
    assert below[2] > below[0] + 50
    assert above[0] > above[2] + 50


def test_equal_magnitudes_of_both_signs_are_about_equally_bright():
    ((below, above),) = heatmap.colourise(np.array([[-1.0, 1.0]]), Scale(1, signed=True))
    assert luminance(below) == pytest.approx(luminance(above), rel=0.25)


def test_values_beyond_the_limit_look_like_the_limit():
    assert np.array_equal(
        heatmap.heat_rgba(np.array([[5.0]]), Scale(1)), heatmap.heat_rgba(np.array([[1.0]]), Scale(1))
    )


def test_the_layer_is_transparent_at_zero_and_opaque_at_the_limit():
    alpha = heatmap.heat_rgba(np.array([[0.0, np.nan, 1.0, -1.0]]), Scale(1, signed=True))[..., 3]
    assert alpha.tolist() == [[0, 0, 255, 255]]


@given(st.floats(0, 2), st.floats(0, 2), st.booleans())
def test_opacity_never_falls_as_the_magnitude_grows(one, other, signed):
    small, large = sorted([one, other])
    alpha = heatmap.heat_rgba(np.array([[small, -large]]), Scale(1, signed))[0, :, 3]
    assert alpha[0] <= alpha[1]


def test_a_map_of_zeros_leaves_the_picture_as_it_is():
    zeros = np.zeros((40, 50))
    rgba = heatmap.heat_rgba(zeros, Scale.of(zeros))
    assert np.array_equal(heatmap.overlay(grey(), rgba), grey())


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.floats(0, 1))
def test_the_overlay_is_the_rounded_blend(below, above, alpha, opacity):
    rgba = np.array([[[above, above, above, alpha]]], dtype=np.uint8)
    share = round(alpha * opacity) / 255
    expected = below * (1 - share) + above * share
    assert abs(int(heatmap.overlay(grey(1, 1, below), rgba, opacity)[0, 0, 0]) - expected) <= 0.5 + 1e-9


def test_the_overlay_does_not_change_the_callers_picture():
    picture = grey()
    heatmap.overlay(picture, np.full((40, 50, 4), 255, dtype=np.uint8))
    assert np.array_equal(picture, grey())


def test_an_overlay_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(InputError, match=r"\(40, 49, 4\).*50 × 40"):
        heatmap.overlay(grey(), np.zeros((40, 49, 4), dtype=np.uint8))


def test_an_opacity_above_one_is_refused():
    with pytest.raises(InputError, match="from 0 to 1"):
        heatmap.overlay(grey(), np.zeros((40, 50, 4), dtype=np.uint8), 1.5)


@given(masks, st.integers(1, 4))
def test_an_outline_lies_in_its_mask_and_separates_inside_from_outside(mask, width):
    line = heatmap.outline(mask, width)
    inner = np.pad(mask & ~line, 1)
    outside = np.pad(~mask, 1, constant_values=True)
    assert not (line & ~mask).any()
    for axis in (0, 1):
        for step in (-1, 1):
            assert not (inner & np.roll(outside, step, axis)).any()


def test_the_outline_of_a_square_is_a_ring_of_the_given_width():
    inner = np.zeros((40, 50), dtype=bool)
    inner[12:23, 17:33] = True
    assert np.array_equal(heatmap.outline(square(), 2), square() & ~inner)


def test_the_outline_of_a_whole_picture_runs_along_its_edge():
    line = heatmap.outline(np.ones((6, 7), dtype=bool), 1)
    assert line.sum() == 2 * (6 + 7) - 4


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("colour", [HOLE_COLOUR, REGION_COLOUR, TARGET_COLOUR])
def test_one_of_the_two_lines_contrasts_with_any_grey(level, colour):
    behind = luminance(np.array([level] * 3))
    ratios = []
    for line in (colour, SHADOW):
        low, high = sorted([behind, luminance(np.array(line))])
        ratios.append((high + 0.05) / (low + 0.05))
    assert max(ratios) >= 3


def test_drawing_an_outline_changes_nothing_away_from_the_border():
    picture, mask = grey(), square()
    changed = (heatmap.draw_outline(picture, mask, width_px=2) != picture).any(axis=2)
    assert not changed[12:23, 17:33].any()
    assert not changed[:8].any() and not changed[27:].any()
    assert np.array_equal(picture, grey())


def test_outlining_an_empty_mask_draws_nothing():
    assert np.array_equal(heatmap.draw_outline(grey(), np.zeros((40, 50), dtype=bool)), grey())


def test_lines_and_letters_grow_with_the_picture():
    small, large = grey(256, 256), grey(1500, 1500)
    assert heatmap.text_size(small) >= 10
    assert heatmap.text_size(large) > 2 * heatmap.text_size(small)


def test_scattered_pixels_become_one_shape_and_a_stray_one_is_dropped():
    region = np.zeros((200, 200), dtype=bool)
    region[50:100:3, 50:100:3] = True
    region[180, 20] = True
    tidy = heatmap.tidy_region(region)
    assert tidy[55:95, 55:95].all()
    assert not tidy[150:].any()
    assert not tidy[:45].any()


def test_a_region_of_one_pixel_is_kept():
    region = np.zeros((200, 200), dtype=bool)
    region[100, 100] = True
    assert heatmap.tidy_region(region)[100, 100]


@given(masks)
def test_tidying_any_region_keeps_its_shape_and_emptiness(mask):
    tidy = heatmap.tidy_region(mask)
    assert tidy.shape == mask.shape
    assert tidy.any() == mask.any()


def test_a_colour_bar_is_clear_at_zero_and_strongest_at_the_limit():
    bar = heatmap.colour_bar(Scale(2.0), 240, 12)
    middle = line_height(12) + 6
    strongest = heatmap.colourise(np.array([[2.0]]), Scale(2.0))[0, 0].tolist()
    assert bar[middle, 237].tolist() == pytest.approx(strongest, abs=10)
    assert np.ptp(bar[middle, 2].astype(int)) <= 3


def test_the_bar_of_a_zero_scale_says_so_in_words():
    words = heatmap.colour_bar(Scale(0.0), 300, 12)
    assert words.shape[1] == 300
    assert words.min() < 100


def test_the_legend_stays_within_its_width_and_goes_below_where_there_is_no_room():
    marks = [Mark(HOLE_COLOUR, "hole"), Mark(REGION_COLOUR, "half of the influence lies in here, says the map")]
    narrow, wide = (heatmap.legend(Scale(1.0), marks, width, 12) for width in (256, 900))
    assert narrow.shape[1] <= 256
    assert wide.shape[1] <= 900
    assert narrow.shape[0] > wide.shape[0]


def test_a_figure_without_legend_and_title_has_the_size_of_the_picture():
    figure = heatmap.render(grey(), np.zeros((40, 50)), hole=square(), with_legend=False)
    assert figure.shape == (40, 50, 3)


def test_a_figure_shows_each_outline_in_its_colour():
    target = np.zeros((40, 50), dtype=bool)
    target[15:20, 20:28] = True
    region = np.zeros((40, 50), dtype=bool)
    region[28:38, 5:45] = True
    figure = heatmap.render(grey(), np.zeros((40, 50)), hole=square(), region=region, target=target, with_legend=False)
    for colour in (HOLE_COLOUR, TARGET_COLOUR, REGION_COLOUR):
        assert (figure == colour).all(axis=2).any()


def test_a_target_that_is_the_whole_hole_gets_no_outline_of_its_own():
    arguments = {"hole": square(), "with_legend": False}
    one = heatmap.render(grey(), np.zeros((40, 50)), **arguments)
    other = heatmap.render(grey(), np.zeros((40, 50)), target=square(), **arguments)
    assert np.array_equal(one, other)


def test_tidying_does_not_carry_the_region_into_the_hole():
    region = np.zeros((100, 100), dtype=bool)
    region[20:80, 44:48] = region[20:80, 49:56] = True
    hole = np.zeros((100, 100), dtype=bool)
    hole[20:80, 48] = True
    figure = heatmap.render(grey(100, 100), np.zeros((100, 100)), hole=hole, region=region, with_legend=False)
    assert (figure[hole] == HOLE_COLOUR).all()


@pytest.mark.parametrize("side", [1, 3, 16, 256])
@pytest.mark.parametrize("signed", [False, True])
def test_a_figure_is_made_for_pictures_of_any_size(side, signed):
    hole = np.ones((side, side), dtype=bool)
    figure = heatmap.render(grey(side, side), np.ones((side, side)), hole=hole, region=hole, signed=signed, title="a")
    assert figure.dtype == np.uint8
    assert (figure[0] == 255).all()


def test_the_same_map_looks_weaker_on_a_shared_scale():
    attribution = np.full((40, 50), 0.2)
    shared = Scale.shared([attribution, attribution * 5])
    hole = square()
    alone = heatmap.render(grey(), attribution, hole=hole, with_legend=False)[0, 0].astype(int)
    compared = heatmap.render(grey(), attribution, hole=hole, scale=shared, with_legend=False)[0, 0].astype(int)
    assert np.abs(compared - 120).sum() < np.abs(alone - 120).sum()


def test_the_same_call_twice_gives_the_same_bytes():
    attribution = np.random.default_rng(0).normal(size=(40, 50))
    one, other = (heatmap.render(grey(), attribution, hole=square(), title="t") for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_a_hole_of_another_size_is_refused():
    with pytest.raises(InputError, match="hole is bool of shape"):
        heatmap.render(grey(), np.zeros((40, 50)), hole=np.zeros((40, 49), dtype=bool))

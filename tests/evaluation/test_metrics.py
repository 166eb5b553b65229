"""PSNR, SSIM and L1 against closed forms, the papers' equations and scikit-image."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from inpaint_lens.evaluation.metrics import l1, psnr, score, ssim
from inpaint_lens.imaging.errors import InputError

small_pictures = arrays(np.uint8, (12, 13, 3))


def noise(seed=0, height=32, width=40):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def block(height=32, width=40):
    hole = np.zeros((height, width), dtype=bool)
    hole[8:20, 10:30] = True
    return hole


def test_a_constant_offset_gives_the_psnr_of_the_formula():
    original = np.full((16, 16, 3), 100, dtype=np.uint8)
    assert psnr(original + np.uint8(10), original) == pytest.approx(20 * math.log10(255 / 10), abs=1e-5)


def test_the_psnr_of_equal_pictures_is_infinite():
    assert psnr(noise(), noise()) == math.inf


def test_an_error_inside_the_hole_only_is_diluted_over_the_picture():
    original, hole = np.full((32, 40, 3), 100, dtype=np.uint8), block()
    result = original.copy()
    result[hole] += 10
    assert psnr(result, original, hole) == pytest.approx(20 * math.log10(25.5), abs=1e-5)
    assert psnr(result, original) == pytest.approx(20 * math.log10(25.5) - 10 * math.log10(hole.mean()), abs=1e-5)
    assert l1(result, original, hole) == pytest.approx(10 / 255)
    assert l1(result, original) == pytest.approx(10 / 255 * hole.mean())


@pytest.mark.parametrize("measure", [psnr, ssim, l1])
def test_bytes_and_floats_score_alike(measure):
    one, other = noise(0), noise(1)
    assert measure(one / 255.0, (other / 255.0), block()) == pytest.approx(measure(one, other, block()), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(small_pictures, small_pictures)
def test_measures_do_not_depend_on_the_order_of_the_pictures(one, other):
    for measure in (psnr, ssim, l1):
        assert measure(one, other) == pytest.approx(measure(other, one), rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(small_pictures, small_pictures)
def test_ssim_and_l1_stay_in_their_ranges(one, other):
    assert -1 <= ssim(one, other) <= 1 + 2e-3
    assert 0 <= l1(one, other) <= 1
    assert ssim(one, one) == 1


def test_the_ssim_of_two_flat_pictures_is_the_luminance_term():
    dark, light = np.full((16, 16, 3), 0.25), np.full((16, 16, 3), 0.5)
    expected = (2 * 0.25 * 0.5 + 1e-4) / (0.25**2 + 0.5**2 + 1e-4)
    assert ssim(dark, light) == pytest.approx(expected, rel=1e-5)


def test_psnr_and_ssim_agree_with_scikit_image():
    reference = pytest.importorskip("skimage.metrics")
    original = noise()
    result = np.clip(original + np.random.default_rng(1).normal(0, 40, original.shape), 0, 255).astype(np.uint8)
    whole, full = reference.structural_similarity(
        original / 255,
        result / 255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=2,
        full=True,
    )
    inner = np.zeros((32, 40), dtype=bool)
    inner[8:20, 10:30] = True
    assert ssim(result, original) == pytest.approx(whole, abs=1e-6)
    assert ssim(result, original, inner) == pytest.approx(full.mean(axis=2)[inner].mean(), abs=1e-6)
    assert psnr(result, original) == pytest.approx(
        reference.peak_signal_noise_ratio(original, result, data_range=255), abs=1e-5
    )


def test_ssim_is_equation_13_of_the_paper_in_every_window():
    one, other = noise(0, 16, 15) / 255, noise(1, 16, 15) / 255
    offset = np.arange(-5, 6)
    weights = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    weights = (weights / weights.sum())[..., None]
    values = []
    for top in range(16 - 10):
        for left in range(15 - 10):
            x, y = one[top : top + 11, left : left + 11], other[top : top + 11, left : left + 11]
            mean_x, mean_y = (weights * x).sum((0, 1)), (weights * y).sum((0, 1))
            variances = (weights * (x - mean_x) ** 2).sum((0, 1)) + (weights * (y - mean_y) ** 2).sum((0, 1))
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum((0, 1))
            luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
            values.append(luminance * (2 * covariance + 0.03**2) / (variances + 0.03**2))
    assert ssim(one, other) == pytest.approx(np.mean(values), abs=1e-5)


def test_ssim_in_a_hole_at_the_edge_reflects_the_picture():
    one, other = noise(0), noise(1)
    hole = np.zeros((32, 40), dtype=bool)
    hole[:6, :9] = True
    wider, wider_other = (np.pad(picture, ((8, 8), (8, 8), (0, 0)), mode="reflect") for picture in (one, other))
    assert ssim(wider, wider_other, np.pad(hole, 8)) == pytest.approx(ssim(one, other, hole), abs=1e-6)


def test_a_hole_of_everything_scores_like_the_picture():
    hole = np.ones((32, 40), dtype=bool)
    scores = score(noise(0), noise(1), hole)
    assert scores.inside.psnr == scores.whole.psnr
    assert scores.inside.l1 == scores.whole.l1


def test_scores_without_an_lpips_network_say_none_and_fit_into_json():
    scores = score(noise(), noise(), block())
    assert scores.inside.lpips is None
    text = json.dumps(scores.to_dict(), allow_nan=False)
    assert json.loads(text)["whole"] == {"psnr": None, "ssim": pytest.approx(1), "l1": 0, "lpips": None}


def test_scoring_does_not_change_the_callers_pictures():
    result, original, hole = noise(0), noise(1), block()
    score(result, original, hole)
    assert np.array_equal(result, noise(0)) and np.array_equal(original, noise(1)) and np.array_equal(hole, block())


@pytest.mark.parametrize(
    ("result", "hole", "message"),
    [
        (noise(height=31), None, "equal size"),
        (noise()[..., 0], None, r"shape \(32, 40\)"),
        (noise().astype(np.int32), None, "int32"),
        (noise().astype(np.float32), None, "from 0 to 1"),
        (np.full((32, 40, 3), np.nan), None, "from 0 to 1"),
        (noise(), np.zeros((32, 40), dtype=bool), "at least one"),
        (noise(), np.ones((32, 39), dtype=bool), "bool mask"),
        (noise(), np.ones((32, 40), dtype=np.uint8), "bool mask"),
    ],
)
def test_pictures_and_holes_that_do_not_fit_are_refused(result, hole, message):
    with pytest.raises(InputError, match=message):
        psnr(result, noise(), hole)


def test_a_picture_smaller_than_the_ssim_window_is_refused():
    with pytest.raises(InputError, match="at least 11 × 11"):
        ssim(noise(height=10), noise(height=10))

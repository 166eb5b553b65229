"""Against the published arithmetic of LAM: numbers and arrays of the reference implementation."""

import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.attribution import local_attribution_map
from inpaint_lens.attribution.blur import gaussian_taps
from inpaint_lens.attribution.path import BlurPath
from inpaint_lens.imaging.errors import InputError
from torch import nn

GOLDEN = Path(__file__).parents[1] / "golden" / "lam_attribution" / "io.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def picture():
    return torch.tensor(np.random.default_rng(0).random((1, 3, 64, 64)).astype(np.float32))


@pytest.fixture(scope="module")
def network():
    """Three convolutions whose weights follow from the names of the keys."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 3, 3, padding=1),
    )
    for key, tensor in net.state_dict().items():
        drawn = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(tuple(tensor.shape)).astype(np.float32)
        scale = 1.4 / math.sqrt(math.prod(tensor.shape[1:])) if tensor.ndim > 1 else 0.1
        tensor.copy_(torch.from_numpy(drawn * np.float32(scale)))
    return lambda image, hole: net(image)


@pytest.fixture(scope="module")
def found(network, picture):
    return local_attribution_map(network, picture, top=20, left=28)


def test_numbers_for_the_identity():
    y, x = np.mgrid[:48, :48]
    waves = [0.5 + 0.25 * np.sin(0.9 * x + 0.5 * c) * np.cos(0.7 * y + 0.1 * x) for c in range(3)]
    image = torch.tensor(np.stack(waves), dtype=torch.float32)[None]
    found = local_attribution_map(lambda image, hole: image, image, top=16, left=20)
    numbers = found.total, found.value_image, found.value_baseline, found.gini, found.diffusion_index
    assert numbers == pytest.approx((60.331650, 98.832489, 38.513958, 0.941858, 5.8142), rel=1e-4)
    magnitude = np.abs(found.contributions.sum(0))
    assert np.unravel_index(magnitude.argmax(), magnitude.shape) == (28, 22)
    assert magnitude.max() == pytest.approx(1.031161, rel=1e-4)
    assert found.contributions[0, 24, 24] == pytest.approx(1.830184e-02, rel=1e-4)
    fewer = local_attribution_map(lambda image, hole: image, image, top=16, left=20, steps=10)
    assert (fewer.total, fewer.gini) == pytest.approx((60.380226, 0.941850), rel=1e-4)


def test_kernels(golden):
    for sigma, expected in zip((1.2, 1.176, 0.6, 0.0), golden["blur_kernels_index_0_1_25_50"], strict=True):
        np.testing.assert_allclose(np.outer(gaussian_taps(sigma, 9), gaussian_taps(sigma, 9)), expected, atol=1e-7)


def test_pictures_of_the_path(golden, picture):
    path = BlurPath(picture, torch.ones(1, 1, 64, 64), 1.2, 9, "reflect")
    np.testing.assert_allclose(path.images([0.0])[0].permute(1, 2, 0), golden["blurred_baseline_hwc"], atol=1e-6)
    alphas = (golden["step_index"] + 1) / 50
    np.testing.assert_allclose(path.images(alphas)[:, 0], golden["interpolated_first_channel"], atol=1e-6)


def test_blur_path(golden, found):
    np.testing.assert_allclose(found.contributions, golden["final_grad"], atol=1e-5)
    np.testing.assert_allclose(found.signed_norm_map, golden["signed_norm_map"], atol=1e-4)
    np.testing.assert_allclose(found.objective_per_step, golden["objective_per_step"], rtol=1e-5)
    assert (found.gini, found.diffusion_index) == pytest.approx((0.948472517708, 5.152748229), abs=1e-5)


@pytest.mark.parametrize(
    ("path", "index", "total", "first"),
    [
        ("gaussian_linear_path", 0.9489161248694, 309.92098043543547, 37.94123458862305),
        ("linear_path_black", 0.9475846014731, 340.92165853079496, 0.0),
    ],
)
def test_linear_paths(network, picture, path, index, total, first):
    found = local_attribution_map(network, picture, top=20, left=28, path=path)
    assert found.gini == pytest.approx(index, abs=1e-5) and found.total == pytest.approx(total, rel=1e-5)
    assert found.objective_per_step[[0, -1]] == pytest.approx([first, 350.30291748], rel=1e-5)


def test_intensity_detector(network, picture):
    found = local_attribution_map(network, picture, top=20, left=28, detector="intensity")
    assert found.gini == pytest.approx(0.9410076413, abs=1e-5)


def test_flat_picture_gives_zeros_and_says_how_many_entries_were_not_finite(picture):
    found = local_attribution_map(lambda image, hole: image, torch.full_like(picture, 0.5), top=8, left=8, steps=3)
    assert found.nonfinite > 0 and not found.contributions.any() and not found.abs_norm_map.any()


@pytest.mark.parametrize(
    "options", [{"top": 60}, {"left": -1}, {"top": 48}, {"window": 0}, {"kernel": 8}, {"steps": 1}]
)
def test_options_that_do_not_fit_are_told(picture, options):
    with pytest.raises(InputError):
        local_attribution_map(lambda image, hole: image, picture, **({"top": 8, "left": 8} | options))

import numpy as np
import pytest
import torch
from inpaint_lens.attribution.baseline import find_baseline, sigma_of
from inpaint_lens.attribution.blur import gaussian_taps, masked_blur
from inpaint_lens.imaging.errors import InputError
from scipy import ndimage


def blurriness_by_numpy(image, known, sigma, kernel):
    """Degree of blurriness with scipy's convolution, float64."""
    grey = np.tensordot([0.299, 0.587, 0.114], image[0].numpy().astype(np.float64), 1)
    mask = known[0, 0].numpy().astype(np.float64)
    taps = gaussian_taps(sigma, kernel)
    blurred = _separable(grey * mask, taps) / np.maximum(_separable(mask, taps), 1e-12)
    return 100 * (1 - blurred[mask > 0].var() / grey[mask > 0].var())


def _separable(values, taps):
    return ndimage.correlate1d(ndimage.correlate1d(values, taps, 0, mode="constant"), taps, 1, mode="constant")


@pytest.fixture
def soft():
    """Waves that only wide kernels take away."""
    y, x = np.mgrid[:32, :36]
    return torch.tensor(0.5 + 0.3 * np.sin(0.3 * x) * np.cos(0.25 * y), dtype=torch.float32).expand(1, 3, 32, 36)


def test_blurring_agrees_with_scipy(image, hole):
    known = 1 - hole
    ours = masked_blur(image, known, [1.4], 7)[0].numpy()
    taps, mask = gaussian_taps(1.4, 7), known[0, 0].numpy().astype(np.float64)
    expected = [
        _separable(channel * mask, taps) / np.maximum(_separable(mask, taps), 1e-9) * mask
        for channel in image[0].numpy()
    ]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_sigma_zero_gives_the_picture_bit_for_bit(image, hole):
    known = 1 - hole
    assert torch.equal(masked_blur(image, known, [0.0], 9), image * known)


def test_what_lies_in_the_hole_does_not_bleed_out(image, hole):
    other = torch.where(hole > 0, torch.full_like(image, float("nan")), image)
    assert torch.equal(masked_blur(image, 1 - hole, [2.0], 9), masked_blur(other, 1 - hole, [2.0], 9))


def test_a_picture_of_one_colour_stays_so_up_to_hole_and_border(hole):
    blurred = masked_blur(torch.full((1, 3, 32, 36), 0.3), 1 - hole, [2.0], 9)
    torch.testing.assert_close(blurred, 0.3 * (1 - hole).expand(1, 3, -1, -1))


def test_images_of_a_batch_do_not_influence_one_another(image, hole):
    together = masked_blur(image, 1 - hole, [0.3, 1.2], 9)
    assert torch.equal(together[1:], masked_blur(image, 1 - hole, [1.2], 9))


def test_baseline_has_the_smallest_kernel_that_passes_the_threshold(soft, hole):
    found = find_baseline(soft, 1 - hole, 12.0)
    assert found.reached and found.kernel > 3
    assert found.blurriness_percent == pytest.approx(
        blurriness_by_numpy(soft, 1 - hole, found.sigma, found.kernel), abs=1e-3
    )
    assert found.blurriness_percent >= 12
    assert blurriness_by_numpy(soft, 1 - hole, sigma_of(found.kernel - 2), found.kernel - 2) < 12


def test_a_higher_threshold_never_blurs_less(soft, hole):
    degrees = [find_baseline(soft, 1 - hole, threshold).blurriness_percent for threshold in (5, 8, 12, 16, 20)]
    assert degrees == sorted(degrees) and degrees[-1] > degrees[0]


def test_large_kernels_are_found_as_well_as_by_trying_each():
    ramp = torch.linspace(0, 1, 160).expand(1, 3, 160, 160).contiguous()
    ramp = 0.5 + 0.5 * torch.sin(0.07 * 160 * ramp)
    known = torch.ones(1, 1, 160, 160)
    found = find_baseline(ramp, known, 20.0)
    degrees = {k: blurriness_by_numpy(ramp, known, sigma_of(k), k) for k in range(31, 100, 2)}
    assert found.kernel == min(k for k, degree in degrees.items() if degree >= 20) > 33


def test_flat_picture_has_no_baseline_that_passes_but_does_not_fail(hole):
    found = find_baseline(torch.full((1, 3, 32, 36), 0.7), 1 - hole)
    assert not found.reached and found.blurriness_percent == 0 and bool(torch.isfinite(found.image).all())


def test_kernel_stops_at_the_size_of_the_window():
    ramp = torch.linspace(0, 1, 40).expand(1, 3, 12, 40).contiguous()
    found = find_baseline(ramp, torch.ones(1, 1, 12, 40), 20.0)
    assert not found.reached and found.kernel == 11


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 9)])
def test_tiny_pictures_do_not_fail(size):
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    assert bool(torch.isfinite(find_baseline(picture, torch.ones(1, 1, *size)).image).all())


@pytest.mark.parametrize("threshold", [4.9, 20.1, float("nan")])
def test_threshold_out_of_range_is_told(image, hole, threshold):
    with pytest.raises(InputError, match="between 5 and 20"):
        find_baseline(image, 1 - hole, threshold)

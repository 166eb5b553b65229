import numpy as np
import pytest
import torch
from inpaint_lens.attribution.baseline import find_baseline
from inpaint_lens.attribution.objective import gradient_detector, intensity, objective_named
from inpaint_lens.attribution.path import BlurPath, LinearPath, black, mean_colour
from inpaint_lens.imaging.errors import InputError


def test_blur_path_goes_from_the_baseline_to_the_picture_exactly(image, hole):
    baseline = find_baseline(image, 1 - hole)
    first, last = BlurPath.to(image, 1 - hole, baseline).images([0.0, 1.0])
    assert torch.equal(first, baseline.image[0]) and torch.equal(last, (image * (1 - hole))[0])


def test_hole_is_zero_all_the_way(image, hole):
    path = BlurPath.to(image, 1 - hole, find_baseline(image, 1 - hole))
    assert not (path.images([0.0, 0.3, 1.0]) * hole).any()


def test_linear_path_is_exact_at_both_ends(image):
    baseline = image.flip(3)
    first, last = LinearPath(image, baseline).images([0.0, 1.0])
    assert torch.equal(first, baseline[0]) and torch.equal(last, image[0])


def test_mean_baseline_is_the_mean_of_what_is_known_and_zero_in_the_hole(image, hole):
    mean = mean_colour(image, 1 - hole)
    expected = image[0, :, hole[0, 0] == 0].mean(1)
    torch.testing.assert_close(mean[0, :, 0, 0], expected)
    assert not (mean * hole).any() and not black(image).any()


def test_gradient_detector_counts_triples_that_lie_in_the_target():
    output = torch.rand(2, 3, 7, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = torch.rand(7, 8, generator=torch.Generator().manual_seed(2)) > 0.3
    expected = np.zeros(2)
    for y in range(6):
        for x in range(7):
            if target[y, x] and target[y + 1, x] and target[y, x + 1]:
                down, right = output[:, :, y + 1, x] - output[:, :, y, x], output[:, :, y, x + 1] - output[:, :, y, x]
                expected += (down**2 + right**2 + 1e-4).sqrt().sum(1).numpy()
    np.testing.assert_allclose(gradient_detector(target, 1e-4)(output), expected)


def test_gradient_detector_does_not_look_outside_of_the_target():
    target = torch.zeros(8, 8, dtype=torch.bool)
    target[2:5, 3:6] = True
    output = torch.zeros(1, 3, 8, 8, requires_grad=True)
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    gradient_detector(target)(output + noise).sum().backward()
    assert output.grad is not None and not output.grad[..., ~target].any()


def test_gradient_detector_has_a_finite_slope_on_flat_output():
    target = torch.ones(4, 4, dtype=torch.bool)
    output = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    gradient_detector(target)(output).sum().backward()
    assert output.grad is not None and not output.grad.any()


def test_intensity_is_the_sum_over_the_target():
    output = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    target = torch.zeros(6, 6, dtype=torch.bool)
    target[1, 2] = target[4, 4] = True
    torch.testing.assert_close(intensity(target)(output).float(), output[:, :, target].sum((1, 2)))


def test_a_line_is_too_thin_for_the_gradient_detector():
    target = torch.zeros(8, 8, dtype=torch.bool)
    target[3] = True
    with pytest.raises(InputError, match="grow the hole"):
        gradient_detector(target)


def test_unknown_objective_is_told():
    with pytest.raises(InputError, match="gradient, intensity"):
        objective_named("colour", torch.ones(3, 3, dtype=torch.bool))

from itertools import pairwise

import numpy as np
import pytest
import torch
from inpaint_lens.attribution.blur import gaussian_taps
from inpaint_lens.attribution.evaluator import Evaluator, Point
from inpaint_lens.attribution.integral import Rule, integrate, relative_error
from inpaint_lens.attribution.objective import gradient_detector, intensity
from inpaint_lens.attribution.path import BlurPath, LinearPath
from scipy import ndimage

SIGMA, KERNEL, EPSILON = 1.7, 9, 1e-4


@pytest.fixture
def path(image, hole):
    return BlurPath(image, 1 - hole, SIGMA, KERNEL)


@pytest.fixture
def target():
    target = torch.zeros(32, 36, dtype=torch.bool)
    target[4:12, 5:18] = True
    return target


def run(path, hole, network, objective, points=8, tolerance_percent=None, max_evaluations=128):
    evaluator = Evaluator(lambda image, hole: network(image), hole, objective, batch=3)
    return integrate(lambda alphas: evaluator.points(path, alphas), Rule(points, tolerance_percent, max_evaluations))


def error_percent(found):
    total = float(found.contributions.sum(dtype=np.float64))
    return relative_error(total - (found.value_image - found.value_baseline), found.value_image, found.value_baseline)[
        0
    ]


def blurred_by_scipy(image, hole, alpha):
    """`γ(α)` in float64."""
    mask, taps = 1 - hole[0, 0].numpy().astype(np.float64), gaussian_taps(SIGMA * (1 - alpha), KERNEL)

    def blur(values):
        return ndimage.correlate1d(ndimage.correlate1d(values, taps, 0, mode="constant"), taps, 1, mode="constant")

    weight = np.where(mask > 0, blur(mask), 1)
    return np.stack([blur(channel * mask) / weight * mask for channel in image[0].numpy().astype(np.float64)])


def test_identity_and_brightness_give_the_difference_of_the_pictures(path, image, hole, target):
    found = run(path, hole, lambda image: image, intensity(target))
    difference = blurred_by_scipy(image, hole, 1.0) - blurred_by_scipy(image, hole, 0.0)
    np.testing.assert_allclose(found.contributions, difference * target.numpy(), atol=1e-6)


def test_linear_filter_gives_its_transpose_times_the_difference(path, image, hole, target):
    weights = torch.randn(3, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    found = run(path, hole, lambda image: torch.nn.functional.conv2d(image, weights, padding=1), intensity(target))
    # The transpose of a correlation is a convolution of what is read.
    read = target.numpy().astype(np.float64)
    w = weights.numpy().astype(np.float64)
    back = [sum(ndimage.convolve(read, w[o, c], mode="constant") for o in range(3)) for c in range(3)]
    difference = blurred_by_scipy(image, hole, 1.0) - blurred_by_scipy(image, hole, 0.0)
    np.testing.assert_allclose(found.contributions, np.stack(back) * difference, atol=1e-4)


def test_square_gives_the_difference_of_the_squares(path, image, hole, target):
    found = run(path, hole, lambda image: image**2, intensity(target))
    difference = blurred_by_scipy(image, hole, 1.0) ** 2 - blurred_by_scipy(image, hole, 0.0) ** 2
    np.testing.assert_allclose(found.contributions, difference * target.numpy(), atol=1e-5)


def test_edges_of_the_identity_agree_with_a_fine_quadrature(path, image, hole, target):
    """Detector, its slope and the path once more in numpy, float64, integrated by Gauss-Legendre with 120 points."""
    found = run(path, hole, lambda image: image, gradient_detector(target, EPSILON), points=400)
    anchors = (target[:-1, :-1] & target[1:, :-1] & target[:-1, 1:]).numpy()
    expected = np.zeros((3, 32, 36))
    nodes, weights = np.polynomial.legendre.leggauss(120)
    for alpha, weight in zip(0.5 * (nodes + 1), 0.5 * weights, strict=True):
        picture, step = blurred_by_scipy(image, hole, alpha), 1e-5
        speed = (blurred_by_scipy(image, hole, alpha + step) - blurred_by_scipy(image, hole, alpha - step)) / (2 * step)
        down = (picture[:, 1:, :-1] - picture[:, :-1, :-1]) * anchors
        right = (picture[:, :-1, 1:] - picture[:, :-1, :-1]) * anchors
        size = np.sqrt(down**2 + right**2 + EPSILON)
        slope = np.zeros_like(picture)
        slope[:, 1:, :-1] += down / size
        slope[:, :-1, 1:] += right / size
        slope[:, :-1, :-1] -= (down + right) / size
        expected += weight * slope * speed
    np.testing.assert_allclose(found.contributions, expected, atol=1e-4)
    assert abs(expected.sum() - (found.value_image - found.value_baseline)) < 1e-3


@pytest.mark.parametrize("points", [2, 3, 8, 17])
def test_a_constant_integrand_is_integrated_exactly(points):
    ones, picture = np.ones((3, 2, 2), np.float32), np.full((3, 2, 2), 0.75, np.float32)
    points_of = lambda alphas: (Point(a, a * picture, 9 * a, ones) for a in alphas)  # noqa: E731
    found = integrate(points_of, Rule(points, None, points))
    np.testing.assert_allclose(found.contributions, picture, rtol=1e-6)
    assert found.local_error == pytest.approx(0, abs=1e-5)


def test_completeness_error_falls_with_more_points(path, hole, target):
    errors = [error_percent(run(path, hole, torch.sin, gradient_detector(target), points=n)) for n in (3, 9, 33)]
    assert errors[0] > 2 * errors[1] > 8 * errors[2]


def stiff(image):
    """Switches within a hundredth of the way from black to the picture."""
    return torch.sigmoid(150 * (image.mean((1, 2, 3), keepdim=True) - 0.23)) * image


def test_refinement_reaches_the_tolerance_where_eight_points_miss(image, hole, target):
    path = LinearPath(image, torch.zeros_like(image))
    assert error_percent(run(path, hole, stiff, intensity(target))) > 5
    refined = run(path, hole, stiff, intensity(target), tolerance_percent=0.5, max_evaluations=60)
    assert error_percent(refined) <= 0.5


def test_refinement_needs_fewer_points_than_even_spacing(image, hole, target):
    path = LinearPath(image, torch.zeros_like(image))
    asked: list[float] = []
    evaluator = Evaluator(lambda image, hole: stiff(image), hole, intensity(target))

    def evaluate(alphas):
        asked.extend(alphas)
        return evaluator.points(path, alphas)

    integrate(evaluate, Rule(8, 0.5, 60))
    assert len(asked) == len(set(asked)) == evaluator.evaluations
    assert error_percent(run(path, hole, stiff, intensity(target), points=len(asked))) > 0.5


def test_refinement_stops_at_the_largest_number_of_evaluations(image, hole, target):
    path = LinearPath(image, torch.zeros_like(image))
    evaluator = Evaluator(lambda image, hole: stiff(image), hole, intensity(target))
    integrate(lambda alphas: evaluator.points(path, alphas), Rule(8, 1e-9, 21))
    assert evaluator.evaluations == 21


def test_finished_intervals_add_up_to_the_same_map(image, hole, target):
    path = LinearPath(image, torch.zeros_like(image))
    asked: list[float] = []
    evaluator = Evaluator(lambda image, hole: stiff(image), hole, intensity(target))

    def evaluate(alphas):
        asked.extend(alphas)
        return evaluator.points(path, alphas)

    found = integrate(evaluate, Rule(8, 0.05, 80))
    points = list(evaluator.points(path, sorted(asked)))
    whole = sum(0.5 * (a.gradient + b.gradient) * (b.image - a.image) for a, b in pairwise(points))
    np.testing.assert_allclose(found.contributions, whole, atol=1e-5)


def test_local_errors_cannot_cancel(path, hole, target):
    found = run(path, hole, torch.sin, gradient_detector(target), points=5)
    total = float(found.contributions.sum(dtype=np.float64))
    assert found.local_error >= abs(total - (found.value_image - found.value_baseline)) - 1e-6


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.5, 10.0, 5.0), (10.0, "the change")),
        ((0.5, 10.0, 10.0), (5.0, "the value")),
        ((0.0, 0.0, 0.0), (0.0, "the value")),
        ((0.1, 0.0, 0.0), (100.0, "the value")),
    ],
)
def test_errors_are_told_in_parts_of_something_that_is_not_zero(numbers, expected):
    assert relative_error(*numbers) == expected

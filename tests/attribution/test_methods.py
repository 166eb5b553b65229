import numpy as np
import pytest
import torch
from inpaint_lens.attribution import METHODS, explain


def copies(image, hole):
    return torch.roll(image, 12, 3)


def squares(image, hole):
    return torch.roll(image, 12, 3) ** 2


def read(hole):
    """Where `copies` reads the fill from, bool `[H, W]`."""
    return np.roll(hole[0, 0].bool().numpy(), -12, 1)


def test_plain_gradient_of_a_copy_is_one_where_it_was_copied_from(image, hole):
    found = explain(copies, image, hole, method="gradient", objective="intensity")
    np.testing.assert_array_equal(found.contributions, np.broadcast_to(read(hole), (3, 32, 36)).astype(np.float32))
    assert found.converged is None and found.error_percent is None


def test_gradient_times_picture_of_a_copy_is_the_picture(image, hole):
    found = explain(copies, image, hole, method="input-x-gradient", objective="intensity")
    np.testing.assert_allclose(found.contributions, image[0].numpy() * read(hole), atol=1e-6)


@pytest.mark.parametrize("baseline", ["black", "mean", "blur"])
def test_integrated_gradients_of_a_square_are_the_difference_of_the_squares(image, hole, baseline):
    found = explain(squares, image, hole, method="integrated-gradients", baseline=baseline, objective="intensity")
    visible = (image * (1 - hole))[0].numpy()
    start = {
        "black": lambda: np.zeros_like(visible),
        "mean": lambda: np.broadcast_to(visible.sum((1, 2), keepdims=True) / (1 - hole).sum().item(), visible.shape),
        "blur": lambda: explain(copies, image, hole, keep_steps=True, steps=2).steps[0].image.transpose(2, 0, 1),
    }[baseline]()
    np.testing.assert_allclose(found.contributions, (visible**2 - start**2) * read(hole), atol=1e-4)
    assert found.baseline.kind == baseline and found.converged and found.local_error_percent is None


@pytest.mark.parametrize("steps", [3, 4, 12])
def test_integrated_gradients_integrate_a_constant_exactly(image, hole, steps):
    found = explain(copies, image, hole, method="integrated-gradients", objective="intensity", steps=steps)
    assert found.error_percent is not None and found.error_percent < 1e-3


def test_integrated_gradients_take_more_points_until_they_add_up(image, hole):
    def stiff(image, hole):
        return torch.sigmoid(40 * (torch.roll(image, 12, 3) - 0.4))

    def run(**options):
        return explain(stiff, image, hole, method="integrated-gradients", objective="intensity", **options)

    assert not run(steps=4, tolerance_percent=0.01).converged
    found = run(tolerance_percent=0.01)
    assert found.converged and 8 < found.evaluations <= 128


def test_every_method_can_be_loaded():
    assert all(callable(method.load()) and method.title for method in METHODS.values())

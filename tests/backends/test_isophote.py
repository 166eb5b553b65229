from math import sqrt

import numpy as np
import pytest
import torch
from inpaint_lens.backends import isophote, load
from inpaint_lens.backends.classical import SolverBackend
from inpaint_lens.backends.isophote import FLAT, SMALL, TIME_STEP, Stencils, diffusion, pyramid, transport
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import Cancelled
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from numpy.typing import NDArray
from torch import Tensor

Float = NDArray[np.float64]


def edge(size: int, degrees: float) -> Tensor:
    """A straight edge through the middle, dark 0.2 to bright 0.8 within one pixel, `[1, 3, size, size]`.

    At 0 degrees it is upright.
    """
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    distance = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return torch.tensor(np.clip(0.5 + distance, 0, 1) * 0.6 + 0.2).float().expand(1, 3, size, size).clone()


def transported(image: Float, y: int, x: int) -> float:
    """One step of the paper's update of a pixel, spelt out; beyond the edge everything is as at the edge."""

    def at(values: Float, down: int, right: int) -> float:
        return values[min(max(y + down, 0), len(values) - 1), min(max(x + right, 0), values.shape[1] - 1)]

    padded = np.pad(image, 1, mode="edge")
    laplacian = padded[1:-1, 2:] + padded[1:-1, :-2] + padded[2:, 1:-1] + padded[:-2, 1:-1] - 4 * image
    change_x = at(laplacian, 0, 1) - at(laplacian, 0, -1)
    change_y = at(laplacian, 1, 0) - at(laplacian, -1, 0)
    centre, right, left = image[y, x], at(image, 0, 1), at(image, 0, -1)
    below, above = at(image, 1, 0), at(image, -1, 0)
    slope_x, slope_y = (right - left) / 2, (below - above) / 2
    beta = (change_x * -slope_y + change_y * slope_x) / sqrt(slope_x**2 + slope_y**2 + FLAT)
    forward, backward = (right - centre, below - centre), (centre - left, centre - above)
    if beta > 0:
        squares = [min(d, 0) ** 2 for d in backward] + [max(d, 0) ** 2 for d in forward]
    else:
        squares = [max(d, 0) ** 2 for d in backward] + [min(d, 0) ** 2 for d in forward]
    return centre + TIME_STEP * beta * sqrt(sum(squares) + SMALL)


def diffused(image: Float, y: int, x: int) -> float:
    """One step of `curvature times length of the gradient`, away from the edge of the picture."""
    part = image[y - 1 : y + 2, x - 1 : x + 2]
    dy, dx = (part[2, 1] - part[0, 1]) / 2, (part[1, 2] - part[1, 0]) / 2
    dyy, dxx = part[2, 1] - 2 * part[1, 1] + part[0, 1], part[1, 2] - 2 * part[1, 1] + part[1, 0]
    dxy = (part[2, 2] - part[2, 0] - part[0, 2] + part[0, 0]) / 4
    return part[1, 1] + TIME_STEP * (dxx * dy**2 - 2 * dx * dy * dxy + dyy * dx**2) / (dx**2 + dy**2 + FLAT)


def stepped(step, image: Float, hole: NDArray[np.bool_]) -> Float:
    stencils = Stencils.of(hole)
    values = torch.from_numpy(image).expand(3, *image.shape).flatten(1)[:, stencils.order]
    result = step(values[:, : stencils.hole], values[:, stencils.hole :], stencils)
    assert torch.equal(result[0], result[2])
    return result[0].numpy()


def test_a_step_of_transport_is_that_of_the_paper_also_at_the_edge_of_the_picture():
    image = np.random.default_rng(1).random((9, 10))
    hole = np.zeros(image.shape, bool)
    hole[0:4, 3:8] = hole[6, 9] = True
    expected = [transported(image, y, x) for y, x in np.argwhere(hole)]
    assert np.allclose(stepped(transport, image, hole), expected, atol=1e-12)


def test_a_step_of_diffusion_is_that_of_the_paper():
    image = np.random.default_rng(2).random((9, 10))
    hole = np.zeros(image.shape, bool)
    hole[2:6, 1:8] = True
    expected = [diffused(image, y, x) for y, x in np.argwhere(hole)]
    assert np.allclose(stepped(diffusion, image, hole), expected, atol=1e-12)


def test_a_pyramid_halves_until_all_is_known_and_averages_what_is_known():
    picture, hidden = torch.rand(3, 10, 12), torch.zeros(10, 12, dtype=torch.bool)
    hidden[2:7, 4:9] = True
    scales = pyramid(picture.masked_fill(hidden, 0), hidden)
    assert [tuple(unknown.shape) for _, unknown in scales] == [(10, 12), (5, 6), (3, 3)]
    (_, (coarse, unknown), _) = scales
    assert unknown.nonzero().tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert torch.allclose(coarse[:, 3, 2], picture[:, 7, 4:6].mean(1))
    assert torch.allclose(coarse[:, 1, 4], picture[:, 2:4, 9].mean(1))


@pytest.mark.parametrize("size", [(10, 12), (9, 12), (7, 11)])
def test_the_pyramid_of_a_mirrored_picture_is_the_mirrored_pyramid(size):
    picture, hidden = torch.rand(3, *size), torch.zeros(size, dtype=torch.bool)
    hidden[2:6, 3:8] = True
    for first, second in zip(pyramid(picture, hidden), pyramid(picture.flip(-1), hidden.flip(-1)), strict=True):
        assert torch.equal(first[1], second[1].flip(-1))
        assert torch.allclose(first[0], second[0].flip(-1), atol=1e-6)


@pytest.mark.parametrize("degrees", [0, 15, 30, 45])
@torch.no_grad()
def test_a_straight_edge_is_continued_across_a_scratch(degrees):
    image, scratch = edge(48, degrees), torch.zeros(1, 1, 48, 48)
    scratch[..., 22:26, 4:44] = 1
    filled = load("isophote", "cpu")(image, scratch)
    # In a row, the sum of the brightness tells where the edge is, and the values beside it tell the contrast.
    shift_px = ((filled - image)[0, 0, 22:26].sum(1) / 0.6).abs()
    assert shift_px.max() < 0.6
    assert (filled - image)[0, 0, 22:26, [6, 41]].abs().max() < 0.01


@pytest.mark.parametrize("degrees", [0, 30, 45])
@torch.no_grad()
def test_an_edge_across_a_scratch_stays_sharper_than_in_the_fast_marching_fill(degrees):
    image, scratch = edge(48, degrees), torch.zeros(1, 1, 48, 48)
    scratch[..., 22:26, 4:44] = 1

    def soft_px(name: str) -> int:
        values = load(name, "cpu")(image, scratch)[0, 0, 22:26]
        return int(((values > 0.26) & (values < 0.74)).sum())

    assert soft_px("isophote") < 0.6 * soft_px("telea")


@torch.no_grad()
def test_a_ramp_is_continued_nearly(hole):
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    image = (0.1 + 0.4 * x + 0.3 * y).expand(1, 3, 64, 64)
    assert (load("isophote", "cpu")(image, hole) - image).abs().max() < 0.015


@torch.no_grad()
def test_the_fill_of_a_mirrored_negative_is_the_mirrored_negative_of_the_fill(image, hole):
    backend = load("isophote", "cpu")
    mirrored = backend((1 - image).flip(-1), hole.flip(-1))
    assert torch.allclose(1 - mirrored.flip(-1), backend(image, hole), atol=1e-4)


def test_gradients_are_those_of_finite_differences(hole):
    generator = torch.Generator().manual_seed(4)
    image = torch.rand(1, 3, 64, 64, generator=generator, dtype=torch.float64)
    direction, weight = (torch.randn(image.shape, generator=generator, dtype=torch.float64) for _ in range(2))
    backend = SolverBackend(info("isophote"), isophote.fill)
    settings = {"iterations": 2}

    def value(step: float) -> Tensor:
        moved = (image + step * direction).requires_grad_()
        return (backend(moved, hole, settings=settings) * weight * hole).sum()

    moved = image.clone().requires_grad_()
    (backend(moved, hole, settings=settings) * weight * hole).sum().backward()
    assert moved.grad is not None
    with torch.no_grad():
        difference = (value(1e-6) - value(-1e-6)) / 2e-6
    assert (moved.grad * direction).sum().item() == pytest.approx(difference.item(), rel=1e-4)


def test_no_gradient_comes_from_hidden_pixels(image, hole, exclude):
    image.requires_grad_()
    (load("isophote", "cpu")(image, hole, exclude=exclude) * hole).sum().backward()
    assert image.grad is not None
    hidden = torch.maximum(hole, exclude).expand_as(image) > 0
    assert not image.grad[hidden].any()
    assert image.grad[~hidden].abs().sum() > 0


class Counting(CancelToken):
    """Counts how often it was looked at, and stops the work at the last of `allowed` times."""

    def __init__(self, allowed: int | None = None) -> None:
        super().__init__()
        self.looks, self._allowed = 0, allowed

    @property
    def cancelled(self) -> bool:
        self.looks += 1
        return self.looks == self._allowed


def looks(image: Tensor, hole: Tensor, **settings: int) -> int:
    token = Counting()
    backend = SolverBackend(info("isophote"), isophote.fill)
    with torch.no_grad():
        backend(
            image, hole, monitor=Monitor(token=token), settings={k.replace("_", "-"): v for k, v in settings.items()}
        )
    return token.looks


def test_settings_give_the_steps_and_each_step_looks_at_the_token(image):
    speck = torch.zeros(1, 1, 64, 64)
    speck[..., 9, 9] = 1
    assert looks(image, speck, iterations=3, transport_steps=5, diffusion_steps=2) == 1 + 3 * (1 + 5 + 2)


def test_a_scale_ends_when_nothing_changes_any_more():
    image, speck = torch.full((1, 3, 32, 32), 0.4), torch.zeros(1, 1, 32, 32)
    speck[..., 9, 9] = 1
    assert looks(image, speck, iterations=50) == 1 + (1 + 15 + 2)


def test_a_fill_can_be_stopped_within_a_round_and_in_the_backward_pass(image, hole):
    image.requires_grad_()
    backend = load("isophote", "cpu")
    with pytest.raises(Cancelled):
        backend(image, hole, monitor=Monitor(token=Counting(5)))
    monitor = Monitor()
    filled = backend(image, hole, monitor=monitor)
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        filled.sum().backward()


@pytest.mark.parametrize("steps", [(15, 2), (30, 0)])
@torch.no_grad()
def test_the_hardest_picture_does_not_make_it_unstable(hole, steps):
    image = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5)) > 0.5).float()
    settings = {"iterations": 25, "transport-steps": steps[0], "diffusion-steps": steps[1]}
    filled = SolverBackend(info("isophote"), isophote.fill)(image, hole, settings=settings)
    assert filled.min() > -0.5
    assert filled.max() < 1.5

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends import load, total_variation
from inpaint_lens.backends.classical import SolverBackend
from inpaint_lens.backends.registry import info
from inpaint_lens.backends.total_variation import WEIGHT, Differences, lengths
from inpaint_lens.imaging.monitor import Monitor
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

Float = NDArray[np.float64]


def variation(picture: Float, smoothing: float = 0.0) -> float:
    """Total variation of `[h, w, 3]`: the mean over the four pairs of one horizontal and one vertical neighbour."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    sides = [padded[1:-1, 2:], padded[1:-1, :-2]], [padded[2:, 1:-1], padded[:-2, 1:-1]]
    total = 0.0
    for across in sides[0]:
        for along in sides[1]:
            squares = ((across - picture) ** 2 + (along - picture) ** 2).sum(2)
            total += np.sqrt(squares + smoothing**2).sum() / 4
    return total


def pixels(image: Tensor) -> Float:
    return image[0].permute(1, 2, 0).double().numpy()


def filled(image: Tensor, hole: Tensor, **values: float) -> Tensor:
    backend = SolverBackend(info("total-variation"), total_variation.fill)
    return backend(image, hole, settings={name.replace("_", "-"): value for name, value in values.items()})


def small_case(seed: int, size: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hole = torch.zeros(1, 1, size, size)
    hole[..., 1:4, 2:5] = 1
    return torch.rand(1, 3, size, size, generator=generator), hole


def test_the_variation_of_a_picture_is_what_the_differences_say():
    image, hole = small_case(0)
    inside = hole[0, 0].numpy() > 0
    differences = Differences.of(pixels(image), inside)
    changed = image.clone()
    changed[..., 1:4, 2:5] = torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(9))
    first, second = (WEIGHT * lengths(differences.at(pixels(p)[inside])).sum() for p in (image, changed))
    assert first - second == pytest.approx(variation(pixels(image)) - variation(pixels(changed)))


@pytest.mark.parametrize("seed", range(4))
def test_a_fill_has_the_least_variation_that_another_solver_finds(seed):
    image, hole = small_case(seed)
    inside, picture = hole[0, 0].numpy() > 0, pixels(image).copy()

    def smoothed(unknown: Float) -> float:
        picture[inside] = unknown.reshape(-1, 3)
        return variation(picture, 1e-4)

    least = optimize.minimize(smoothed, np.full(27, 0.5), method="L-BFGS-B", options={"maxfun": 20000})
    ours = variation(pixels(filled(image, hole, tolerance_percent=0.05, iterations=5000)))
    assert ours == pytest.approx(least.fun, rel=2e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), height=st.integers(1, 9), width=st.integers(2, 9))
def test_the_gap_bounds_the_variation_of_every_other_fill_and_values_stay_within_those_around(seed, height, width):
    rng = np.random.default_rng(seed)
    hidden = rng.random((height, width)) < 0.5
    hidden[0, 0], hidden[-1, -1] = False, True
    differences = Differences.of(rng.random((height, width, 3)), hidden)
    best = total_variation.least_variation(differences, 0.01, 2000, Monitor())
    assert (best >= differences.low).all()
    assert (best <= differences.high).all()
    least = WEIGHT * lengths(differences.at(best)).sum()
    other = rng.uniform(differences.low, differences.high, best.shape)
    assert least <= 1.01 * WEIGHT * lengths(differences.at(other)).sum() + 1e-6
    dual = rng.normal(size=differences.known.shape)
    dual *= (WEIGHT / np.maximum(lengths(dual), WEIGHT)).repeat(2)[:, None]
    value, gap = differences.gap(other, dual)
    assert value - gap <= least + 1e-9


@torch.no_grad()
def test_a_fill_has_less_variation_than_other_fills_and_the_original(image, hole):
    ours = variation(pixels(filled(image, hole, tolerance_percent=0.1)))
    for name in ("telea", "navier-stokes", "biharmonic", "isophote"):
        other = torch.where(hole > 0, load(name, "cpu")(image, hole), image)
        assert ours < variation(pixels(other))
    assert ours < variation(pixels(image))


def test_a_bar_is_continued_across_a_hole_that_is_shorter_than_the_bar_is_wide():
    image, hole = torch.full((1, 3, 40, 40), 0.2), torch.zeros(1, 1, 40, 40)
    image[..., 14:26] = 0.9
    hole[..., 18:22, 4:36] = 1
    assert (filled(image * (1 - hole), hole, tolerance_percent=0.05) - image).abs().max() < 0.02


def test_a_bar_is_cut_by_a_hole_that_is_longer_than_the_bar_is_wide():
    image, hole = torch.full((1, 3, 40, 40), 0.2), torch.zeros(1, 1, 40, 40)
    image[..., 18:21] = 0.9
    hole[..., 8:32, 8:32] = 1
    middle = filled(image, hole, tolerance_percent=0.05)[..., 16:24, 8:32]
    assert (middle - 0.2).abs().max() < 0.02


def test_a_gap_in_a_line_of_pixels_is_filled_without_turning_back():
    image, hole = torch.zeros(1, 3, 1, 20), torch.zeros(1, 1, 1, 20)
    image[..., 12:], hole[..., 6:12] = 0.8, 1
    values = filled(image, hole)[0, 0, 0]
    assert (values.diff() >= -1e-3).all()
    assert values[5] == 0
    assert values[12] == pytest.approx(0.8)


@pytest.mark.parametrize("axis", [-1, -2])
@torch.no_grad()
def test_the_fill_of_a_mirrored_picture_is_the_mirrored_fill(image, hole, axis):
    backend = load("total-variation", "cpu")
    assert torch.allclose(backend(image.flip(axis), hole.flip(axis)), backend(image, hole).flip(axis), atol=1e-6)


@torch.no_grad()
def test_a_paler_picture_has_the_same_fill_only_paler(image, hole):
    backend = load("total-variation", "cpu")
    assert torch.allclose(backend(0.4 + image / 50, hole), 0.4 + backend(image, hole) / 50, atol=1e-6)


@torch.no_grad()
def test_a_wider_tolerance_takes_less_work(image, hole):
    def steps(percent: float) -> int:
        shares: list[float] = []
        backend = SolverBackend(info("total-variation"), total_variation.fill)
        monitor = Monitor(lambda _, share: shares.append(share))
        backend(image, hole, monitor=monitor, settings={"tolerance-percent": percent})
        return len(shares)

    assert steps(20.0) < steps(2.0) < steps(0.2)


@torch.no_grad()
def test_too_few_iterations_for_the_tolerance_are_told(image, hole, caplog):
    with caplog.at_level(logging.WARNING):
        filled(image, hole, iterations=5, tolerance_percent=0.1)
    assert "stopped after 5 iterations" in caplog.text
    assert "give more iterations" in caplog.text


@torch.no_grad()
def test_the_first_iteration_gives_the_harmonic_fill(image, hole):
    result = filled(image, hole, iterations=1, tolerance_percent=100)[0, :, 19:33, 21:37]
    sides = result[:, 1:-1, 2:] + result[:, 1:-1, :-2] + result[:, 2:, 1:-1] + result[:, :-2, 1:-1]
    assert torch.allclose(sides / 4, result[:, 1:-1, 1:-1], atol=1e-5)

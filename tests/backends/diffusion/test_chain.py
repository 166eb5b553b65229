"""The numbers of RePaint, against the paper written out by hand and against diffusers where that agrees with it."""

from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.backends.diffusion.chain import Chain, way

KEPT = tuple(np.cumprod(1 - np.linspace(0.01, 0.3, 16)).tolist())
"""Alpha bar of 16 time steps."""


def noise(seed):
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def appendix_schedule(t_T: int, jump_len: int, jump_n_sample: int) -> list[int]:  # noqa: N803
    """Time steps as the appendix of the paper counts them, -1 for the picture."""
    jumps = dict.fromkeys(range(0, t_T - jump_len, jump_len), jump_n_sample - 1)
    time, times = t_T, []
    while time >= 1:
        time -= 1
        times.append(time)
        if time in jumps and jumps[time] > 0:
            jumps[time] -= 1
            for _ in range(jump_len):
                time += 1
                times.append(time)
    return [*times, -1]


@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 5))
def test_the_way_is_that_of_the_papers_appendix(steps, length, resamples):
    assert way(steps, length, resamples) == [time + 1 for time in appendix_schedule(steps, length, resamples)]


@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 5))
def test_the_way_leads_from_noise_to_picture_by_single_steps(steps, length, resamples):
    levels = way(steps, length, resamples)
    assert (levels[0], levels[-1]) == (steps, 0)
    assert {abs(a - b) for a, b in pairwise(levels)} == {1}
    jumps = len(range(1, steps - length + 1, length)) * (resamples - 1)
    assert len(levels) - 1 == steps + 2 * length * jumps


def test_the_papers_own_setting_takes_its_number_of_network_runs():
    levels = way(250, 10, 10)
    assert sum(b < a for a, b in pairwise(levels)) == 250 + 24 * 9 * 10


@pytest.mark.parametrize("level", [1, 2, 9, 16])
def test_a_step_back_is_line_7_of_algorithm_1(level):
    chain = Chain.shortened(KEPT, 16)
    x, epsilon, z = noise(1), noise(2), noise(3)
    bar, bar_before = chain.kept[level], chain.kept[level - 1]
    alpha = bar / bar_before
    beta = 1 - alpha
    sigma = sqrt((1 - bar_before) / (1 - bar) * beta)
    expected = (x - beta / sqrt(1 - bar) * epsilon) / sqrt(alpha) + sigma * z
    assert torch.allclose(chain.back(x, epsilon, level, z), expected, atol=1e-12)


@pytest.mark.parametrize("level", [2, 9, 16])
def test_a_clipped_step_back_is_the_posterior_of_the_clipped_picture(level):
    """Ho et al. 2020, Denoising Diffusion Probabilistic Models, eq. 6 and 7."""
    chain = Chain.shortened(KEPT, 16)
    x, epsilon, z = 3 * noise(1), noise(2), noise(3)
    bar, before = chain.kept[level], chain.kept[level - 1]
    beta = 1 - bar / before
    picture = ((x - sqrt(1 - bar) * epsilon) / sqrt(bar)).clamp(-1, 1)
    mean = sqrt(before) * beta / (1 - bar) * picture + sqrt(1 - beta) * (1 - before) / (1 - bar) * x
    expected = mean + sqrt((1 - before) / (1 - bar) * beta) * z
    assert torch.allclose(chain.back(x, epsilon, level, z, clip=1.0), expected, atol=1e-12)


def test_without_noise_a_step_back_undoes_the_noising_of_a_known_picture():
    chain = Chain.shortened(KEPT, 16)
    picture, epsilon = noise(4), noise(5)
    x = chain.noised(picture, 9, epsilon)
    assert torch.allclose(chain.back(x, epsilon, 9, noise(6), eta=0.0), chain.noised(picture, 8, epsilon), atol=1e-12)


def test_the_three_kinds_of_prediction_say_the_same():
    chain = Chain.shortened(KEPT, 16)
    picture, epsilon, z = noise(4), noise(5), noise(6)
    x = chain.noised(picture, 9, epsilon)
    velocity = sqrt(chain.kept[9]) * epsilon - sqrt(1 - chain.kept[9]) * picture
    by_noise = chain.back(x, epsilon, 9, z)
    assert torch.allclose(chain.back(x, picture, 9, z, prediction="sample"), by_noise, atol=1e-12)
    assert torch.allclose(chain.back(x, velocity, 9, z, prediction="v_prediction"), by_noise, atol=1e-12)


@given(st.integers(2, 16), st.data())
def test_a_step_forward_keeps_a_noised_picture_one(steps, data):
    """The mean and variance of eq. 8a at one level become those of the next."""
    chain = Chain.shortened(KEPT, steps)
    level = data.draw(st.integers(1, steps))
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    mean = chain.forward(chain.noised(one, level - 1, zero), level, zero)
    variance = (
        chain.forward(chain.noised(zero, level - 1, one), level, zero) ** 2 + chain.forward(zero, level, one) ** 2
    )
    assert mean.item() == pytest.approx(sqrt(chain.kept[level]))
    assert variance.item() == pytest.approx(1 - chain.kept[level])


def test_a_shortened_chain_goes_through_evenly_spaced_steps_with_both_ends():
    chain = Chain.shortened(tuple(np.linspace(0.99, 0.01, 1000)), 5)
    assert chain.times == (0, 250, 500, 749, 999)
    assert chain.kept[0] == 1.0
    assert chain.kept[-1] == pytest.approx(0.01)
    assert Chain.shortened(KEPT, 16).times == tuple(range(16))


def test_diffusers_agrees_on_single_steps_where_nothing_is_clipped():
    schedulers = pytest.importorskip("diffusers.schedulers.scheduling_repaint", reason="needs inpaint-lens[diffusion]")
    scheduler = schedulers.RePaintScheduler(16, beta_start=0.02, beta_end=0.3, eta=1.0, clip_sample=False)
    scheduler.set_timesteps(16, 3, 2)
    chain = Chain.shortened(tuple((1 - scheduler.betas.double()).cumprod(0).tolist()), 16)
    x, output, picture = noise(1), noise(2), noise(3)
    known = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(9)) < 0.5).double()
    for level in range(1, 17):
        made = scheduler.step(output, level - 1, x, picture, known, torch.Generator().manual_seed(4)).prev_sample
        z = noise(4)
        ours = known * chain.noised(picture, level - 1, z) + (1 - known) * chain.back(x, output, level, z)
        assert torch.allclose(made, ours, atol=1e-6)
        undone = scheduler.undo_step(x, level - 1, torch.Generator().manual_seed(4))
        assert torch.allclose(undone, chain.forward(x, level, z), atol=1e-6)

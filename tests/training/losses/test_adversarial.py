import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.training.losses import adversarial
from inpaint_lens.training.losses.adversarial import GAMES
from inpaint_lens.training.losses.features import feature_matching
from torch.nn import functional as F

REAL, FAKE = torch.tensor([2.0, -0.5]), torch.tensor([0.25, -3.0])


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_vanilla_is_the_cross_entropy():
    wanted = F.binary_cross_entropy_with_logits(REAL, torch.ones(2)) + F.binary_cross_entropy_with_logits(
        FAKE, torch.zeros(2)
    )
    assert GAMES["vanilla"].discriminator(REAL, FAKE) == pytest.approx(wanted)
    assert GAMES["vanilla"].generator(FAKE) == pytest.approx((log_sigmoid(-0.25) + log_sigmoid(3.0)) / 2)


def test_the_non_saturating_generator_wants_to_be_taken_for_real():
    assert GAMES["non_saturating"].generator(FAKE) == pytest.approx(-(log_sigmoid(0.25) + log_sigmoid(-3.0)) / 2)


def test_least_squares_by_hand():
    assert GAMES["least_squares"].discriminator(REAL, FAKE) == pytest.approx(0.5 * ((1 + 2.25) / 2 + (0.0625 + 9) / 2))
    assert GAMES["least_squares"].generator(FAKE) == pytest.approx(0.5 * (0.5625 + 16) / 2)


def test_hinge_by_hand():
    assert GAMES["hinge"].discriminator(REAL, FAKE) == pytest.approx((0 + 1.5) / 2 + (1.25 + 0) / 2)
    assert GAMES["hinge"].generator(FAKE) == pytest.approx(2.75 / 2)


def test_wasserstein_by_hand():
    assert GAMES["wasserstein"].discriminator(REAL, FAKE) == pytest.approx(-1.375 - 0.75)


@pytest.mark.parametrize("name", sorted(GAMES))
def test_each_side_gains_where_the_other_loses(name):
    game = GAMES[name]
    better_fake = FAKE.clone().add_(0.1)
    assert game.generator(better_fake) < game.generator(FAKE)
    sure = game.discriminator(torch.tensor([0.9]), torch.tensor([-0.9]))
    assert sure < game.discriminator(torch.tensor([-0.9]), torch.tensor([0.9]))


def test_r1_of_a_linear_critic_is_half_its_squared_slope():
    slope = torch.tensor([1.0, 2.0, -2.0])
    real = torch.rand(4, 3).requires_grad_()
    assert adversarial.r1_penalty(real @ slope, real).item() == pytest.approx(9 / 2)


def test_r1_of_a_quadratic_critic():
    real = torch.tensor([[1.0, 2.0], [0.0, 3.0]]).requires_grad_()
    assert adversarial.r1_penalty(0.5 * real.square().sum(1), real).item() == pytest.approx(0.5 * (5 + 9) / 2)


def test_gradient_penalty_of_a_linear_critic_is_its_slope_less_one_squared():
    slope = torch.tensor([2.0, -1.0, 2.0])
    penalty = adversarial.gradient_penalty(lambda x: x @ slope, torch.rand(5, 3), torch.rand(5, 3))
    assert penalty.item() == pytest.approx((3 - 1) ** 2)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.floats(0.5, 3))
def test_gradient_penalty_is_taken_between_real_and_made(share, length):
    real, fake = torch.tensor([[length, 0.0]]), torch.tensor([[0.0, length]])
    found = adversarial.gradient_penalty(lambda x: 0.5 * x.square().sum(1), real, fake, share=torch.tensor([share]))
    point = length * math.hypot(share, 1 - share)
    assert found.item() == pytest.approx((point - 1) ** 2, abs=1e-5)


def test_gradient_penalty_in_a_mask_sees_no_other_gradient():
    mask = torch.tensor([[1.0, 0.0]])
    found = adversarial.gradient_penalty(
        lambda x: x @ torch.tensor([1.0, 50.0]), torch.rand(2, 2), torch.rand(2, 2), mask
    )
    assert found.item() == pytest.approx(0, abs=1e-6)


def test_gradient_penalty_of_a_flat_critic_has_a_gradient():
    weight = torch.zeros(3, requires_grad=True)
    adversarial.gradient_penalty(lambda x: x @ weight, torch.rand(2, 3), torch.rand(2, 3)).backward()
    assert weight.grad is not None and torch.isfinite(weight.grad).all()


def test_feature_matching_is_the_mean_over_layers():
    made = [torch.ones(1, 2, 2, 2).requires_grad_(), torch.zeros(1, 1, 1, 1)]
    real = [torch.zeros(1, 2, 2, 2).requires_grad_(), torch.full((1, 1, 1, 1), 3.0)]
    loss = feature_matching(made, real)
    loss.backward()
    assert loss.item() == pytest.approx((1 + 3) / 2)
    assert made[0].grad is not None and real[0].grad is None

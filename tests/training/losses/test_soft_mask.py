import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.training.losses.soft_mask import soft_mask, soft_mask_discriminator, soft_mask_generator
from scipy.ndimage import gaussian_filter


def test_the_blur_is_a_gaussian():
    hole = torch.zeros(1, 1, 24, 20, dtype=torch.float64)
    hole[..., 8:15, 5:11] = 1
    wanted = gaussian_filter(hole[0, 0].numpy(), 1.5, mode="nearest", radius=6)
    assert soft_mask(hole, (24, 20), 1.5)[0, 0].numpy() == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.3, 5))
def test_it_lies_between_nothing_and_all_and_holes_may_be_swapped_with_what_is_known(seed, sigma):
    hole = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) > 0.5).float()
    soft = soft_mask(hole, (4, 4), sigma)
    assert soft.shape == (1, 1, 4, 4) and soft.min() >= 0 and soft.max() <= 1
    assert torch.allclose(soft + soft_mask(1 - hole, (4, 4), sigma), torch.ones(1, 1, 4, 4), atol=1e-5)


def test_the_discriminators_loss_by_hand():
    real, made = torch.tensor([0.5, 2.0]).view(1, 1, 1, 2), torch.tensor([0.25, -1.0]).view(1, 1, 1, 2)
    # All of the picture is a hole, however it is blurred, so that nothing made is to be taken for known.
    loss = soft_mask_discriminator(real, made, torch.ones(1, 1, 8, 16))
    assert loss.item() == pytest.approx((0.25 + 1) / 2 + (0.0625 + 1) / 2)


def test_the_discriminator_is_to_tell_known_from_made_patches():
    hole = torch.zeros(1, 1, 8, 16)
    hole[..., 8:] = 1
    scores = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    assert soft_mask_discriminator(torch.ones(1, 1, 1, 2), scores, hole, 0.2).item() == pytest.approx(0, abs=1e-4)


def test_the_generators_loss_counts_patches_of_the_hole_by_their_share():
    hole = torch.zeros(1, 1, 4, 8)
    hole[..., 2:4] = 1
    scores = torch.tensor([3.0, 5.0]).view(1, 1, 1, 2)
    assert soft_mask_generator(scores, hole).item() == pytest.approx(0.5 * 4 / 2)

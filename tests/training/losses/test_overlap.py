import pytest
import torch
from inpaint_lens.training.losses.overlap import overlap_l2


def test_the_ring_weighs_ten_times_as_much_as_the_middle():
    output, target = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    output[0, 0, 1, 1] = 2.0
    output[0, 0, 0, 3] = 3.0
    assert overlap_l2(output, target, 1).item() == pytest.approx((4 + 10 * 9) / 32)


def test_without_a_ring_it_is_the_mean_square():
    output, target = torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5)
    assert overlap_l2(output, target, 0).item() == pytest.approx((output - target).square().mean().item())

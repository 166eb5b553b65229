import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.training.losses import pixel, variation


def hole_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[float(c == "#") for c in row] for row in rows])[None, None]


def test_hole_l1_is_the_mean_over_the_pixels_of_the_hole():
    hole = hole_of("##..", "##..", "....", "....")
    output = torch.full((1, 3, 4, 4), 0.75)
    output[..., 3, 3] = 99
    assert pixel.hole_l1(output, torch.full((1, 3, 4, 4), 0.5), hole) == pytest.approx(0.25)


def test_hole_l1_of_no_hole_is_zero():
    assert pixel.hole_l1(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)) == 0


def test_hole_l2_is_the_mean_square():
    output = torch.tensor([0.5, 0.1, 0.0, 0.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    found = pixel.masked_l2(output, torch.zeros(1, 3, 2, 2), hole_of("##", ".."))
    assert found == pytest.approx((0.25 + 0.01) / 2)


def test_partial_l1_divides_by_all_elements():
    output = torch.full((1, 3, 2, 2), 0.5)
    assert pixel.partial_l1(output, torch.zeros(1, 3, 2, 2), hole_of("#.", "..")) == pytest.approx(0.5 / 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_losses_of_a_batch_are_the_mean_of_its_parts(seed):
    draw = torch.Generator().manual_seed(seed)
    output, target = torch.rand(2, 4, 3, 6, 6, generator=draw).unbind(0)
    hole = (torch.rand(4, 1, 6, 6, generator=draw) < 0.4).float()
    for loss in (pixel.masked_l1, pixel.masked_l2, pixel.partial_l1, pixel.discounted_l1):
        parts = [loss(output[i : i + 1], target[i : i + 1], hole[i : i + 1]) for i in range(4)]
        assert loss(output, target, hole) == pytest.approx(torch.stack(parts).mean().item(), rel=1e-5)


def test_discount_falls_with_each_step_from_the_known_pixels():
    hole = hole_of(".....", ".###.", ".###.", ".###.", ".....")
    wanted = np.ones((5, 5))
    wanted[1:4, 1:4], wanted[2, 2] = 0.9, 0.81
    assert pixel.discount(hole, 0.9)[0, 0].numpy() == pytest.approx(wanted)


def test_discount_of_a_picture_without_known_pixels_is_one():
    assert torch.equal(pixel.discount(torch.ones(1, 1, 3, 3)), torch.ones(1, 1, 3, 3))


def test_discounted_l1_weighs_the_depth():
    hole = hole_of(".....", ".###.", ".###.", ".###.", ".....")
    found = pixel.discounted_l1(torch.ones(1, 3, 5, 5), torch.zeros(1, 3, 5, 5), hole, 0.9)
    assert found == pytest.approx((8 * 0.9 + 0.81) / 9)


def test_total_variation_of_a_ramp_is_its_slope():
    ramp = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 3, 4, 6) / 10
    assert variation.total_variation(ramp) == pytest.approx(0.1)


def test_hole_variation_counts_pairs_in_the_hole_grown_by_a_pixel():
    hole = hole_of(".....", ".....", "..#..", ".....", ".....")
    ramp = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 3, 5, 5)
    # The grown hole is 3 x 3: two pairs across in each of three rows, of difference 1; down there is none.
    assert variation.hole_variation(ramp, hole) == pytest.approx(3 * 6 / (3 * 25))

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.training.recipes.windows import around


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_hole_that_fits_is_seen_whole(data):
    side = data.draw(st.integers(1, 12))
    height, width = (data.draw(st.integers(1, side)) for _ in range(2))
    top, left = data.draw(st.integers(0, 12 - height)), data.draw(st.integers(0, 12 - width))
    hole = torch.zeros(2, 1, 12, 12)
    hole[0, 0, top : top + height, left : left + width] = 1
    hole[1, 0, 0, 0] = 1
    seen = around(hole, hole, side)
    assert seen.shape == (2, 1, side, side)
    assert seen[0].sum() == height * width and seen[1].sum() == 1


def test_the_middle_of_a_hole_that_is_too_large_is_seen():
    picture = torch.arange(64.0).view(1, 1, 8, 8)
    hole = torch.zeros(1, 1, 8, 8)
    hole[..., 1:7, 2:8] = 1
    assert torch.equal(around(picture, hole, 2), picture[..., 3:5, 4:6])


def test_gradients_reach_the_square_and_nothing_else():
    picture, hole = torch.rand(1, 3, 8, 8).requires_grad_(), torch.zeros(1, 1, 8, 8)
    hole[..., 6:, 6:] = 1
    around(picture, hole, 4).sum().backward()
    assert picture.grad is not None
    assert picture.grad[..., 4:, 4:].eq(1).all() and picture.grad.sum() == pytest.approx(48)

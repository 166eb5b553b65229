import pytest
import torch
from inpaint_lens.training.losses.latent import latent_l1


def test_it_is_the_mean_difference_and_moves_only_the_one_that_learns():
    features = torch.tensor([[1.0, 4.0]]).requires_grad_()
    wanted = torch.tensor([[2.0, 1.0]]).requires_grad_()
    loss = latent_l1(features, wanted)
    loss.backward()
    assert loss.item() == pytest.approx(2)
    assert features.grad is not None and wanted.grad is None

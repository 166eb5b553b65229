import pytest
import torch
from inpaint_lens.training.averages import Averages
from torch import nn


@pytest.mark.parametrize("tied", [False, True])
def test_an_average_moves_once_at_each_step_however_many_names_a_tensor_has(tied):
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    if tied:
        second.weight = first.weight
    network = nn.Sequential(first, second)
    averages = Averages({"generator": network}, ["generator"], decay=0.999)
    before = first.weight.detach().clone()
    with torch.no_grad():
        first.weight.add_(1.0)
    averages.update({"generator": network}, step=0)
    # At step 0 the decay is 1 / 10.
    assert torch.allclose(averages.networks["generator"].state_dict()["0.weight"], before + 0.9, atol=1e-6)

import pytest
import torch
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.losses.soft_mask import soft_mask
from inpaint_lens.training.recipes.aot_gan import AotGanRecipe

from .stubs import Answering, configured, flat_batch

TINY = {"name": "aot_gan", "width": 4, "blocks": 1, "sigma": 2.0}
LOSSES = {"l1": 1.0, "adversarial": 0.01}


@pytest.fixture
def recipe() -> AotGanRecipe:
    return AotGanRecipe(configured(TINY, LOSSES, 64))


def test_the_generators_loss_by_hand(recipe):
    scores = torch.full((1, 1, 6, 6), 0.25)
    recipe.networks |= {"generator": Answering(torch.full((1, 3, 64, 64), 0.75)), "discriminator": Answering(scores)}
    total, losses = recipe.phases(0)[0].loss(flat_batch(64, 32))
    assert losses["l1"].item() == pytest.approx(0.5)
    assert losses["adversarial"].item() == pytest.approx(0.75**2 * 0.25, rel=1e-4)
    assert total.item() == pytest.approx(0.5 + 0.01 * 0.75**2 * 0.25, rel=1e-4)


def test_the_discriminators_loss_by_hand(recipe):
    scores = torch.cat([torch.full((1, 1, 6, 6), 0.5), torch.full((1, 1, 6, 6), 0.25)])
    recipe.networks["discriminator"] = Answering(scores)
    batch = flat_batch(64, 32)
    total, _ = recipe.phases(0)[1].loss(batch)
    wanted = 0.5**2 + (0.25 - (1 - soft_mask(batch["hole"], (6, 6), 2.0))).square().mean().item()
    assert total.item() == pytest.approx(wanted, rel=1e-4)


def test_the_discriminator_learns_on_the_composite(recipe):
    seen = []
    recipe.networks["discriminator"].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    batch = flat_batch(64, 32)
    for phase in recipe.phases(0):
        phase.loss(batch)
    real, made = seen[-1].chunk(2)
    assert torch.allclose(real, torch.zeros_like(real))
    assert torch.equal(made * (1 - batch["hole"]), real * (1 - batch["hole"])) and not torch.equal(made, real)


@pytest.mark.parametrize("side", [32, 62])
def test_a_side_that_does_not_suit_the_network_is_refused(side):
    with pytest.raises(InputError, match="aot_gan takes multiples of 4 from 36 on"):
        AotGanRecipe(configured(TINY, LOSSES, side))

import pytest
import torch
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.losses.pixel import discount
from inpaint_lens.training.recipes.deepfill_v1 import DeepFillV1Recipe

from .stubs import Answering, Summing, configured, flat_batch

TINY = {"name": "deepfill_v1", "width": 2, "critic_width": 2, "critic_steps": 3, "local": 16}
LOSSES = {
    "discounted_coarse": 1.44,
    "discounted_fine": 1.2,
    "valid_coarse": 1.44,
    "valid_fine": 1.2,
    "wgan_global": 0.001,
    "wgan_local": 0.002,
}


@pytest.fixture
def recipe() -> DeepFillV1Recipe:
    return DeepFillV1Recipe(configured(TINY, LOSSES))


def test_the_generators_loss_by_hand(recipe):
    coarse, fine = torch.full((1, 3, 32, 32), 0.75), torch.full((1, 3, 32, 32), 0.6)
    recipe.networks |= {"generator": Answering(coarse, fine), "global": Summing(0.1), "local": Summing(0.2)}
    batch = flat_batch(32, 8)
    total, losses = recipe.phases(2)[-1].loss(batch)
    deep = discount(batch["hole"])[batch["hole"] > 0].mean().item()
    wanted = {
        "discounted_coarse": 0.5 * deep,
        "discounted_fine": 0.2 * deep,
        "valid_coarse": 0.5,
        "valid_fine": 0.2,
        "wgan_global": -0.1 * 0.2 * 3 * 64,
        "wgan_local": -0.2 * 0.2 * 3 * 64,
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)
    assert total.item() == pytest.approx(sum(LOSSES[name] * value for name, value in wanted.items()), rel=1e-4)


@pytest.mark.parametrize(("index", "name"), [(0, "global"), (1, "local")])
def test_a_critics_loss_by_hand(recipe, index, name):
    fill = torch.full((1, 3, 32, 32), 0.75)
    recipe.networks |= {"generator": Answering(fill, fill), name: Summing(0.1)}
    total, losses = recipe.phases(0)[index].loss(flat_batch(32, 8))
    wasserstein = 0.1 * 0.5 * 3 * 64
    # The gradient is 0.1 at each of the 3 * 64 values in the hole, and does not count elsewhere.
    penalty = (0.1 * (3 * 64) ** 0.5 - 1) ** 2
    assert losses[f"critic_{name}"].item() == pytest.approx(wasserstein, rel=1e-4)
    assert losses[f"penalty_{name}"].item() == pytest.approx(penalty, rel=1e-4)
    assert total.item() == pytest.approx(wasserstein + 10 * penalty, rel=1e-4)


def test_critics_learn_at_every_step_and_generators_at_every_third(recipe):
    names = [[phase.network for phase in recipe.phases(step)] for step in range(4)]
    critics = ["global", "local"]
    assert names == [critics, critics, [*critics, "generator"], critics]


def test_without_adversarial_losses_only_generators_learn():
    recipe = DeepFillV1Recipe(configured(TINY, {"discounted_fine": 1.0}))
    assert [phase.network for phase in recipe.phases(0)] == ["generator"]


def test_a_local_side_that_the_critic_cannot_halve_is_refused():
    with pytest.raises(InputError, match="local 24: give multiples of 16"):
        DeepFillV1Recipe(configured({**TINY, "local": 24}, LOSSES))


def test_a_loss_of_another_method_is_refused():
    with pytest.raises(InputError, match=r"\[losses\] deepfill_v1 has no loss 'valid': did you mean 'valid_fine'"):
        DeepFillV1Recipe(configured(TINY, {"valid": 1.0}))

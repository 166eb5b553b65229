import pytest
import torch
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.recipes.deepfill_v2 import DeepFillV2Recipe
from inpaint_lens.training.recipes.protocol import Batch

from .stubs import Answering, Summing, configured, flat_batch

TINY = {"name": "deepfill_v2", "width": 2, "critic_width": 2}
LOSSES = {"l1_coarse": 1.0, "l1_fine": 2.0, "adversarial": 0.5}


@pytest.fixture
def batch() -> Batch:
    edges = torch.zeros(2, 1, 64, 64)
    edges[..., 31, :] = 1
    return {**flat_batch(64, 16, (0.5, 0.5)), "edges": edges}


def test_the_losses_by_hand(batch):
    recipe = DeepFillV2Recipe(configured(TINY, LOSSES, 64))
    coarse, fine = torch.full((2, 3, 64, 64), 0.75), torch.full((2, 3, 64, 64), 0.6)
    recipe.networks |= {"generator": Answering(coarse, fine), "discriminator": Summing(0.001)}
    total, losses = recipe.phases(0)[0].loss(batch)
    # A true picture is 0 in [-1, 1], so the critic sums the fill and the hole.
    made = 0.001 * (3 * 0.2 + 1) * 256
    wanted = {"l1_coarse": 0.5, "l1_fine": 0.2, "adversarial": -made}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)
    assert total.item() == pytest.approx(0.5 + 2 * 0.2 - 0.5 * made, rel=1e-4)
    total, _ = recipe.phases(0)[1].loss(batch)
    assert total.item() == pytest.approx((1 - 0.001 * 256) + (1 + made), rel=1e-4)


def test_a_sketch_is_the_edges_in_the_hole_and_both_networks_see_it(batch):
    recipe = DeepFillV2Recipe(configured({**TINY, "sketch": True, "sketched": 1.0}, LOSSES, 64))
    generator, discriminator = recipe.networks["generator"], recipe.networks["discriminator"]
    seen = []
    generator.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[2]))
    discriminator.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][:, 4:]))
    for phase in recipe.phases(0):
        phase.loss(batch)
    sketch = batch["edges"] * batch["hole"]
    assert sketch.any()
    assert torch.equal(seen[0], sketch) and torch.equal(seen[1], sketch)
    assert torch.equal(seen[2], torch.cat([sketch, sketch]))


def test_some_pictures_have_no_lines(batch):
    recipe = DeepFillV2Recipe(configured({**TINY, "sketch": True, "sketched": 0.0}, LOSSES, 64))
    assert not recipe.drawn(batch).any()


def test_what_is_measured_is_filled_without_lines(batch):
    recipe = DeepFillV2Recipe(configured({**TINY, "sketch": True}, LOSSES, 64))
    network = recipe.networks["generator"].eval()
    without = {**batch, "edges": torch.zeros_like(batch["edges"])}
    assert torch.equal(recipe.fill(network, batch), recipe.fill(network, without))


def test_a_side_that_the_discriminator_cannot_halve_is_refused():
    with pytest.raises(InputError, match="side is 96: deepfill_v2 takes multiples of 64"):
        DeepFillV2Recipe(configured(TINY, LOSSES, 96))

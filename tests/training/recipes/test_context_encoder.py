import math

import pytest
import torch
from inpaint_lens.backends.nets.context_encoder import CENTRE
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.recipes.context_encoder import COVERAGE, ContextEncoderRecipe

from .stubs import Answering, configured, flat_batch

TINY = {"name": "context_encoder", "encoder": 2, "bottleneck": 4, "decoder": 2, "width": 2}
HOLES = {"kinds": {"centre": 1.0}, "coverage": [COVERAGE, COVERAGE]}
LOSSES = {"l2": 0.999, "adversarial": 0.001}


@pytest.fixture
def recipe() -> ContextEncoderRecipe:
    return ContextEncoderRecipe(configured(TINY, LOSSES, 128, holes=HOLES))


def test_the_generators_loss_is_that_of_equation_3(recipe):
    recipe.networks |= {
        "generator": Answering(torch.full((2, 3, 64, 64), 0.75)),
        "discriminator": Answering([[1.0], [-2.0]]),
    }
    total, losses = recipe.phases(0)[1].loss(flat_batch(128, 56, (0.5, 0.5)))
    ring = 64**2 - 56**2
    l2 = 0.5**2 * (56**2 + 10 * ring) / 64**2
    adversarial = (math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 2
    assert losses["l2"].item() == pytest.approx(l2)
    assert losses["adversarial"].item() == pytest.approx(adversarial)
    assert total.item() == pytest.approx(0.999 * l2 + 0.001 * adversarial)


def test_the_discriminators_loss_is_that_of_equation_2(recipe):
    recipe.networks["discriminator"] = Answering([[1.0], [-2.0]])
    total, _ = recipe.phases(0)[0].loss(flat_batch(128, 56, (0.5, 0.2)))
    real = (math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 2
    made = (math.log1p(math.exp(1)) + math.log1p(math.exp(-2))) / 2
    assert total.item() == pytest.approx(real + made)


def test_the_scores_are_those_of_the_published_discriminator_before_its_logistic(recipe):
    judge = recipe.networks["discriminator"].eval()
    centre = torch.rand(2, 3, 64, 64)
    assert torch.allclose(judge(centre).sigmoid(), judge.get_submodule("network")(centre))


def test_the_fill_is_in_the_centre_and_the_hole_is_not_seen(recipe):
    batch = flat_batch(128, 56, (0.5,))
    network = recipe.networks["generator"].eval()
    first = recipe.fill(network, batch)
    other = {**batch, "image": torch.where(batch["hole"] > 0, 1.0, batch["image"])}
    assert torch.equal(recipe.fill(network, other), first)
    assert (first - batch["image"])[..., CENTRE, CENTRE].abs().sum() > 0
    first[..., CENTRE, CENTRE] = 0.5
    assert torch.equal(first, batch["image"])


@pytest.mark.parametrize(
    ("side", "holes"), [(64, HOLES), (128, {}), (128, {"kinds": {"centre": 1.0}, "coverage": [0.2, 0.2]})]
)
def test_another_hole_than_the_networks_own_is_refused(side, holes):
    with pytest.raises(InputError, match="has one hole: set"):
        ContextEncoderRecipe(configured(TINY, LOSSES, side, holes=holes))

import math

import pytest
import torch
from inpaint_lens.backends.nets.glcic import glcic_discriminator_celeba, glcic_discriminator_places2
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.recipes.glcic import GlcicRecipe, GlcicSettings, Scores, discriminator

from .stubs import Answering, configured, flat_batch

TINY = {"name": "glcic", "width": 4, "features": 4, "completion_steps": 3, "discriminator_steps": 2}
LOSSES = {"l2_hole": 1.0, "adversarial": 4e-4}


@pytest.fixture
def recipe() -> GlcicRecipe:
    return GlcicRecipe(configured(TINY, LOSSES))


def test_the_schedule_is_that_of_algorithm_1(recipe):
    names = [[phase.network for phase in recipe.phases(step)] for step in range(7)]
    both = ["discriminator", "generator"]
    assert names == [["generator"]] * 3 + [["discriminator"]] * 2 + [both] * 2


def test_at_first_the_loss_is_the_squared_error_in_the_hole(recipe):
    recipe.networks["generator"] = Answering(torch.full((2, 3, 32, 32), 0.75))
    total, losses = recipe.phases(0)[0].loss(flat_batch(32, 8, (0.5, 0.25)))
    assert total.item() == pytest.approx((0.0625 + 0.25) / 2)
    assert set(losses) == {"l2_hole"}


def test_at_last_the_loss_is_that_of_equation_4(recipe):
    recipe.networks |= {
        "generator": Answering(torch.full((1, 3, 32, 32), 0.75)),
        "discriminator": Answering([[-2.0]]),
    }
    total, _ = recipe.phases(5)[1].loss(flat_batch(32, 8))
    assert total.item() == pytest.approx(0.0625 + 4e-4 * math.log1p(math.exp(2)))


def test_the_discriminator_sees_the_composite_and_a_square_around_its_hole(recipe):
    seen = []
    recipe.networks["generator"] = Answering(torch.full((1, 3, 32, 32), 0.75))
    judge = Answering([[0.5]])
    judge.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs))
    recipe.networks["discriminator"] = judge
    batch = flat_batch(32, 8)
    total, _ = recipe.phases(5)[0].loss(batch)
    assert total.item() == pytest.approx(math.log1p(math.exp(-0.5)) + math.log1p(math.exp(0.5)))
    (_, real), (crop, made) = seen
    assert torch.equal(real, batch["image"])
    assert torch.allclose(made, 0.5 + 0.25 * batch["hole"].expand(-1, 3, -1, -1))
    assert torch.equal(crop, made[..., 8:24, 8:24])


def test_scores_are_those_of_the_published_discriminator_before_its_logistic(recipe):
    judge = recipe.networks["discriminator"].eval()
    crop, image = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 32, 32)
    assert isinstance(judge, Scores)
    assert torch.allclose(judge(crop, image).sigmoid(), judge.network(crop, image))


@pytest.mark.parametrize(
    ("sides", "published"),
    [((96, 160), glcic_discriminator_celeba), ((128, 256), glcic_discriminator_places2)],
)
def test_discriminators_are_as_deep_as_the_published_ones(sides, published):
    with torch.device("meta"):
        known = published({})
        found = [discriminator(side, GlcicSettings("glcic")) for side in sides]
    for network, other in zip(found, (known.model_ld, known.model_gd), strict=True):
        shapes = [{key: value.shape for key, value in one.state_dict().items()} for one in (network, other)]
        assert shapes[0] == shapes[1]


def test_the_published_solver_is_adadelta_and_another_can_be_taken(recipe):
    assert {type(one) for one in recipe.optimisers.values()} == {torch.optim.Adadelta}
    other = GlcicRecipe(configured({**TINY, "solver": "configured"}, LOSSES))
    assert {type(one) for one in other.optimisers.values()} == {torch.optim.AdamW}


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match=r"\[data\] side is 18"):
        GlcicRecipe(configured(TINY, LOSSES, 36))

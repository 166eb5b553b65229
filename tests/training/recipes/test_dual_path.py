import pytest
import torch
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.discriminators import PatchDiscriminator
from inpaint_lens.training.recipes.dual_path import DualPathRecipe
from torch import Tensor, nn

from .stubs import Answering, configured, flat_batch

TINY = {"name": "dual_path", "width": 4, "critic_width": 2}
LOSSES = {
    "l1_reconstruction": 20.0,
    "l1_generation": 10.0,
    "wgan_reconstruction": 1.0,
    "wgan_generation": 2.0,
    "latent": 3.0,
}


class Critic(nn.Module):
    """Ten times the mean of the picture, as a patch discriminator gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(10.0))

    def forward(self, image: Tensor, _hole: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.slope * image.mean((1, 2, 3)).view(-1, 1, 1, 1), []


@pytest.fixture
def recipe() -> DualPathRecipe:
    return DualPathRecipe(configured(TINY, LOSSES, 64))


@pytest.fixture
def known(recipe) -> DualPathRecipe:
    """The recipe with networks whose answers are known."""
    flat = torch.ones(1, 3, 64, 64)
    recipe.networks |= {
        "generator": Answering(0.75 * flat, torch.full((1, 2, 2, 2), 3.0)),
        "reconstruction": Answering(0.6 * flat, torch.ones(1, 2, 2, 2)),
        "critic_generation": Critic(),
        "critic_reconstruction": Critic(),
    }
    return recipe


def test_both_paths_learn_and_then_what_judges_them(recipe):
    names = ["reconstruction", "generator", "critic_reconstruction", "critic_generation"]
    assert [phase.network for phase in recipe.phases(0)] == names


def test_the_losses_of_both_paths_by_hand(known):
    batch = flat_batch(64, 16)
    reconstruction, generation = (phase.loss for phase in known.phases(0)[:2])
    total, losses = reconstruction(batch)
    wanted = {"l1_reconstruction": 0.2, "wgan_reconstruction": -10 * (0.5 + 0.1 / 16)}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)
    assert total.item() == pytest.approx(20 * 0.2 - 10 * (0.5 + 0.1 / 16), rel=1e-4)
    total, losses = generation(batch)
    wanted = {"l1_generation": 0.5, "wgan_generation": -10 * (0.5 + 0.25 / 16), "latent": 2.0}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)
    assert total.item() == pytest.approx(10 * 0.5 + 2 * wanted["wgan_generation"] + 3 * 2.0, rel=1e-4)


@pytest.mark.parametrize(("index", "made"), [(2, 0.5 + 0.1 / 16), (3, 0.5 + 0.25 / 16)])
def test_what_judges_minimises_wgan_gp(known, index, made):
    batch = flat_batch(64, 16)
    phases = known.phases(0)
    for phase in phases[:2]:
        phase.loss(batch)
    total, _ = phases[index].loss(batch)
    # The score's slope is 10 / (2 n) at each of n values in [-1, 1], so the gradient's length is 5 / sqrt(n).
    penalty = (5 / (3 * 64 * 64) ** 0.5 - 1) ** 2
    assert total.item() == pytest.approx(10 * (made - 0.5) + 10 * penalty, rel=1e-4)


def test_the_paths_see_complementary_pictures(recipe):
    seen: dict[str, tuple[Tensor, ...]] = {}
    for name in ("reconstruction", "generator"):
        recipe.networks[name].register_forward_pre_hook(lambda _module, inputs, name=name: seen.update({name: inputs}))
    batch = flat_batch(64, 16)
    for phase in recipe.phases(0)[:2]:
        phase.loss(batch)
    (first, of_first), (second, of_second) = seen["reconstruction"], seen["generator"]
    assert torch.equal(first + second, batch["image"]) and torch.equal(of_first + of_second, torch.ones(1, 1, 64, 64))


def test_discriminators_have_five_layers(recipe):
    judge = recipe.networks["critic_generation"]
    assert isinstance(judge, PatchDiscriminator) and len(judge.hidden) + 1 == 5


def test_a_side_that_cannot_be_halved_five_times_is_refused():
    with pytest.raises(InputError, match="side is 48: dual_path takes multiples of 32"):
        DualPathRecipe(configured(TINY, LOSSES, 48))

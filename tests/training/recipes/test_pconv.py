import pytest
import torch
from inpaint_lens.imaging.errors import InputError, MissingError
from inpaint_lens.training.recipes.pconv import PconvRecipe

from .stubs import Answering, configured, flat_batch

TINY = {"name": "pconv", "width": 4, "stages": 3}
LOSSES = {"partial_valid": 1.0, "partial_hole": 6.0, "hole_variation": 0.1}


def test_the_loss_by_hand():
    recipe = PconvRecipe(configured(TINY, LOSSES))
    recipe.networks["generator"] = Answering(torch.full((1, 3, 32, 32), 0.75))
    total, losses = recipe.phases(0)[0].loss(flat_batch(32, 16))
    wanted = {
        "partial_valid": 0.25 * 0.75,
        "partial_hole": 0.25 * 0.25,
        # A step of 0.25 along 16 px on each of four sides, over all pixels (eq. 6).
        "hole_variation": 4 * 16 * 0.25 / 32**2,
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)
    assert total.item() == pytest.approx(sum(LOSSES[name] * value for name, value in wanted.items()), rel=1e-4)


def test_fine_tuning_holds_the_encoders_normalisation_and_not_the_decoders():
    recipe = PconvRecipe(configured({**TINY, "fine_tuning": True}, LOSSES))
    network = recipe.networks["generator"].train().get_submodule("network")
    (phase,) = recipe.phases(0)
    before = {key: value.clone() for key, value in network.state_dict().items() if "running_mean" in key}
    total, _ = phase.loss(flat_batch(32, 16))
    total.backward()
    after = {key: value for key, value in network.state_dict().items() if "running_mean" in key}
    moved = {key.split("_")[0] for key in after if not torch.equal(after[key], before[key])}
    assert moved == {"dec"}
    held = {name.split("_")[0] for name, one in network.named_parameters() if ".bn." in name and not one.requires_grad}
    assert held == {"enc"}


def test_without_fine_tuning_all_normalisation_learns():
    network = PconvRecipe(configured(TINY, LOSSES)).networks["generator"]
    assert all(one.requires_grad for name, one in network.named_parameters() if ".bn." in name)


def test_perceptual_and_style_need_vgg16():
    with pytest.raises(MissingError, match=r"\[losses\] perceptual needs the weights of VGG16"):
        PconvRecipe(configured(TINY, {**LOSSES, "perceptual": 0.05, "style": 120.0}))


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match="side is 36: 3 stages take multiples of 8"):
        PconvRecipe(configured(TINY, LOSSES, 36))

import pytest
import torch
import torchvision
from inpaint_lens.imaging.errors import MissingError, WeightsError
from inpaint_lens.training.losses import vgg
from inpaint_lens.training.losses.vgg19 import PERCEPTUAL, STYLE, Vgg19, Vgg19Losses
from safetensors.torch import save_file
from torch import nn


@pytest.fixture(scope="module")
def network():
    """VGG19 of torchvision with drawn weights, as far as it is needed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = list(torchvision.models.vgg19(weights=None).features.children())
        return nn.Sequential(*layers[:32]).eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file({f"features.{key}": value.contiguous() for key, value in network.state_dict().items()}, path)
    return path


def image(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


ENDS = {
    "relu1_1": 2,
    "relu2_1": 7,
    "relu2_2": 9,
    "relu3_1": 12,
    "relu3_4": 18,
    "relu4_1": 21,
    "relu4_4": 27,
    "relu5_1": 30,
    "relu5_2": 32,
}


@torch.no_grad()
def test_features_are_those_of_torchvision(network, weights):
    found = Vgg19(weights)(image(1))
    x = (image(1) - torch.tensor(vgg.MEAN)[:, None, None]) / torch.tensor(vgg.STD)[:, None, None]
    assert set(ENDS) == set(PERCEPTUAL) | set(STYLE)
    for layer, end in ENDS.items():
        assert torch.allclose(found[layer], network[:end](x), atol=1e-5), layer


def test_the_losses_by_hand_of_known_features(weights, monkeypatch):
    losses = Vgg19Losses(("perceptual", "style"), weights)
    # Each layer "sees" the mean colours, so that sums over layers are multiples of one number.
    monkeypatch.setattr(
        losses.vgg, "forward", lambda x: dict.fromkeys((*PERCEPTUAL, *STYLE), x.mean((2, 3), keepdim=True))
    )
    output, target, hole = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.25), torch.zeros(1, 1, 4, 4)
    hole[..., :2] = 1
    found = losses(output, target, hole)
    assert found["perceptual"].item() == pytest.approx(5 * 0.25)
    assert found["style"].item() == pytest.approx(4 * (0.25**2 - 0.125**2) / 3)


def test_gradients_reach_the_output_and_no_weight(weights):
    losses, output = Vgg19Losses(("perceptual", "style"), weights), image(1).requires_grad_()
    hole = torch.ones(1, 1, 32, 32)
    sum(losses(output, image(2), hole).values(), torch.zeros(())).backward()
    assert output.grad is not None and output.grad.any()
    assert not any(parameter.requires_grad for parameter in losses.parameters())


def test_a_file_of_vgg16_is_refused(tmp_path):
    layers = torchvision.models.vgg16(weights=None).features.state_dict()
    save_file({f"features.{key}": value for key, value in layers.items()}, tmp_path / "vgg16.safetensors")
    with pytest.raises(WeightsError, match=r"lacks 'features\.16\.weight': .* torchvision's VGG19"):
        Vgg19(tmp_path / "vgg16.safetensors")


def test_weights_that_are_needed_and_not_named_are_told():
    with pytest.raises(MissingError, match=r"\[losses\] style needs the weights of VGG19"):
        Vgg19Losses(("style",), None)


def test_without_a_loss_nothing_is_loaded():
    assert Vgg19Losses((), None)(image(1), image(2), torch.ones(1, 1, 32, 32)) == {}

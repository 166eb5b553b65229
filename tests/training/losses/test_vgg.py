import pytest
import torch
import torchvision
from inpaint_lens.evaluation.perceptual import Lpips
from inpaint_lens.imaging.errors import InputError, MissingError, WeightsError
from inpaint_lens.training.config import VggSettings
from inpaint_lens.training.losses import vgg
from inpaint_lens.training.losses.registry import TERMS, Terms, check_names
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def network():
    """VGG16 of torchvision with drawn weights that keep the features alive."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.vgg16(weights=None).features.eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    state = {f"features.{key}": value.contiguous() for key, value in network.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for level, width in enumerate((64, 128, 256, 512, 512)):
        state[f"lin{level}.model.1.weight"] = torch.rand(1, width, 1, 1, generator=generator)
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(state, path)
    return path


def image(seed: int, size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_features_are_those_of_torchvision(network, weights):
    layers = ("relu1_2", "pool1", "relu3_1", "pool3", "relu5_3")
    found = vgg.Vgg16(weights, layers)(image(1))
    x = (image(1) - torch.tensor(vgg.MEAN)[:, None, None]) / torch.tensor(vgg.STD)[:, None, None]
    ends = dict(zip(layers, (4, 5, 12, 17, 30), strict=True))
    for layer, end in ends.items():
        assert torch.allclose(found[layer], network[:end](x), atol=1e-5), layer


def test_layers_that_nobody_asks_for_are_not_made(weights):
    assert len(vgg.Vgg16(weights, ("pool2",)).convolutions) == 4


def test_a_file_without_the_convolutions_is_told(tmp_path):
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"features\.0\.bias"):
        vgg.Vgg16(tmp_path / "x.safetensors", ("pool1",))


def test_gram_of_a_tiny_map():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert torch.allclose(vgg.gram(features), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)


def test_perceptual_is_the_sum_of_mean_differences():
    output = {"pool1": torch.ones(1, 2, 2, 2), "pool2": torch.full((1, 4, 1, 1), 3.0)}
    target = {name: torch.zeros_like(value) for name, value in output.items()}
    assert vgg.perceptual(output, target, ("pool1", "pool2")) == pytest.approx(1 + 3)


def test_style_of_a_tiny_map():
    output = {"pool1": torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])}
    target = {"pool1": torch.zeros(1, 2, 1, 2)}
    assert vgg.style(output, target, ("pool1",)) == pytest.approx((5 + 11 + 11 + 25) / 4 / 4)


def test_style_does_not_see_where_things_are(weights):
    features = vgg.Vgg16(weights, ("relu1_1",))(image(1))
    moved = {"relu1_1": features["relu1_1"].roll(5, 3)}
    assert vgg.style(moved, features, ("relu1_1",)) == pytest.approx(0, abs=1e-6)


def test_lpips_is_that_of_the_lpips_package(weights):
    terms = Terms({"lpips": 1.0}, VggSettings(weights))
    first, second = image(1), image(2)
    found = terms(first, second, torch.ones(2, 1, 32, 32))["lpips"]
    package = Lpips(weights, "vgg")
    arrays = [(x * 255).round().byte().permute(0, 2, 3, 1).numpy() for x in (first, second)]
    wanted = sum(package.whole(a, b) for a, b in zip(*arrays, strict=True)) / 2
    assert found == pytest.approx(wanted, rel=0.01)


def test_lpips_in_the_hole_is_divided_by_its_share(weights):
    terms = Terms({"lpips": 1.0, "lpips_hole": 1.0}, VggSettings(weights, levels=2))
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., :8] = 1
    found = terms(image(1), image(2), hole)
    assert found["lpips_hole"] == pytest.approx(4 * found["lpips"].item(), rel=1e-5)


def test_every_loss_vanishes_for_the_true_picture(weights):
    flat = torch.full((2, 3, 32, 32), 0.4)
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., 8:20, 8:20] = 1
    losses = Terms(dict.fromkeys(TERMS, 1.0), VggSettings(weights))(flat, flat, hole)
    assert set(losses) == set(TERMS)
    assert all(loss == pytest.approx(0, abs=1e-6) for loss in losses.values())


@pytest.mark.parametrize("name", sorted(TERMS))
def test_every_loss_gives_gradients_to_the_output(weights, name):
    output = image(1).requires_grad_()
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., 8:20, 8:20] = 1
    terms = Terms({name: 2.0}, VggSettings(weights))
    losses = terms(output, image(2), hole)
    total = terms.total(losses)
    total.backward()
    assert total.item() == pytest.approx(2 * losses[name].item())
    assert output.grad is not None and output.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in terms.parameters())


def test_vgg_is_not_asked_for_without_need():
    assert Terms({"l1": 1.0, "perceptual": 0.0}, VggSettings()).vgg is None


def test_vgg_that_is_needed_and_not_named_is_told():
    with pytest.raises(MissingError, match=r"\[losses\] style needs .* \[vgg\] weights"):
        Terms({"style": 1.0}, VggSettings())


def test_an_unknown_loss_is_told_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'l1_hole'"):
        check_names({"l1_holes": 1.0})

import pytest
import torch
from inpaint_lens.training.losses import PerceptualVgg, hole_l1
from safetensors.torch import save_file

CHANNELS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    generator = torch.Generator().manual_seed(0)
    state = {}
    for index, (into, out) in CHANNELS.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, 3, 3, generator=generator).half() / (3 * into**0.5)
        state[f"features.{index}.bias"] = torch.zeros(out).half()
    for level, width in enumerate((64, 128, 256)):
        state[f"lin{level}.model.1.weight"] = torch.rand(1, width, 1, 1, generator=generator).half()
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(state, path)
    return PerceptualVgg(path)


def test_hole_l1_is_the_mean_over_the_pixels_of_the_hole():
    hole = torch.zeros(1, 1, 4, 4)
    hole[..., :2, :2] = 1
    output = torch.full((1, 3, 4, 4), 0.75)
    output[..., 3, 3] = 99
    assert hole_l1(output, torch.full((1, 3, 4, 4), 0.5), hole) == pytest.approx(0.25)


def test_hole_l1_of_no_hole_is_zero():
    assert hole_l1(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)) == 0


def test_perceptual_distance_of_a_picture_to_itself_is_zero(vgg):
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert vgg(image, image) == pytest.approx(0, abs=1e-8)


def test_perceptual_distance_grows_with_blur(vgg):
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    little = 0.7 * image + 0.3 * image.roll(1, 3)
    much = 0.5 * image + 0.5 * image.roll(1, 3)
    assert 0 < vgg(little, image) < vgg(much, image)


def test_perceptual_loss_gives_gradients_to_the_output_only(vgg):
    output = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)).requires_grad_()
    vgg(output, torch.zeros(1, 3, 32, 32)).backward()
    assert output.grad is not None and output.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in vgg.parameters())

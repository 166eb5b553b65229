import pytest
import torch
from inpaint_lens.backends import BackendInfo
from inpaint_lens.backends.nets.pconv import PartialUNet, Stage
from inpaint_lens.backends.pconv import from_state_dict
from inpaint_lens.imaging.errors import WeightsError
from inpaint_lens.imaging.size_rule import SizeRule
from torch import Tensor

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
INFO = BackendInfo(
    name="pconv",
    title="Partial convolutions",
    loader="inpaint_lens.backends.pconv:load",
    licence="MIT",
    commercial_use=True,
    size_rule=SizeRule(minimum=128, multiple_of=128, largest=512),
    differentiable=True,
    learned=True,
    weights=("pconv",),
    networks=("inpaint_lens.backends.nets.pconv:pconv_unet",),
)
STAGES = (Stage(6, 7), Stage(8, 5), Stage(8, 5), *(Stage(8, 3),) * 2)


def random_state(stages: tuple[Stage, ...]) -> dict[str, Tensor]:
    """Random weights, as large as the missing factor for the window's size makes them."""
    random = torch.Generator().manual_seed(5)
    state = PartialUNet(stages).state_dict()
    for key, value in state.items():
        if "input_conv" in key:
            fan_in = value[0].numel()
            state[key] = torch.randn(value.shape, generator=random) * fan_in**0.5
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state(STAGES)


@torch.no_grad()
def test_the_network_sees_normalised_colours_and_where_they_are_valid(state, image, hole, exclude):
    backend = from_state_dict(INFO, state, "cpu")
    seen = []
    network = backend.module.get_submodule("network")
    hook = network.register_forward_hook(lambda _module, inputs, output: seen.append((inputs, output)))
    output = backend(image, hole, exclude=exclude)
    hook.remove()
    ((picture, valid), (raw, _)) = seen[0]
    known = (1 - torch.maximum(hole, exclude)).expand_as(image)
    assert torch.equal(valid, known)
    assert torch.allclose(picture, (image - MEAN) / STD * known, atol=1e-6)
    assert torch.allclose((output - MEAN) / STD, raw, atol=1e-4)


@torch.no_grad()
def test_a_picture_without_a_known_pixel_gives_the_mean_colour(state, image, hole):
    output = from_state_dict(INFO, state, "cpu")(image, torch.ones_like(hole))
    assert torch.allclose(output, MEAN.expand_as(output))


def test_the_depth_of_the_weights_tells_the_sizes(state):
    backend = from_state_dict(INFO, state, "cpu")
    assert backend.info.size_rule == SizeRule(minimum=32, multiple_of=32, largest=512)
    published = random_state((Stage(2, 3),) * 7)
    assert from_state_dict(INFO, published, "cpu").info.size_rule == INFO.size_rule


def test_gradients_reach_the_known_pixels_only(state, image, hole, exclude):
    backend = from_state_dict(INFO, state, "cpu")
    image.requires_grad_()
    (backend(image, hole, exclude=exclude) * hole).sum().backward()
    hidden = torch.maximum(hole, exclude) > 0
    assert image.grad is not None
    assert not image.grad[hidden.expand_as(image)].any()
    assert image.grad[..., :10, :20].abs().sum() > 0


def test_gradients_agree_with_finite_differences(state, image, hole):
    backend = from_state_dict(INFO, state, "cpu")
    backend.module.double()
    image, hole = image.double().requires_grad_(), hole.double()

    def total(picture: Tensor) -> Tensor:
        return (backend(picture, hole) * hole).square().sum()

    (gradient,) = torch.autograd.grad(total(image), image)
    for place in ((0, 0, 19, 22), (0, 1, 33, 30), (0, 2, 25, 12)):
        step = torch.zeros_like(image)
        step[place] = 1e-6
        with torch.no_grad():
            slope = (total(image + step) - total(image - step)) / 2e-6
        assert abs(slope) > 0
        assert gradient[place].item() == pytest.approx(slope.item(), rel=1e-3)


def test_weights_of_another_shape_are_refused(state):
    wrong = {**state, "dec_1.conv.input_conv.weight": torch.zeros(3, 5, 3, 3)}
    with pytest.raises(WeightsError, match=r"'dec_1\.conv\.input_conv\.weight' has the shape \(3, 5, 3, 3\)"):
        from_state_dict(INFO, wrong, "cpu")

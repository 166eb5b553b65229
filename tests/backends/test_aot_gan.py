import pytest
import torch
from inpaint_lens.backends.aot_gan import from_state_dict, load
from inpaint_lens.backends.nets.aot_gan import AOTGenerator
from inpaint_lens.backends.protocol import BackendInfo
from inpaint_lens.imaging.errors import MissingError, WeightsError
from inpaint_lens.imaging.size_rule import SizeRule

INFO = BackendInfo(
    name="aot-gan",
    title="AOT-GAN",
    loader="inpaint_lens.backends.aot_gan:load",
    licence="unknown",
    commercial_use=False,
    size_rule=SizeRule(minimum=36, multiple_of=4, largest=512),
    differentiable=True,
    learned=True,
    weights=("aot-gan",),
    networks=("inpaint_lens.backends.nets.aot_gan:generator",),
)


@pytest.fixture
def network() -> AOTGenerator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AOTGenerator(width=8, blocks=1).eval().requires_grad_(False)


@pytest.fixture
def backend(network):
    return from_state_dict(INFO, network.state_dict(), "cpu")


@torch.no_grad()
def test_the_network_sees_a_white_hole_and_its_output_comes_back_in_zero_to_one(backend, network, image, hole, exclude):
    hidden = torch.maximum(hole, exclude)
    expected = network((2 * image - 1) * (1 - hidden) + hidden, hidden)
    assert torch.allclose(backend(image, hole, exclude=exclude), (expected + 1) / 2, atol=1e-6)


@torch.no_grad()
def test_colours_that_are_hidden_do_not_change_the_fill(backend, image, hole, exclude):
    hidden = torch.maximum(hole, exclude)
    other = torch.where(hidden > 0, 1 - image, image)
    assert torch.equal(backend(image, hole, exclude=exclude), backend(other, hole, exclude=exclude))


def test_gradients_are_the_slopes_of_the_fill_and_nothing_where_pixels_are_hidden(backend, image, hole, exclude):
    backend.module.double()
    image, hole, exclude = image.double().requires_grad_(), hole.double(), exclude.double()

    def total(picture):
        return (backend(picture, hole, exclude=exclude) * hole).sum()

    (gradient,) = torch.autograd.grad(total(image), image)
    hidden = torch.maximum(hole, exclude).expand_as(image) > 0
    assert not gradient[hidden].any()
    for index in gradient.abs().flatten().topk(3).indices:
        step = torch.zeros_like(image).flatten().index_fill(0, index, 1e-6).view_as(image)
        with torch.no_grad():
            slope = (total(image + step) - total(image - step)) / 2e-6
        assert slope == pytest.approx(gradient.flatten()[index].item(), rel=1e-4)


def test_weights_of_another_network_are_refused_in_one_sentence(network):
    state = network.state_dict()
    state.pop("middle.0.gate.1.bias")
    with pytest.raises(WeightsError, match=r"1 of 24 keys are missing, first 'middle\.0\.gate\.1\.bias'"):
        from_state_dict(INFO, state, "cpu")
    with pytest.raises(WeightsError, match="aot-gan do not fit"):
        from_state_dict(INFO, {"conv.weight": torch.zeros(3)}, "cpu")


def test_missing_weights_are_named():
    with pytest.raises(MissingError, match="aot-gan"):
        load(INFO, "cpu")

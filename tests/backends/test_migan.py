import pytest
import torch
from inpaint_lens.backends.migan import from_state_dict, load
from inpaint_lens.backends.nets.migan import MIGAN
from inpaint_lens.backends.protocol import BackendInfo
from inpaint_lens.imaging.errors import MissingError, WeightsError
from inpaint_lens.imaging.size_rule import SizeRule

INFO = BackendInfo(
    name="migan-torch",
    title="MI-GAN",
    loader="inpaint_lens.backends.migan:load",
    licence="MIT",
    commercial_use=True,
    size_rule=SizeRule(fixed=512),
    differentiable=True,
    learned=True,
    weights=("migan-torch",),
    networks=("inpaint_lens.backends.nets.migan:generator",),
)


@pytest.fixture
def network() -> MIGAN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MIGAN({4: 16, 8: 16, 16: 12, 32: 12, 64: 8}).eval().requires_grad_(False)


@pytest.fixture
def backend(network):
    return from_state_dict(INFO, network.state_dict(), "cpu")


def test_the_size_is_that_of_the_weights(backend):
    assert backend.info.size_rule == SizeRule(fixed=64)
    assert backend.info.size_rule.fit(40, 50) == (64, 64)


@torch.no_grad()
def test_the_network_sees_the_mask_first_and_a_grey_hole(backend, network, image, hole, exclude):
    known = 1 - torch.maximum(hole, exclude)
    expected = network(torch.cat([known - 0.5, (2 * image - 1) * known], 1))
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
    state["encoder.b4.conv2.conv2.weight"] = torch.zeros(3, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"'encoder\.b4\.conv2\.conv2\.weight' has the shape \(3, 3, 1, 1\)"):
        from_state_dict(INFO, state, "cpu")
    with pytest.raises(WeightsError, match="migan-torch do not fit"):
        from_state_dict(INFO, {"conv.weight": torch.zeros(3)}, "cpu")


def test_missing_weights_are_named(monkeypatch, tmp_path):
    catalog = tmp_path / "catalog.toml"
    lines = ["[migan-torch]", 'title = "MI-GAN"', 'source = "https"', 'url = "https://127.0.0.1/migan.pt"']
    lines += ['licence = "MIT"', "commercial_use = true", 'format = "pytorch"', 'purpose = "inpaint"']
    catalog.write_text("\n".join([*lines, 'use = "tests"', 'upstream = "none"']))
    monkeypatch.setenv("INPAINT_LENS_CATALOG", str(catalog))
    with pytest.raises(MissingError, match="migan-torch"):
        load(INFO, "cpu")

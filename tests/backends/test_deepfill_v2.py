from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends.deepfill_v2 import from_state_dict, zhaoyuzhi_from_state_dict
from inpaint_lens.backends.nets.deepfill_v2 import DeepFillV2, DeepFillV2Pt
from inpaint_lens.backends.nets.deepfill_v2_zhaoyuzhi import DeepFillV2Zhaoyuzhi
from inpaint_lens.backends.protocol import BackendInfo, Setting
from inpaint_lens.imaging.errors import Cancelled, InputError, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.imaging.size_rule import SizeRule

GOLDEN = Path(__file__).parents[1] / "golden"
TENSORFLOW = BackendInfo(
    name="deepfill-v2",
    title="DeepFill v2",
    loader="inpaint_lens.backends.deepfill_v2:load",
    licence="CC-BY-NC-4.0",
    commercial_use=False,
    size_rule=SizeRule(minimum=64, multiple_of=8, largest=512),
    differentiable=True,
    weights=("deepfill-v2",),
    networks=("inpaint_lens.backends.nets.deepfill_v2:deepfill_v2",),
    guide="sketch",
    settings=(Setting("fuse", True, "copy neighbouring patches from neighbouring places"),),
)
PYTORCH = replace(
    TENSORFLOW,
    name="deepfill-v2-pt",
    weights=("deepfill-v2-pt",),
    networks=("inpaint_lens.backends.nets.deepfill_v2:deepfill_v2_pt",),
    settings=(),
)
ZHAOYUZHI = replace(
    PYTORCH,
    name="deepfill-v2-zhaoyuzhi",
    weights=("deepfill-v2-zhaoyuzhi",),
    networks=("inpaint_lens.backends.nets.deepfill_v2_zhaoyuzhi:deepfill_v2_zhaoyuzhi",),
    guide="",
)
KINDS = {
    "deepfill-v2": (TENSORFLOW, DeepFillV2, from_state_dict),
    "deepfill-v2-pt": (PYTORCH, DeepFillV2Pt, from_state_dict),
    "deepfill-v2-zhaoyuzhi": (ZHAOYUZHI, DeepFillV2Zhaoyuzhi, zhaoyuzhi_from_state_dict),
}


def lively(network):
    """Weights with which a signal keeps its strength through the layers."""
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 2.3 * weight[0].numel() ** -0.5, generator=generator)
    return network.eval()


def made(name, *arguments):
    """A narrow backend, and its network."""
    info, kind, make = KINDS[name]
    network = lively(kind(4, *arguments))
    return make(info, network.state_dict(), "cpu"), network.requires_grad_(False)


def inside(backend):
    """The network that the backend itself holds."""
    return backend.module if hasattr(backend, "module") else backend._network.module


@pytest.fixture
def lines():
    """A drawn line across the picture and through the hole, `[1, 1, 64, 64]`."""
    lines = torch.zeros(1, 1, 64, 64)
    lines[..., 26, :] = 1
    return lines


def golden(name):
    with np.load(GOLDEN / name / "io.npz") as data:
        return {key: torch.from_numpy(data[key]) for key in data.files}


@pytest.mark.parametrize("name", ["deepfill-v2", "deepfill-v2-pt"])
@torch.no_grad()
def test_the_network_sees_what_the_published_code_gives_it(name):
    data = golden({"deepfill-v2": "deepfillv2_tf", "deepfill-v2-pt": "deepfillv2_pt"}[name])
    backend, network = made(name)
    seen = []
    first = next(module for module in inside(backend).modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    output = backend(data["image"], data["mask"])
    assert torch.allclose(seen[0], data["net_input"], atol=1e-6)
    assert torch.allclose(output * 2 - 1, network(data["image"] * 2 - 1, data["mask"]), atol=1e-5)


@torch.no_grad()
def test_the_simplified_network_sees_a_white_hole_then_the_mask(image, hole):
    backend, network = made("deepfill-v2-zhaoyuzhi")
    seen = []
    backend.module.coarse.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    output = backend(image, hole)
    assert torch.allclose(seen[0], torch.cat([(image * 2 - 1) * (1 - hole) + hole, hole], 1), atol=1e-6)
    assert torch.allclose(output * 2 - 1, network(image * 2 - 1, hole), atol=1e-5)


@torch.no_grad()
def test_neighbours_are_fused_unless_told_not_to(image, hole):
    backend, network = made("deepfill-v2")
    fused, apart = (network(image * 2 - 1, hole, fuse=fuse) for fuse in (True, False))
    assert not torch.allclose(fused, apart, atol=1e-3)
    assert torch.allclose(backend(image, hole) * 2 - 1, fused, atol=1e-5)
    assert torch.allclose(backend(image, hole, settings={"fuse": True}) * 2 - 1, fused, atol=1e-5)
    assert torch.allclose(backend(image, hole, settings={"fuse": False}) * 2 - 1, apart, atol=1e-5)


@pytest.mark.parametrize("name", ["deepfill-v2", "deepfill-v2-pt"])
@torch.no_grad()
def test_lines_inside_the_hole_change_the_fill_and_others_do_not(name, image, hole, exclude, lines):
    backend, _ = made(name, 6)
    blank = backend(image, hole, exclude=exclude)
    assert not torch.allclose(backend(image, hole, exclude=exclude, guide=lines), blank, atol=1e-3)
    assert torch.equal(backend(image, hole, exclude=exclude, guide=lines * (1 - hole)), blank)
    assert torch.equal(
        backend(image, hole, exclude=exclude, guide=lines * hole), backend(image, hole, exclude=exclude, guide=lines)
    )


@torch.no_grad()
def test_the_line_comes_between_the_picture_and_the_ones(image, hole, lines):
    backend, _ = made("deepfill-v2", 6)
    seen = []
    inside(backend).conv1.conv.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    backend(image, hole, guide=lines)
    known = (image * 2 - 1) * (1 - hole)
    assert torch.allclose(seen[0], torch.cat([known, lines * hole, torch.ones_like(hole), hole], 1), atol=1e-6)


@pytest.mark.parametrize("name", ["deepfill-v2", "deepfill-v2-pt"])
def test_weights_without_a_sketch_channel_refuse_lines(name, image, hole, lines):
    backend, _ = made(name)
    with pytest.raises(InputError, match=f"{name} were trained without a sketch channel: give weights with six"):
        backend(image, hole, guide=lines)


@pytest.mark.parametrize("name", KINDS)
@torch.no_grad()
def test_excluded_pixels_are_hidden_as_the_hole_is(name, image, hole, exclude):
    backend, _ = made(name)
    output = backend(image, hole, exclude=exclude)
    assert torch.equal(output, backend(torch.where(exclude > 0, 0.9, image), hole, exclude=exclude))
    assert not torch.allclose(output, backend(image, hole), atol=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_reach_known_pixels_only_and_are_those_of_finite_differences(name, image, hole, exclude):
    backend, _ = made(name)
    inside(backend).double()
    image, hole, exclude = image.double(), hole.double(), exclude.double()

    def value(picture):
        return (backend(picture, hole, exclude=exclude) * hole).square().sum()

    picture = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(picture), picture)
    assert not (gradient * torch.maximum(hole, exclude)).any()
    assert gradient.abs().sum() > 0
    for y, x in ((16, 24), (33, 30), (25, 20)):
        step = torch.zeros_like(image)
        # Small, since a step over a kink of an activation gives another slope.
        step[0, 1, y, x] = 1e-8
        with torch.no_grad():
            slope = (value(image + step) - value(image - step)) / 2e-8
        assert gradient[0, 1, y, x].item() == pytest.approx(slope.item(), rel=1e-3, abs=1e-5)


def test_a_fill_can_be_stopped_between_layers(image, hole):
    backend, _ = made("deepfill-v2")
    token, shares = CancelToken(), []

    def listen(_stage, share):
        shares.append(share)
        if len(shares) == 20:
            token.cancel()

    with pytest.raises(Cancelled):
        backend(image, hole, monitor=Monitor(listen, token))
    assert shares == sorted(shares)
    assert len(shares) == 20


@pytest.mark.parametrize("name", KINDS)
def test_weights_that_lack_layers_are_refused_in_one_sentence(name):
    info, kind, make = KINDS[name]
    state = dict(kind(4).state_dict())
    first = next(iter(state))
    del state[first]
    with pytest.raises(WeightsError, match=f"{name} do not fit: 1 of .* keys are missing, first '{first}'"):
        make(info, state, "cpu")


def test_weights_of_the_simplified_network_for_grey_pictures_are_refused():
    state = dict(DeepFillV2Zhaoyuzhi(4).state_dict())
    for stage in ("coarse", "refinement"):
        for branch in ("conv2d", "mask_conv2d"):
            state[f"{stage}.0.{branch}.weight"] = state[f"{stage}.0.{branch}.weight"][:, :2]
    with pytest.raises(WeightsError, match=r"'coarse.0.conv2d.weight' has the shape \(4, 2, 7, 7\), expected"):
        zhaoyuzhi_from_state_dict(ZHAOYUZHI, state, "cpu")

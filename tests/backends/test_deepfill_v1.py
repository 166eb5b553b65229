from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends.deepfill_v1 import from_state_dict
from inpaint_lens.backends.nets.deepfill_v1 import DeepFillV1
from inpaint_lens.backends.protocol import BackendInfo
from inpaint_lens.imaging.errors import WeightsError
from inpaint_lens.imaging.size_rule import SizeRule

GOLDEN = Path(__file__).parents[1] / "golden" / "deepfillv1_generator" / "io.npz"
INFO = BackendInfo(
    name="deepfill-v1",
    title="DeepFill v1",
    loader="inpaint_lens.backends.deepfill_v1:load",
    licence="MIT",
    commercial_use=False,
    size_rule=SizeRule(minimum=64, multiple_of=8, largest=512),
    differentiable=True,
    weights=("deepfill-v1",),
    networks=("inpaint_lens.backends.nets.deepfill_v1:deepfill_v1",),
)


@pytest.fixture
def backend():
    network = DeepFillV1(8)
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 1.2 * weight[0].numel() ** -0.5, generator=generator)
    return from_state_dict(INFO, network.state_dict(), "cpu")


@torch.no_grad()
def test_the_network_sees_a_grey_hole_then_ones_then_the_mask(backend):
    golden = {name: torch.from_numpy(value) for name, value in np.load(GOLDEN).items()}
    seen = []
    first = backend.module.get_submodule("coarse_generator.conv1")
    hook = first.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    output = backend(golden["image"], golden["mask"])
    hook.remove()
    known = (golden["image"] * 2 - 1) * (1 - golden["mask"])
    assert torch.allclose(seen[0], torch.cat([known, torch.ones_like(golden["mask"]), golden["mask"]], 1), atol=1e-6)
    plain = backend.module(golden["image"] * 2 - 1, golden["mask"])
    assert torch.allclose(output, (plain + 1) / 2, atol=1e-6)


@torch.no_grad()
def test_excluded_pixels_are_hidden_as_the_hole_is(backend, image, hole, exclude):
    output = backend(image, hole, exclude=exclude)
    assert torch.equal(output, backend(torch.where(exclude > 0, 0.9, image), hole, exclude=exclude))
    assert not torch.allclose(output, backend(image, hole), atol=1e-3)


def test_gradients_reach_known_pixels_only_and_are_those_of_finite_differences(backend, image, hole, exclude):
    backend.module.double()
    image, hole, exclude = image.double(), hole.double(), exclude.double()

    def value(picture):
        return (backend(picture, hole, exclude=exclude) * hole).square().sum()

    picture = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(picture), picture)
    hidden = torch.maximum(hole, exclude)
    assert not (gradient * hidden).any()
    assert gradient.abs().sum() > 0
    for y, x in ((16, 24), (33, 30), (25, 20)):
        step = torch.zeros_like(image)
        # Small, since a step over a kink of an activation gives another slope.
        step[0, 1, y, x] = 1e-8
        with torch.no_grad():
            slope = (value(image + step) - value(image - step)) / 2e-8
        assert gradient[0, 1, y, x].item() == pytest.approx(slope.item(), rel=1e-3, abs=1e-5)


def test_weights_of_another_network_are_refused_in_one_sentence(backend):
    state = backend.module.state_dict()
    part = {key: value for key, value in state.items() if "pmconv" not in key}
    with pytest.raises(WeightsError, match="deepfill-v1 do not fit: 16 of 84 keys are missing"):
        from_state_dict(INFO, part, "cpu")
    with pytest.raises(WeightsError, match="do not fit"):
        from_state_dict(INFO, {"conv.weight": torch.zeros(3, 3)}, "cpu")

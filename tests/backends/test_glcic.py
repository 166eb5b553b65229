from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends import BackendInfo
from inpaint_lens.backends.architectures import fitted, shapes_of
from inpaint_lens.backends.glcic import CELEBA_MEAN, from_state_dict
from inpaint_lens.backends.nets.glcic import CompletionNetwork
from inpaint_lens.imaging.errors import WeightsError
from inpaint_lens.imaging.size_rule import SizeRule
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden" / "glcic_completion" / "io.npz"
INFO = BackendInfo(
    name="glcic",
    title="GLCIC",
    loader="inpaint_lens.backends.glcic:load",
    licence="none stated",
    commercial_use=False,
    size_rule=SizeRule(minimum=32, multiple_of=4, largest=256),
    differentiable=True,
    learned=True,
    weights=("glcic",),
    networks=("inpaint_lens.backends.nets.glcic:glcic_completion",),
)


@pytest.fixture
def state() -> dict[str, Tensor]:
    """Random weights of a network with few channels, large enough that every layer has an effect."""
    random = torch.Generator().manual_seed(5)
    shapes = shapes_of(CompletionNetwork((4, 6, 6, *(8,) * 9, 6, 6, 4, 3, 3)).state_dict())
    return {key: drawn(key, shape, random) for key, shape in shapes.items()}


def drawn(key: str, shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    normal = torch.randn(shape, generator=random)
    if len(shape) > 1:
        return 1.3 * normal / normal[0].numel() ** 0.5
    return 0.1 * normal + (1.0 if key.startswith("bn") and key.endswith(("weight", "running_var")) else 0.3)


def seen_by_network(backend, *args: Tensor, **options: Tensor) -> Tensor:
    seen = []
    hook = backend.module.network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    backend(*args, **options)
    hook.remove()
    return seen[0]


def test_the_network_sees_what_it_saw_in_training(state):
    with np.load(GOLDEN) as data:
        image, mask, expected = (torch.from_numpy(data[name]) for name in ("image", "mask", "net_input"))
    backend = from_state_dict(INFO, state, "cpu", mean=(0.51, 0.43, 0.38))
    assert torch.allclose(seen_by_network(backend, image, mask), expected, atol=1e-6)


def test_hidden_pixels_show_the_mean_of_the_published_training_set(state, image, hole, exclude):
    backend = from_state_dict(INFO, state, "cpu")
    seen = seen_by_network(backend, image, hole, exclude=exclude)
    hidden = torch.maximum(hole, exclude)
    assert torch.equal(seen[:, 3:], hidden)
    assert torch.allclose(seen[:, :3] * hidden, torch.tensor(CELEBA_MEAN).view(1, 3, 1, 1) * hidden)
    assert torch.equal(seen[:, :3] * (1 - hidden), image * (1 - hidden))


@torch.no_grad()
def test_the_output_is_the_networks_own(state, image, hole):
    backend = from_state_dict(INFO, state, "cpu")
    output = backend(image, hole)
    network = fitted(INFO.networks[0], state, "glcic")
    assert torch.equal(output, network(seen_by_network(backend, image, hole)))
    assert not torch.allclose(output * (1 - hole), image * (1 - hole), atol=0.1)


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
        step[place] = 1e-5
        with torch.no_grad():
            slope = (total(image + step) - total(image - step)) / 2e-5
        assert abs(slope) > 0
        assert gradient[place].item() == pytest.approx(slope.item(), rel=1e-3)


def test_weights_that_lack_layers_are_refused(state):
    del state["conv9.weight"]
    with pytest.raises(WeightsError, match=r"first 'conv9\.weight'"):
        from_state_dict(INFO, state, "cpu")

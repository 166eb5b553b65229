from collections.abc import Callable

import numpy as np
import pytest
import torch
from inpaint_lens.backends.mat import CONVENTION, MATBackend, MATNetwork, from_state_dict, load
from inpaint_lens.backends.nets.mat import generator
from inpaint_lens.backends.protocol import BackendInfo
from inpaint_lens.imaging.errors import MissingError, WeightsError
from inpaint_lens.imaging.size_rule import SizeRule
from torch import Tensor, nn
from torch.nn import functional as F

INFO = BackendInfo(
    name="mat",
    title="MAT",
    loader="inpaint_lens.backends.mat:load",
    licence="CC-BY-NC-4.0",
    commercial_use=False,
    size_rule=SizeRule(fixed=512),
    differentiable=True,
    stochastic=True,
    learned=True,
    weights=("mat-places",),
    networks=("inpaint_lens.backends.nets.mat:generator",),
)


class StandIn(nn.Module):
    """Takes what MAT's generator takes and draws a random mask by dropout, as that does."""

    def __init__(self) -> None:
        super().__init__()
        self.noise_strength = nn.Parameter(torch.ones(()))
        self.seen: list[tuple[Tensor, Tensor, Tensor, Tensor, str]] = []

    def forward(self, image: Tensor, known: Tensor, latent: Tensor, labels: Tensor, noise_mode: str) -> Tensor:
        self.seen.append((image, known, latent, labels, noise_mode))
        fill = latent[:, :3, None, None] * F.dropout(torch.full_like(image, 0.5), training=True)
        return fill * (1 - known) + image * known


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def backend(stand_in) -> MATBackend:
    return MATBackend(INFO, MATNetwork(stand_in), "cpu", CONVENTION)


@pytest.fixture(scope="module")
def small() -> Callable[[bool], dict[str, Tensor]]:
    """State of a MAT of 128 x 128, its random weights scaled so that its output stays near [-1, 1]."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = generator({"synthesis.enc.EncConv_Block_128x128.conv0.weight": (), "noise_strength": ()})
    state = {key: value * (0.02 if "toRGB.conv.weight" in key else 1.0) for key, value in network.state_dict().items()}
    return lambda noise: {key: value for key, value in state.items() if noise or "noise_" not in key}


@pytest.fixture(scope="module")
def silent(small) -> MATBackend:
    """That network without noise."""
    return from_state_dict(INFO, small(False), "cpu")


@pytest.fixture(scope="module")
def filled(silent) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Picture, hole, excluded pixels and the fill of that network, which remembers its gradient."""
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)).requires_grad_()
    hole, exclude = torch.zeros(1, 1, 128, 128), torch.zeros(1, 1, 128, 128)
    hole[..., 40:90, 30:80], exclude[..., 40:90, 80:100] = 1, 1
    return image, hole, exclude, silent(image, hole, exclude=exclude)


@torch.no_grad()
def test_the_network_sees_a_grey_hole_a_mask_of_known_pixels_and_fixed_noise(backend, stand_in, image, hole, exclude):
    backend(torch.cat([image, image]), torch.cat([hole, hole]), exclude=torch.cat([exclude, exclude]), seed=1)
    seen, known, latent, labels, noise_mode = stand_in.seen[0]
    visible = 1 - torch.maximum(hole, exclude)
    assert torch.allclose(seen[:1], (2 * image - 1) * visible, atol=1e-6)
    assert torch.equal(known[1:], visible)
    assert np.array_equal(latent[1:], np.random.default_rng(1).standard_normal((1, 512)).astype(np.float32))
    assert torch.equal(latent[:1], latent[1:])
    assert labels.shape == (2, 0)
    assert noise_mode == "const"


@torch.no_grad()
def test_a_seed_gives_the_same_bytes_whatever_torch_draws_and_another_seed_another_fill(backend, image, hole):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = backend(image, hole, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert torch.equal(first, backend(image, hole, seed=3))
    assert not torch.equal(first, backend(image, hole, seed=4))
    assert torch.isfinite(backend(image, hole, seed=-1)).all()


@torch.no_grad()
def test_known_pixels_come_back_as_they_are(backend, image, hole):
    visible = (hole == 0).expand_as(image)
    assert torch.allclose(backend(image, hole)[visible], image[visible], atol=1e-6)


def test_gradients_are_the_slopes_of_the_fill_and_nothing_where_pixels_are_hidden(silent, filled):
    image, hole, exclude, output = filled
    (gradient,) = torch.autograd.grad((output * hole).sum(), image)
    hidden = torch.maximum(hole, exclude).expand_as(image) > 0
    assert not gradient[hidden].any()
    length = gradient.norm()
    with torch.no_grad():
        further = silent(image + 1e-2 * gradient / length, hole, exclude=exclude)
    slope = ((further - output) * hole).sum() / 1e-2
    assert slope.item() == pytest.approx(length.item(), rel=2e-2)


@torch.no_grad()
def test_weights_with_noise_of_no_strength_fill_as_those_without_noise(small, filled):
    image, hole, exclude, output = filled
    state = {key: torch.zeros(()) if key.endswith("noise_strength") else value for key, value in small(True).items()}
    backend = from_state_dict(INFO, state, "cpu")
    assert torch.allclose(backend(image, hole, exclude=exclude), output, atol=1e-6)
    assert backend.info.size_rule == SizeRule(fixed=128)


def test_half_precision_and_packaged_keys_are_taken_and_run_in_full_precision(small):
    half = {f"model.{key}": value.half() for key, value in small(False).items()}
    backend = from_state_dict(INFO, half, "cpu")
    state = backend.module.state_dict()
    assert {value.dtype for value in state.values()} == {torch.float32}
    key = "synthesis.to_style.fc.weight"
    assert torch.equal(state[f"generator.{key}"], half[f"model.{key}"].float())


def test_weights_of_another_network_are_refused_in_one_sentence():
    with pytest.raises(WeightsError, match="mat-places do not fit"):
        from_state_dict(INFO, {"conv.weight": torch.zeros(3)}, "cpu")


def test_missing_weights_are_named():
    with pytest.raises(MissingError, match="mat-places"):
        load(INFO, "cpu")

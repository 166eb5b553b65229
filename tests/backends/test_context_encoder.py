from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends import Backend, BackendInfo
from inpaint_lens.backends.context_encoder import (
    LEAST_SIDE_PX,
    ContextEncoderBackend,
    Square,
    from_state_dict,
    shown_to_network,
    squares_of,
)
from inpaint_lens.backends.nets.context_encoder import MEAN_COLOUR, ContextDiscriminator, ContextEncoder
from inpaint_lens.imaging.box import Box
from inpaint_lens.imaging.errors import Cancelled, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from torch import Tensor, nn

GOLDEN = Path(__file__).parents[1] / "golden" / "context_encoder_generator" / "io.npz"
INFO = BackendInfo(
    name="context-encoder",
    title="Context Encoder",
    loader="inpaint_lens.backends.context_encoder:load",
    licence="none stated",
    commercial_use=False,
    differentiable=True,
    learned=True,
    weights=("context-encoder",),
    networks=("inpaint_lens.backends.nets.context_encoder:context_encoder",),
)


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Weights large enough that every layer has an effect."""
    random = torch.Generator().manual_seed(5)
    state = network.state_dict()
    for key, value in state.items():
        if value.ndim > 1:
            state[key] = 1.5 * torch.randn(value.shape, generator=random) / value[0].numel() ** 0.5
    return state


@pytest.fixture(scope="module")
def backend() -> ContextEncoderBackend:
    """The network with few channels and random weights."""
    return from_state_dict(INFO, random_state(ContextEncoder(4, 16, 4)), "cpu")


class Ramp(nn.Module):
    """Stands in for the network: a straight line, row by row, from what lies left of the centre to what lies right."""

    def forward(self, image: Tensor) -> Tensor:
        left, right = image[..., 32:96, 8:32].mean(-1, keepdim=True), image[..., 32:96, 96:120].mean(-1, keepdim=True)
        return left + (right - left) / 88 * (torch.arange(32, 96) - 19.5)


def ramp(height: int, width: int) -> Tensor:
    """A picture that grows by 1 / 256 for each row, column, or both."""
    rows, columns = torch.arange(height)[:, None] / 256, torch.arange(width)[None] / 256
    return torch.stack([rows + 0 * columns, columns + 0 * rows, rows + columns])[None]


def mask_of(box: Box, height: int, width: int) -> Tensor:
    mask = torch.zeros(1, 1, height, width)
    mask[..., *box.slices] = 1
    return mask


def test_the_network_sees_its_own_hole_as_it_did_in_training(backend):
    with np.load(GOLDEN) as data:
        image, expected = torch.from_numpy(data["image"]), torch.from_numpy(data["net_input"])
    seen = []
    hook = backend.inner.module.network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    backend(image, mask_of(Box(36, 36, 56, 56), 128, 128))
    hook.remove()
    assert torch.allclose(seen[0], expected, atol=1e-6)


@given(box=st.builds(Box, st.integers(100, 120), st.integers(100, 120), st.integers(1, 90), st.integers(1, 90)))
@settings(deadline=None, max_examples=12)
def test_the_fill_of_every_box_lands_where_it_belongs(box):
    image = ramp(330, 340)
    output = ContextEncoderBackend(INFO, Ramp(), "cpu")(image, mask_of(box, 330, 340))
    quarter_px = 0.25 / 256
    assert (output - image).abs().max() < quarter_px


@given(height=st.integers(1, 700), width=st.integers(1, 700))
def test_a_square_shows_its_part_within_the_networks_own_hole_and_is_no_larger_than_it_must_be(height, width):
    part = Box(50, 70, height, width)
    square = Square.around(0, part)
    factor = 128 / square.side
    assert (part.top - square.box.top) * factor >= 36
    assert (part.bottom - square.box.top) * factor <= 92
    assert (part.left - square.box.left) * factor >= 36
    assert (part.right - square.box.left) * factor <= 92
    assert square.centre.size == (square.side // 2,) * 2
    assert square.side == LEAST_SIDE_PX or (square.side - 8) * 56 / 128 < max(part.size)


@given(seed=st.integers(0, 1000), share=st.floats(0.001, 0.2))
@settings(deadline=None, max_examples=20)
def test_squares_reach_every_pixel_of_a_hole(seed, share):
    hole = np.random.default_rng(seed).random((90, 60)) < share
    left = hole.copy()
    for square in squares_of(0, hole):
        left[square.part.slices] = False
    assert not left.any()


def test_specks_are_filled_together_and_separated_parts_alone():
    hole = np.zeros((200, 200), bool)
    hole[20:24, 20:24] = hole[30:34, 36:40] = True
    hole[100:180, 100:180] = True
    large, specks = squares_of(0, hole)
    assert large.part == Box(100, 100, 80, 80)
    assert specks.part == Box(20, 20, 14, 20)


def test_a_square_beyond_the_border_shows_the_picture_mirrored_not_stretched():
    image = torch.rand(1, 3, 30, 200, generator=torch.Generator().manual_seed(0))
    square = Square(0, Box(10, 0, 20, 20), 128)
    shown = shown_to_network(image, torch.zeros(1, 1, 30, 200), square)
    assert square.box == Box(-44, -54, 128, 128)
    mirrored = np.pad(image.numpy(), ((0, 0), (0, 0), (44, 54), (54, 0)), mode="symmetric")[..., :128]
    assert torch.allclose(shown[..., :36, :], torch.from_numpy(mirrored[..., :36, :]), atol=1e-6)


@pytest.mark.parametrize("side", [64, 128, 300])
def test_nothing_of_hidden_pixels_shows_in_what_the_network_sees(side):
    random = torch.Generator().manual_seed(1)
    image = torch.full((1, 3, 300, 300), 0.25)
    hidden = (torch.rand(1, 1, 300, 300, generator=random) < 0.4).float()
    shown = shown_to_network(image + 5 * hidden, hidden, Square(0, Box(140, 140, 20, 20), side))
    grey = (shown - 0.25).abs().amax(1) < 1e-4
    mean = (shown - torch.tensor(MEAN_COLOUR).view(1, 3, 1, 1)).abs().amax(1) < 1e-4
    assert (grey | mean).all()
    assert mean[:, 36:92, 36:92].all()
    assert grey[:, :36].any()


@torch.no_grad()
def test_excluded_pixels_are_neither_seen_nor_filled(backend, image, hole, exclude):
    output = backend(image, hole, exclude=exclude)
    assert torch.equal(backend(image + exclude, hole, exclude=exclude), output)
    assert not torch.allclose(backend(image, hole) * hole, output * hole, atol=1e-3)
    colour = torch.tensor(MEAN_COLOUR).view(1, 3, 1, 1)
    assert torch.allclose(output * exclude, colour * exclude)


@torch.no_grad()
def test_each_picture_of_a_batch_has_its_own_squares(backend, image, hole):
    other = mask_of(Box(3, 40, 30, 9), 64, 64)
    both = backend(torch.cat([image, image.flip(-1)]), torch.cat([hole, other]))
    assert torch.allclose(both[:1], backend(image, hole), atol=1e-5)
    assert torch.allclose(both[1:], backend(image.flip(-1), other), atol=1e-5)
    assert torch.equal(both, backend(torch.cat([image, image.flip(-1)]), torch.cat([hole, other])))


@torch.no_grad()
def test_known_pixels_around_the_parts_are_those_of_the_picture(backend, image, hole):
    output = backend(image, hole)
    assert torch.equal(output * (1 - hole), image * (1 - hole))
    assert torch.equal(backend(image, torch.zeros_like(hole)), image)


def test_gradients_reach_the_known_pixels_only(backend, image, hole, exclude):
    image.requires_grad_()
    (backend(image, hole, exclude=exclude) * hole).sum().backward()
    hidden = torch.maximum(hole, exclude) > 0
    assert image.grad is not None
    assert not image.grad[hidden.expand_as(image)].any()
    assert image.grad[..., :10, :].abs().sum() > 0


def test_gradients_agree_with_finite_differences():
    backend = from_state_dict(INFO, random_state(ContextEncoder(4, 16, 4)), "cpu")
    backend.inner.module.double()
    image = torch.rand(1, 3, 150, 140, generator=torch.Generator().manual_seed(2)).double().requires_grad_()
    hole = mask_of(Box(50, 40, 61, 30), 150, 140).double()

    def total(picture: Tensor) -> Tensor:
        return (backend(picture, hole) * hole).square().sum()

    (gradient,) = torch.autograd.grad(total(image), image)
    for place in ((0, 0, 60, 10), (0, 2, 20, 50), (0, 1, 130, 5)):
        step = torch.zeros_like(image)
        step[place] = 1e-5
        with torch.no_grad():
            slope = (total(image + step) - total(image - step)) / 2e-5
        assert abs(slope) > 0
        assert gradient[place].item() == pytest.approx(slope.item(), rel=1e-4)


def test_it_stops_when_asked_to_and_tells_how_far_it_is(backend, image, hole):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        backend(image, hole, monitor=Monitor(token=token))
    shares: list[float] = []
    many = torch.cat([hole] * 20)
    backend(torch.cat([image] * 20), many, monitor=Monitor(lambda _stage, share: shares.append(share)))
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_it_is_a_backend(backend):
    assert isinstance(backend, Backend)


def test_weights_of_another_network_are_refused():
    with pytest.raises(WeightsError, match="context-encoder do not fit"):
        from_state_dict(INFO, ContextDiscriminator(4).state_dict(), "cpu")

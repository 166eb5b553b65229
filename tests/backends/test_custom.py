import pytest
import torch
from inpaint_lens.backends.custom import CustomBackend
from inpaint_lens.backends.network import Convention
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.monitor import Monitor
from torch import nn


def test_a_function_gets_image_and_mask_with_the_hole_emptied(image, hole, exclude):
    got: list[torch.Tensor] = []

    def function(*inputs: torch.Tensor) -> torch.Tensor:
        got.extend(inputs)
        return inputs[0] + 0.25

    output = CustomBackend(function)(image, hole, exclude=exclude)
    hidden = torch.maximum(hole, exclude)
    assert torch.equal(got[0], image * (1 - hidden))
    assert torch.equal(got[1], hidden)
    assert torch.allclose(output, got[0] + 0.25)


def test_a_packed_network_gets_one_tensor_of_four_channels(image, hole):
    net = nn.Conv2d(4, 3, 1)
    output = CustomBackend(net, Convention(packing="image-mask"))(image, hole)
    assert torch.equal(output, net(torch.cat([image * (1 - hole), hole], 1)))


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda image, hole: image[..., ::2, ::2], r"\[1, 3, 32, 32\]"),
        (lambda image, hole: image[:, :1], r"\[1, 1, 64, 64\]"),
        (lambda image, hole: (image, hole), "tuple"),
        (lambda image, hole: None, "NoneType"),
    ],
)
def test_an_output_of_another_shape_is_told_with_both_shapes(function, got, image, hole):
    with pytest.raises(InputError, match=rf"returned {got}; expected a tensor \[1, 3, 64, 64\]"):
        CustomBackend(function)(image, hole)


def test_the_module_stays_as_it_is(image, hole):
    net = nn.Sequential(nn.Conv2d(4, 3, 1), nn.Dropout(0.5)).train()
    CustomBackend(net, Convention(packing="image-mask"))(image, hole)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_a_network_that_draws_lots_draws_the_same_for_the_same_seed_and_leaves_the_callers_state(image, hole):
    backend = CustomBackend(lambda image, hole: torch.rand_like(image))
    state = torch.get_rng_state()
    first = backend(image, hole, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(backend(image, hole, seed=1), first)
    assert not torch.equal(backend(image, hole, seed=2), first)


def test_gradients_flow_through_a_custom_network(image, hole):
    image.requires_grad_()
    CustomBackend(lambda image, hole: image * 2)(image, hole).sum().backward()
    assert image.grad is not None
    assert torch.equal(image.grad, 2 * (1 - hole).expand_as(image))


def test_a_cancelled_token_stops_before_the_function_is_called(image, hole):
    monitor, called = Monitor(), []
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        CustomBackend(lambda *inputs: called.append(1) or inputs[0])(image, hole, monitor=monitor)
    assert not called


def test_sizes_follow_from_what_the_caller_says():
    assert CustomBackend(lambda *x: x[0], multiple_of=32).info.size_rule.fit(33, 64) == (64, 64)

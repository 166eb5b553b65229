import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.nets.spectral_norm import SpectralNorm, with_right_vectors
from torch import nn
from torch.nn.utils import spectral_norm

CONVOLUTIONS = (
    lambda: nn.Conv2d(3, 5, 3, padding=1),
    lambda: nn.Conv2d(4, 6, 3, stride=2, dilation=2, groups=2, bias=False),
    lambda: nn.ConvTranspose2d(3, 5, 3, stride=2, padding=1, output_padding=1),
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_keys_are_those_of_the_published_weights():
    assert list(SpectralNorm(nn.Conv2d(3, 5, 3)).state_dict()) == [
        "module.bias",
        "module.weight_u",
        "module.weight_v",
        "module.weight_bar",
    ]
    assert "module.bias" not in SpectralNorm(nn.Conv2d(3, 5, 3, bias=False)).state_dict()


@pytest.mark.parametrize("make", CONVOLUTIONS, ids=["plain", "strided", "transposed"])
@torch.no_grad()
def test_it_is_the_layer_with_its_weight_over_the_norm_after_one_iteration(make):
    layer = make()
    wrapped = SpectralNorm(layer).eval()
    features = torch.rand(2, layer.in_channels, 9, 8)
    matrix = layer.weight.flatten(1).numpy().astype(np.float64)
    right = matrix.T @ wrapped.module.weight_u.numpy()
    norm = np.linalg.norm(matrix @ right) / np.linalg.norm(right)
    expected = layer(features)
    bias = 0 if layer.bias is None else layer.bias[:, None, None]
    assert torch.allclose(wrapped(features) - bias, (expected - bias) / norm, atol=1e-6)


@torch.no_grad()
def test_evaluation_changes_nothing_and_training_comes_to_the_largest_singular_value():
    layer = nn.Conv2d(4, 6, 3)
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
    wrapped = SpectralNorm(layer)
    before = {key: value.clone() for key, value in wrapped.state_dict().items()}
    wrapped.eval()
    features = torch.rand(1, 4, 5, 5)
    assert torch.equal(wrapped(features), wrapped(features))
    assert all(torch.equal(before[key], value) for key, value in wrapped.state_dict().items())
    wrapped.train()
    for _ in range(200):
        wrapped(features)
    assert torch.allclose(wrapped.module.weight_bar / wrapped.module.normalised_weight(), largest, rtol=1e-4)
    assert torch.equal(before["module.weight_bar"], wrapped.state_dict()["module.weight_bar"])


def test_gradients_reach_the_weight_through_the_norm_but_not_through_the_vectors():
    inner = SpectralNorm(nn.Conv2d(2, 3, 3)).double().eval().module
    normalised = inner.normalised_weight()
    normalised.square().sum().backward()
    matrix = inner.weight_bar.detach().flatten(1)
    right = torch.nn.functional.normalize(matrix.t() @ inner.weight_u, dim=0)
    left = torch.nn.functional.normalize(matrix @ right, dim=0)
    norm = left @ matrix @ right
    # d(|W|^2 / s^2) / dW for s = u W v, with u and v as they are.
    expected = 2 * matrix / norm**2 - 2 * matrix.square().sum() / norm**3 * torch.outer(left, right)
    assert inner.weight_bar.grad is not None
    assert torch.allclose(inner.weight_bar.grad.flatten(1), expected)
    assert inner.weight_u.grad is None


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.booleans())
@torch.no_grad()
def test_weights_of_old_torch_give_the_same_layer(rows, columns, with_weight):
    torch.manual_seed(rows + 10 * columns)
    layer = spectral_norm(nn.Conv2d(columns, rows, 3))
    layer(torch.rand(1, columns, 4, 4))
    layer.eval()(torch.rand(1, columns, 4, 4))
    if not with_weight:
        # Without the stored weight the norm is known only after the iteration has come to an end.
        left, _, right = torch.linalg.svd(layer.state_dict()["weight_orig"].flatten(1), full_matrices=False)
        layer.load_state_dict(layer.state_dict() | {"weight_u": left[:, 0], "weight_v": right[0]})
    state = layer.state_dict()
    old = {key: value for key, value in state.items() if not key.endswith("weight_v")}
    if with_weight:
        old["weight"] = layer.weight.clone()
    new = spectral_norm(nn.Conv2d(columns, rows, 3)).eval()
    renewed = with_right_vectors(old)
    assert set(renewed) == set(state)
    new.load_state_dict(renewed)
    features = torch.rand(1, columns, 6, 6)
    assert torch.allclose(new(features), layer(features), rtol=1e-3, atol=1e-3)


def test_other_weights_stay_as_they_are():
    layer = spectral_norm(nn.ConvTranspose2d(3, 5, 3), dim=1)
    state = {**layer.state_dict(), "other.weight": torch.ones(3)}
    renewed = with_right_vectors(state)
    assert renewed.keys() == state.keys()
    assert all(renewed[key] is state[key] for key in state)
    without = {key: value for key, value in state.items() if key != "weight_v"}
    assert with_right_vectors(without)["weight_v"].shape == layer.weight_v.shape

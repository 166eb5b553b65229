import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.nets import contextual_attention
from inpaint_lens.backends.nets.contextual_attention import ContextualAttention, propagated
from torch.nn import functional as F

PORTS = [("floored", "even"), ("floored", "aligned"), ("smoothed", "even")]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def left_hole(height=32, width=48):
    hole = torch.zeros(1, 1, height, width)
    hole[..., : height // 2, : width // 3] = 1
    return hole


def kept(size, count, sampling):
    if sampling == "even":
        return np.arange(count) * (size // count)
    return np.floor(np.linspace(0, size - 1, count) + 0.5).astype(int)


def patch(array, row, column, side):
    """A square from (row, column) on, zero outside of the array `[C, h, w]`."""
    padded = np.pad(array, ((0, 0), (side, side), (side, side)))
    return padded[:, row + side : row + 2 * side, column + side : column + 2 * side]


def by_loops(features, hole, norm, sampling, fuse):
    """The layer as the paper tells it, one place after the other, in float64."""
    features, hole = features.numpy().astype(float), hole.numpy()
    channels, height, width = features.shape
    rows, columns = height // 2, width // 2
    small = features[:, kept(height, rows, sampling)][:, :, kept(width, columns, sampling)]
    shrunk = hole[:, kept(hole.shape[1], rows, sampling)][:, :, kept(hole.shape[2], columns, sampling)]
    places = [(y, x) for y in range(rows) for x in range(columns)]
    patches = [patch(small, y - 1, x - 1, 3) for y, x in places]
    if norm == "floored":
        lengths = [max(np.sqrt((p**2).sum()), 1e-4) for p in patches]
    else:
        lengths = [np.sqrt((p**2 + 1e-4).sum()) for p in patches]
    scores = np.array([[(p * q).sum() / length for q, length in zip(patches, lengths, strict=True)] for p in patches])
    if fuse:
        count = len(places)
        for order in (range(count), sorted(range(count), key=lambda place: places[place][::-1])):
            moved = np.zeros_like(scores)
            for i, target in enumerate(order):
                for j, source in enumerate(order):
                    for step in (-1, 0, 1):
                        if 0 <= i + step < count and 0 <= j + step < count:
                            moved[target, source] += scores[order[i + step], order[j + step]]
            scores = moved
    known = np.array([not patch(shrunk, y - 1, x - 1, 3).any() for y, x in places])
    output = np.zeros((channels, height + 4, width + 4))
    for (y, x), row in zip(places, scores, strict=True):
        weights = np.exp(10 * (row * known) - 10 * (row * known).max())
        weights = weights / weights.sum() * known
        for (v, u), weight in zip(places, weights, strict=True):
            output[:, 2 * y + 1 : 2 * y + 5, 2 * x + 1 : 2 * x + 5] += (
                weight * patch(features, 2 * v - 1, 2 * u - 1, 4) / 4
            )
    return output[:, 2:-2, 2:-2]


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize(("norm", "sampling"), PORTS)
def test_it_is_the_layer_as_told_place_by_place(norm, sampling, fuse):
    features, hole = 0.3 * noise(1, 2, 8, 12), left_hole()
    got = ContextualAttention(norm, sampling)(features, hole, fuse)
    expected = by_loops(features[0], hole[0], norm, sampling, fuse)
    assert np.abs(got[0].numpy() - expected).max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_propagation_is_two_convolutions_with_the_identity_matrix(rows, columns, seed):
    count = rows * columns
    scores = noise(2, count, count, seed=seed)
    kernel = torch.eye(3)[None, None]
    lying = F.conv2d(scores[:, None], kernel, padding=1)[:, 0]
    order = torch.arange(count).view(rows, columns).t().flatten()
    standing = F.conv2d(lying[:, order][:, :, order][:, None], kernel, padding=1)[:, 0]
    back = order.argsort()
    assert torch.allclose(propagated(scores, rows, columns), standing[:, back][:, :, back], atol=1e-5)


@pytest.mark.parametrize("count", range(1, 40))
def test_aligned_sampling_keeps_the_nearest_pixels_from_the_first_to_the_last(count):
    places = contextual_attention._spread(8 * count, count, torch.device("cpu")).tolist()
    assert np.abs(np.array(places) - np.linspace(0, 8 * count - 1, count)).max() <= 0.5 + 1e-9
    assert places[0] == 0
    assert count == 1 or places[-1] == 8 * count - 1


@pytest.mark.parametrize("fuse", [False, True])
def test_pictures_of_a_batch_have_their_own_holes(fuse):
    layer, features = ContextualAttention(), noise(3, 4, 16, 16)
    holes = torch.cat([left_hole(64, 64), left_hole(64, 64).flip(-1), torch.zeros(1, 1, 64, 64)])
    together = layer(features, holes, fuse)
    alone = torch.cat([layer(f[None], h[None], fuse) for f, h in zip(features, holes, strict=True)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[:1], layer(features[:1], holes[1:2], fuse), atol=1e-2)


def test_a_batch_is_worked_off_in_parts_without_a_difference(monkeypatch):
    layer, features = ContextualAttention(), noise(3, 4, 8, 8)
    holes = left_hole(32, 32).expand(3, -1, -1, -1)
    whole = layer(features, holes)
    monkeypatch.setattr(contextual_attention, "SCORES_AT_ONCE", 2 * 16**2)
    assert torch.allclose(layer(features, holes), whole, atol=1e-6)


def test_a_pattern_that_repeats_is_rebuilt_as_it_is():
    features = 8 * noise(1, 6, 8, 8).repeat(1, 1, 4, 4)
    hole = torch.zeros(1, 1, 128, 128)
    hole[..., 48:80, 48:80] = 1
    rebuilt = ContextualAttention()(features, hole, fuse=False)
    assert torch.allclose(rebuilt[..., 8:-8, 8:-8], features[..., 8:-8, 8:-8], atol=1e-3)


def test_what_the_hole_holds_is_never_pasted():
    features, hole = noise(1, 4, 16, 16), torch.zeros(1, 1, 64, 64)
    hole[..., 24:40, 24:40] = 1
    other = features.clone()
    other[..., 7:9, 7:9] = 50
    layer = ContextualAttention()
    difference = (layer(features, hole, False) - layer(other, hole, False)).abs().amax((0, 1))
    assert difference[:3].max() < 1e-6
    assert difference.max() < 5


@pytest.mark.parametrize("norm", ["floored", "smoothed"])
def test_neither_an_unknown_picture_nor_flat_features_give_what_is_no_number(norm):
    layer = ContextualAttention(norm)
    assert not layer(noise(1, 2, 8, 8), torch.ones(1, 1, 32, 32)).any()
    flat = torch.zeros(1, 2, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(flat, left_hole(32, 32)).sum(), flat)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize(("norm", "sampling"), PORTS)
def test_gradients_are_those_of_finite_differences(norm, sampling, fuse):
    features = 0.2 * noise(2, 2, 4, 8).double().requires_grad_()
    hole = torch.cat([left_hole(16, 32), left_hole(16, 32).flip(-1)]).double()
    layer = ContextualAttention(norm, sampling)
    assert torch.autograd.gradcheck(lambda x: layer(x, hole, fuse), features, fast_mode=True)


def test_only_the_port_that_stores_the_kernel_has_it_in_its_state():
    assert not ContextualAttention().state_dict()
    state = ContextualAttention(stored_kernel=True).state_dict()
    assert torch.equal(state["fuse_weight"], torch.eye(3)[None, None])

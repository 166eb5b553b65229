import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.lens_small import WEIGHTS
from inpaint_lens.backends.nets.lens_small import COVER_REWARD, ENOUGH_COVER, DetailCopy, LensSmall, push_pull


def case(height=32, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, height, width, generator=generator)
    hole = torch.zeros(1, 1, height, width)
    hole[..., 8:20, 10:30] = 1
    return image, hole


def fresh(seed=0):
    torch.manual_seed(seed)
    network = LensSmall(channels=16, blocks=1).eval()
    torch.nn.init.normal_(network.out.weight, std=0.05)
    return network


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 0.95), st.integers(0, 99))
def test_push_pull_keeps_known_pixels_and_stays_between_their_extremes(height, width, cover, seed):
    rng = np.random.default_rng(seed)
    hole = torch.from_numpy((rng.random((1, 1, height, width)) < cover).astype(np.float32))
    hole[..., 0, 0] = 0
    known = torch.from_numpy(rng.random((1, 3, height, width)).astype(np.float32)) * (1 - hole)
    filled = push_pull(known, hole)
    assert torch.allclose(filled * (1 - hole), known, atol=1e-6)
    inside = known.flatten(2)[:, :, hole.flatten() == 0]
    assert (filled.amin((2, 3)) >= inside.amin(2) - 1e-5).all()
    assert (filled.amax((2, 3)) <= inside.amax(2) + 1e-5).all()


def test_push_pull_continues_a_flat_picture():
    _, hole = case()
    assert torch.allclose(push_pull(0.4 * (1 - hole).expand(1, 3, -1, -1), hole), torch.tensor(0.4), atol=1e-6)


def test_push_pull_is_linear_in_the_picture():
    a, hole = case(seed=1)
    b, _ = case(seed=2)
    a, b = a * (1 - hole), b * (1 - hole)
    together = push_pull(2 * a - 3 * b, hole)
    assert torch.allclose(together, 2 * push_pull(a, hole) - 3 * push_pull(b, hole), atol=1e-5)


def test_what_lies_in_the_hole_does_not_reach_the_output():
    image, hole = case()
    network = fresh()
    with torch.no_grad():
        assert torch.equal(network(image, hole), network(torch.where(hole > 0, 0.9, image), hole))


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (80, 16)])
def test_any_multiple_of_sixteen_is_taken(size):
    image, _ = case(*size)
    hole = torch.zeros(1, 1, *size)
    hole[..., 4:9, 3:12] = 1
    with torch.no_grad():
        output = fresh()(image, hole)
    assert output.shape == image.shape
    assert torch.isfinite(output).all()


def test_pictures_of_a_batch_do_not_touch_each_other():
    image, hole = case()
    other, _ = case(seed=5)
    network = fresh()
    with torch.no_grad():
        alone = network(image, hole)
        together = network(torch.cat([image, other]), torch.cat([hole, hole.flip(3)]))
    assert torch.allclose(alone, together[:1], atol=1e-5)


def test_gradients_reach_known_pixels_and_only_those():
    image, hole = case()
    image.requires_grad_()
    (fresh()(image, hole) * hole).sum().backward()
    gradient = image.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    assert (gradient * hole == 0).all()


def test_copied_detail_comes_from_known_patches_only():
    copy = DetailCopy(4, 4)
    features = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    image, _ = case(64, 64)
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 32:, :] = 1
    with torch.no_grad():
        first = copy(features, image * (1 - hole), hole)
        second = copy(features, image * (1 - hole) + 0.7 * hole, hole)
    # The coarse blur that detail is measured against sees a little of the filling, next to the hole only.
    assert torch.allclose(first[..., :8, :], second[..., :8, :], atol=0.05)
    assert first[..., 40:, :].abs().mean() > 0.01


def test_offset_scores_belong_to_the_right_pairs_of_blocks():
    copy = DetailCopy(4, 2)
    query, key = (torch.randn(1, 2, 3, 4, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    unknown = torch.zeros(1, 1, 3, 4)
    with torch.no_grad():
        scores = copy._offset_scores(query, key, torch.ones(1, 1, 3, 4), unknown)[0]
        strength = copy.log_match.exp()
    # From block (1, 1) to block (2, 3): all pairs that are one row and two columns apart.
    pairs = [((y, x), (y + 1, x + 2)) for y in range(2) for x in range(2)]
    match = sum(float((query[0, :, a, b] * key[0, :, c, d]).sum()) for (a, b), (c, d) in pairs)
    expected = strength * match / (len(pairs) + 0.05 * 12) + COVER_REWARD * len(pairs) / (ENOUGH_COVER * 12)
    assert scores[1 * 4 + 1, 2 * 4 + 3] == pytest.approx(float(expected), rel=1e-4)


def test_shipped_weights_are_small_enough():
    assert WEIGHTS.stat().st_size <= 8_000_000

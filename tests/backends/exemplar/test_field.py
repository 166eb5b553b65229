import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.exemplar.field import Field, exact, nearest, whole_patches
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.monitor import CancelToken, Monitor


def scene(seed=0, size=(20, 24)):
    """Features with soft structure, a hole, and the sources around it."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(size)
    soft = np.stack([np.sin(0.4 * x + 0.2 * y), np.cos(0.3 * y), np.sin(0.5 * x)], 2)
    features = (soft + rng.normal(0, 0.1, soft.shape)).astype(np.float32)
    hole = np.zeros(size, bool)
    hole[7:13, 9:16] = True
    return features, hole


def by_hand(features, targets, sources, patch, weights):
    """The least distance of each target, by NumPy."""
    r = patch // 2
    padded = np.pad(features.astype(np.float64), ((r, r), (r, r), (0, 0)))
    counts = np.pad(weights.astype(np.float64), r)
    cut = lambda values, y, x: values[y : y + patch, x : x + patch]  # noqa: E731
    least = np.full(targets.shape, np.inf)
    for y, x in np.argwhere(targets):
        share = cut(counts, y, x)
        gaps = [(((cut(padded, y, x) - cut(padded, v, u)) ** 2).sum(2) * share).sum() for v, u in np.argwhere(sources)]
        least[y, x] = min(gaps) / share.sum()
    return least


@pytest.mark.parametrize("patch", [3, 5])
def test_the_exact_field_is_that_of_a_search_by_hand(patch):
    features, hole = scene()
    sources = whole_patches(~hole, patch)
    weights = np.where(hole, 0.3, 1).astype(np.float32)
    found = exact(features, hole, sources, patch=patch, weights=weights)
    np.testing.assert_allclose(found.distance[hole], by_hand(features, hole, sources, patch, weights)[hole], rtol=1e-4)


def test_targets_at_the_edge_are_compared_by_the_part_inside_of_the_picture():
    features, hole = scene()
    edge = np.zeros_like(hole)
    edge[0, 0] = edge[-1, 5] = edge[8, -1] = True
    sources = whole_patches(~hole & ~edge, 5)
    found = exact(features, edge, sources, patch=5)
    inside = np.ones(hole.shape, np.float32)
    np.testing.assert_allclose(found.distance[edge], by_hand(features, edge, sources, 5, inside)[edge], rtol=1e-4)


def test_many_rounds_come_close_to_the_exact_field():
    features, hole = scene(size=(40, 48))
    sources = whole_patches(~hole, 5)
    best = exact(features, hole, sources, patch=5).distance[hole].mean()
    found = nearest(features, hole, sources, patch=5, rounds=30).distance[hole].mean()
    assert best <= found * (1 + 1e-5)
    assert found <= 1.03 * best


def test_a_search_never_makes_a_field_worse():
    features, hole = scene()
    sources = whole_patches(~hole, 5)
    start = nearest(features, hole, sources, patch=5, rounds=1)
    later = nearest(features, hole, sources, patch=5, rounds=3, start=start, seed=7)
    assert (later.distance[hole] <= start.distance[hole] * (1 + 1e-5)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([3, 5, 7]), st.integers(0, 3), st.floats(0.05, 0.9))
def test_every_match_is_an_allowed_source_whose_patch_lies_inside(seed, patch, rounds, share):
    rng = np.random.default_rng(seed)
    targets, sources = rng.random((2, 14, 17)) < share
    sources[7, 7] = True
    found = nearest(rng.random((14, 17, 2), np.float32), targets, sources, patch=patch, rounds=rounds, seed=seed)
    allowed = sources & whole_patches(np.ones_like(sources), patch)
    assert allowed[found.rows[targets], found.cols[targets]].all()
    assert (found.rows[~targets] == -1).all() and (found.cols[~targets] == -1).all()
    assert np.isinf(found.distance[~targets]).all() and np.isfinite(found.distance[targets]).all()


def test_a_start_that_points_to_no_source_is_not_kept():
    features, hole = scene()
    sources = whole_patches(~hole, 3)
    inside = Field(
        np.full(hole.shape, 9, np.int32), np.full(hole.shape, 11, np.int32), np.zeros(hole.shape, np.float32)
    )
    found = nearest(features, hole, sources, patch=3, rounds=0, start=inside)
    assert sources[found.rows[hole], found.cols[hole]].all()


def test_of_two_equal_sources_locality_takes_the_nearer_one():
    features = np.zeros((11, 60, 1), np.float32)
    targets, sources = np.zeros((2, 11, 60), bool)
    targets[5, 5] = sources[5, 20] = sources[5, 50] = True
    features[5, 20] = features[5, 50] = 1
    found = nearest(features, targets, sources, patch=3, rounds=20, locality=10)
    assert found.cols[5, 5] == 20
    assert found.distance[5, 5] == pytest.approx(1 / 9 * (1 + 10 * (15 / 60) ** 2), rel=1e-5)


def test_locality_does_not_outweigh_a_match_that_is_much_better():
    features = np.zeros((11, 60, 1), np.float32)
    targets, sources = np.zeros((2, 11, 60), bool)
    targets[5, 5] = sources[5, 20] = sources[5, 50] = True
    features[5, 20], features[5, 50] = 1, 0.1
    assert nearest(features, targets, sources, patch=3, rounds=20, locality=10).cols[5, 5] == 50


@pytest.mark.parametrize("seed", range(8))
def test_the_reach_bounds_how_far_a_match_moves_in_a_round(seed):
    features, hole = scene()
    lone = np.zeros_like(hole)
    lone[10, 12] = True
    near = Field(np.where(lone, 16, -1), np.where(lone, 5, -1), np.zeros(hole.shape, np.float32))
    sources = whole_patches(~hole, 3)
    found = nearest(features, lone, sources, patch=3, rounds=1, start=near, reach_px=1, seed=seed)
    assert abs(found.rows[10, 12] - 16) <= 1 and abs(found.cols[10, 12] - 5) <= 1


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    features, hole = scene()
    sources = whole_patches(~hole, 5)
    np.random.seed(1)
    before = str(np.random.get_state())
    first, again = (nearest(features, hole, sources, patch=5, rounds=1, seed=3) for _ in range(2))
    other = nearest(features, hole, sources, patch=5, rounds=1, seed=4)
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.cols, again.cols)
    assert (first.rows != other.rows).any()
    assert str(np.random.get_state()) == before


def test_the_search_stops_between_rounds():
    token = CancelToken()
    seen = []

    def stop(stage, share):
        seen.append(share)
        if len(seen) == 2:
            token.cancel()

    features, hole = scene()
    with pytest.raises(Cancelled):
        nearest(features, hole, ~hole, rounds=50, monitor=Monitor(stop, token))
    assert len(seen) == 2


def test_unusable_arguments_are_told():
    features, hole = scene()
    with pytest.raises(InputError, match="odd"):
        nearest(features, hole, ~hole, patch=4)
    with pytest.raises(InputError, match="equal sizes"):
        nearest(features, hole[1:], ~hole)
    with pytest.raises(InputError, match="left to copy from"):
        nearest(features, hole, np.zeros_like(hole))


def test_without_targets_nothing_is_sought():
    features, hole = scene()
    found = nearest(features, np.zeros_like(hole), np.zeros_like(hole))
    assert (found.rows == -1).all()

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.holes import KINDS, borders, centre, check_kinds, half, object_like, random_hole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (48, 96)])
def test_every_kind_makes_a_hole_of_the_size_asked_for(kind, size):
    mask = KINDS[kind](size, np.random.default_rng(3), 0.3)
    assert mask.shape == size
    assert mask.dtype == np.bool_
    assert 0 < mask.mean() < 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_covers_about_what_is_asked_for(kind):
    rng = np.random.default_rng(1)
    found = [KINDS[kind]((96, 96), rng, cover).mean() for cover in (0.1, 0.3) for _ in range(10)]
    assert np.mean(found[:10]) == pytest.approx(0.1, abs=0.05)
    assert np.mean(found[10:]) == pytest.approx(0.3, abs=0.09)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    coverage=st.tuples(st.floats(0, 1), st.floats(0.01, 1)).map(lambda pair: (min(pair), max(pair))),
    seed=st.integers(0, 1000),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
)
def test_random_holes_keep_to_any_range_of_coverage(kind, coverage, seed, height, width):
    mask = random_hole((height, width), np.random.default_rng(seed), {kind: 1.0}, coverage)
    pixel = 1 / mask.size
    assert max(pixel, coverage[0] - 2 * pixel) <= mask.mean() <= coverage[1] + 2 * pixel


def test_the_same_seed_gives_the_same_hole():
    first, second = (random_hole((64, 64), np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)


def test_holes_leave_the_global_generator_alone():
    np.random.seed(5)
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    random_hole((32, 32), np.random.default_rng(0), dict.fromkeys(KINDS, 1.0))
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])


def test_kinds_are_drawn_as_often_as_their_weights_say():
    rng = np.random.default_rng(0)
    quarter = centre((32, 32), rng, 0.25)
    centred = [np.array_equal(random_hole((32, 32), rng, {"centre": 3, "half": 1}, (0.25, 0.25)), quarter)
               for _ in range(200)]  # fmt: skip
    assert np.mean(centred) == pytest.approx(0.75, abs=0.1)


def test_half_of_a_picture_is_one_side():
    found = {half((8, 12), np.random.default_rng(seed), 0.5).tobytes() for seed in range(40)}
    sides = [np.zeros((8, 12), bool) for _ in range(4)]
    sides[0][:4], sides[1][4:], sides[2][:, :6], sides[3][:, 6:] = True, True, True, True
    assert found == {side.tobytes() for side in sides}


def test_borders_leave_one_rectangle():
    known = ~borders((40, 60), np.random.default_rng(2), 0.6)
    rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
    assert known[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


@pytest.mark.parametrize("seed", range(5))
def test_the_mask_of_a_thing_is_one_piece_without_gaps(seed):
    mask = object_like((64, 64), np.random.default_rng(seed), 0.25)
    assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2
    padded = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    assert cv2.connectedComponents(padded, connectivity=4)[0] == 2


def test_an_unknown_kind_is_told_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'strokes'"):
        check_kinds({"stroke": 1.0})

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.exemplar.synthesis import synthesise
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.monitor import CancelToken, Monitor


def picture(seed=0, size=(40, 44)):
    return np.random.default_rng(seed).random((*size, 3), np.float32)


def hole_in(size, top=14, left=15, height=11, width=12):
    hole = np.zeros(size, bool)
    hole[top : top + height, left : left + width] = True
    return hole


def mask(size, rng, boxes):
    drawn = np.zeros(size, bool)
    for _ in range(boxes):
        top, left = rng.integers(0, size[0] - 4), rng.integers(0, size[1] - 4)
        drawn[top : top + rng.integers(2, 14), left : left + rng.integers(2, 14)] = True
    return drawn


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([3, 5, 7]))
def test_neither_the_hole_nor_an_excluded_pixel_is_ever_a_source(seed, patch):
    rng = np.random.default_rng(seed)
    size = 33, 38
    hole, excluded = mask(size, rng, 3), mask(size, rng, 3)
    try:
        found = synthesise(picture(seed, size), hole, excluded & ~hole, patch=patch, rounds=1, seed=seed)
    except InputError:
        return
    assert not (hole | excluded).reshape(-1)[found.sources].any()
    np.testing.assert_array_equal(found.targets, np.flatnonzero(hole))
    np.testing.assert_allclose(found.weights.sum(1), 1, atol=1e-5)
    assert (found.weights >= 0).all()


def test_what_lies_in_the_hole_or_is_excluded_changes_nothing():
    colours, hole = picture(), hole_in((40, 44))
    excluded = hole_in((40, 44), 2, 2, 8, 9)
    other = colours.copy()
    other[hole | excluded] = 1 - other[hole | excluded]
    first, second = (synthesise(values, hole, excluded) for values in (colours, other))
    np.testing.assert_array_equal(first.sources, second.sources)
    np.testing.assert_array_equal(first.weights, second.weights)


def test_the_seed_decides_the_fill():
    colours, hole = picture(), hole_in((40, 44))
    first, again, other = (synthesise(colours, hole, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.sources, again.sources)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.sources != other.sources).any()


@pytest.mark.parametrize("kind", ["stripes", "checkerboard", "slanted stripes"])
def test_a_pattern_is_continued_exactly(kind):
    y, x = np.indices((64, 72))
    pattern = {"stripes": x // 4, "checkerboard": x // 4 + y // 4, "slanted stripes": (x + y) // 3}[kind] % 2
    colours = np.stack([pattern, 0.3 + 0.4 * pattern, 1 - pattern], 2).astype(np.float32)
    hole = hole_in((64, 72), 22, 25, 18, 20)
    blanked = colours.copy()
    blanked[hole] = 0.5
    np.testing.assert_allclose(synthesise(blanked, hole).filled(blanked), colours, atol=1e-5)


def test_a_texture_that_is_only_in_one_corner_is_copied_from_there():
    y, x = np.indices((72, 80))
    rng = np.random.default_rng(0)
    colours = np.repeat(0.1 + 0.05 * rng.random((72, 80, 1)), 3, 2).astype(np.float32)
    corner = (y < 44) & (x < 48)
    colours[corner] = np.where(((x + y) // 3 % 2)[..., None], [0.9, 0.7, 0.2], [0.2, 0.6, 0.9])[corner]
    hole = hole_in((72, 80), 14, 17, 14, 15)
    found = synthesise(colours, hole)
    assert found.weights[corner.reshape(-1)[found.sources]].sum() >= 0.9 * hole.sum()


def test_a_hole_at_the_corner_of_the_picture_is_filled_from_inside():
    colours, hole = picture(), hole_in((40, 44), 0, 0, 12, 12)
    filled = synthesise(colours, hole).filled(colours)
    assert np.isfinite(filled).all() and filled.min() >= 0 and filled.max() <= 1 + 1e-5


def test_deep_holes_stay_finite():
    colours, hole = picture(size=(150, 330)), hole_in((150, 330), 10, 10, 130, 290)
    assert np.isfinite(synthesise(colours, hole, rounds=1, patch=3).weights).all()


def test_without_a_whole_known_patch_the_error_says_what_to_do():
    hole = np.ones((20, 20), bool)
    hole[:, :6] = False
    with pytest.raises(InputError, match="smaller patches"):
        synthesise(picture(size=(20, 20)), hole, patch=7)


def test_progress_only_grows_and_work_stops_when_asked():
    shares: list[float] = []
    token = CancelToken()

    def watch(_stage: str, share: float) -> None:
        shares.append(share)
        if share > 0.5:
            token.cancel()

    with pytest.raises(Cancelled):
        synthesise(picture(), hole_in((40, 44)), monitor=Monitor(watch, token))
    assert shares == sorted(shares) and len(shares) > 4
    assert sum(share > 0.5 for share in shares) == 1

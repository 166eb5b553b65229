import numpy as np
import pytest
from inpaint_lens.training.holes import blobs, boxes, random_hole, strokes


@pytest.mark.parametrize("kind", [strokes, boxes, blobs])
@pytest.mark.parametrize("size", [(64, 64), (48, 96)])
def test_every_kind_makes_a_hole_of_the_size_asked_for(kind, size):
    mask = kind(size, np.random.default_rng(3))
    assert mask.shape == size
    assert mask.dtype == np.bool_
    assert 0 < mask.mean() < 1


def test_random_holes_cover_a_sensible_part():
    rng = np.random.default_rng(0)
    cover = [random_hole((64, 64), rng).mean() for _ in range(60)]
    assert min(cover) >= 0.03
    assert max(cover) <= 0.5
    assert np.std(cover) > 0.05


def test_the_same_seed_gives_the_same_hole():
    first, second = (random_hole((64, 64), np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)

import cv2
import numpy as np
import pytest
from inpaint_lens.backends.exemplar.refinement import add_detail
from numpy.typing import NDArray

SIZE, SCALED = 128, (64, 64)


@pytest.fixture(scope="module")
def grain() -> NDArray[np.float32]:
    """A fine texture, the same everywhere, on a slow wave."""
    y, x = np.mgrid[:SIZE, :SIZE]
    fine = 0.15 * np.sin(2.5 * x + 0.4 * y) * np.cos(2.1 * y)
    slow = 0.5 + 0.1 * np.sin(x / 20)
    return np.repeat((fine + slow)[..., None], 3, 2).astype(np.float32)


@pytest.fixture(scope="module")
def hole() -> NDArray[np.bool_]:
    hole = np.zeros((SIZE, SIZE), bool)
    hole[50:80, 45:85] = True
    return hole


def reduced(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of a picture at half size."""
    small = cv2.resize(picture, SCALED[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), np.float32)


def roughness(values: NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(values, axis=0)).mean())


def test_a_fill_gets_the_grain_of_its_surroundings(grain, hole):
    fill = reduced(grain)
    refined = add_detail(fill, grain, hole, hole, SCALED)
    inside = np.s_[52:78, 47:83]
    assert roughness(fill[inside]) < 0.5 * roughness(grain[inside])
    assert 0.7 < roughness(refined[inside]) / roughness(grain[inside]) < 1.3


def test_nothing_changes_outside_of_what_is_wanted(grain, hole):
    fill = reduced(grain)
    refined = add_detail(fill, grain, hole, hole, SCALED)
    assert np.array_equal(refined[~hole], fill[~hole])
    assert not np.array_equal(refined[hole], fill[hole])


def test_what_is_hidden_is_never_copied(grain, hole):
    hidden = hole.copy()
    hidden[:, :40] = True
    other = grain.copy()
    other[hidden] = 7
    fill = reduced(grain)
    assert np.array_equal(add_detail(fill, grain, hidden, hole, SCALED), add_detail(fill, other, hidden, hole, SCALED))


def test_a_smooth_picture_stays_smooth(hole):
    smooth = np.full((SIZE, SIZE, 3), 0.4, np.float32)
    assert np.allclose(add_detail(smooth, smooth, hole, hole, SCALED), smooth, atol=1e-6)


def test_with_nothing_to_copy_from_the_fill_stays(grain):
    everything = np.ones((SIZE, SIZE), bool)
    everything[0, 0] = False
    fill = reduced(grain)
    assert np.array_equal(add_detail(fill, grain, everything, everything, SCALED), fill)

"""Colours and transparency of layers, against NumPy."""

import numpy as np
import pytest
from inpaint_lens.plugin.gimp.lens.areas import Box
from inpaint_lens.plugin.gimp.lens.colours import cut, deep_fill, over, with_alpha


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_part_is_cut_out_of_a_picture(rng):
    picture = rng.integers(0, 65536, (11, 13, 4), np.uint16)
    part = cut(picture.tobytes(), Box(100, 200, 13, 11), Box(104, 203, 5, 6), 8)
    np.testing.assert_array_equal(np.frombuffer(part, np.uint16).reshape(6, 5, 4), picture[3:9, 4:9])


def test_another_transparency_keeps_the_colours(rng):
    picture, alpha = rng.integers(0, 256, (5, 6, 4), np.uint8), rng.integers(0, 256, (5, 6), np.uint8)
    mixed = np.frombuffer(with_alpha(picture.tobytes(), alpha.tobytes()), np.uint8).reshape(5, 6, 4)
    np.testing.assert_array_equal(mixed, np.dstack([picture[..., :3], alpha]))


def test_what_is_opaque_lies_over_what_is_below(rng):
    below, above = rng.integers(0, 256, (2, 7, 8, 4), np.uint8)
    above[..., 3] = rng.choice([0, 255], (7, 8))
    above[above[..., 3] == 0] = 0
    laid = np.frombuffer(over(below.tobytes(), above.tobytes()), np.uint8).reshape(7, 8, 4)
    np.testing.assert_array_equal(laid, np.where(above[..., 3:] > 0, above, below))


def test_a_deep_fill_laid_over_the_picture_gives_what_was_filled(rng):
    before, filled = rng.integers(0, 65536, (2, 9, 10, 4)).astype(np.uint16)
    alpha = rng.integers(0, 256, (9, 10)).astype(np.uint8)
    share = alpha[..., None] / 255
    composite = np.rint(before * (1 - share) + filled * share).astype(np.uint16)
    data = deep_fill(composite.tobytes(), before.tobytes(), alpha.tobytes(), mixed=True)
    layer = np.frombuffer(data, np.uint16).reshape(9, 10, 4)
    np.testing.assert_array_equal(layer[..., 3], alpha.astype(np.uint16) * 257)
    laid = before * (1 - share) + layer * share
    np.testing.assert_allclose(laid[..., :3], composite[..., :3], atol=0.51)
    visible = alpha > 128
    np.testing.assert_allclose(layer[visible][:, :3], filled[visible][:, :3], atol=1.1)


def test_a_deep_fill_with_its_own_border_keeps_its_colours(rng):
    before, filled = rng.integers(0, 65536, (2, 4, 4, 4)).astype(np.uint16)
    alpha = np.full((4, 4), 100, np.uint8)
    layer = np.frombuffer(deep_fill(filled.tobytes(), before.tobytes(), alpha.tobytes(), mixed=False), np.uint16)
    np.testing.assert_array_equal(layer.reshape(4, 4, 4)[..., :3], filled[..., :3])

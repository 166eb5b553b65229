import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.layers import BLEND_MODES, Layer, flatten
from PIL import Image, ImageChops


def rgba(seed: int, height: int = 6, width: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)


def solid(*colour: int) -> np.ndarray:
    return np.full((2, 2, 4), colour, np.uint8)


@given(
    below=hnp.arrays(np.uint8, (4, 5, 4)),
    above=hnp.arrays(np.uint8, (4, 5, 4)),
)
@settings(max_examples=50, deadline=None)
def test_normal_mode_composites_as_pillow_does(below, above):
    ours = flatten([Layer("below", below), Layer("above", above)], (4, 5)).astype(int)
    theirs = np.asarray(Image.alpha_composite(Image.fromarray(below), Image.fromarray(above))).astype(int)
    assert np.abs(ours[..., 3] - theirs[..., 3]).max() <= 1
    # Pillow divides by an alpha rounded to 8 bits, so colours agree only where there is enough of it.
    assert np.abs(ours - theirs)[theirs[..., 3] > 60].max(initial=0) <= 2


@pytest.mark.parametrize(
    ("mode", "theirs"),
    [
        ("multiply", ImageChops.multiply),
        ("screen", ImageChops.screen),
        ("darken", ImageChops.darker),
        ("lighten", ImageChops.lighter),
        ("difference", ImageChops.difference),
        ("overlay", ImageChops.overlay),
    ],
)
def test_blend_modes_of_opaque_layers_are_those_of_pillow(mode, theirs):
    below, above = rgba(0), rgba(1)
    below[..., 3] = above[..., 3] = 255
    ours = flatten([Layer("below", below), Layer("above", above, blend_mode=mode)], (6, 7))[..., :3]
    expected = np.asarray(theirs(Image.fromarray(below[..., :3]), Image.fromarray(above[..., :3])))
    assert np.abs(ours.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("mode", BLEND_MODES)
def test_every_mode_on_nothing_shows_the_layer_itself(mode):
    pixels = rgba(2)
    pixels[..., 3] |= 1
    assert np.array_equal(flatten([Layer("only", pixels, blend_mode=mode)], (6, 7)), pixels)


def test_opacity_scales_alpha():
    layers = [Layer("black", solid(0, 0, 0, 255)), Layer("white", solid(255, 255, 255, 255), opacity=0.2)]
    assert flatten(layers, (2, 2))[0, 0].tolist() == [51, 51, 51, 255]


def test_the_first_layer_is_the_lowest():
    layers = [Layer("red", solid(255, 0, 0, 255)), Layer("blue", solid(0, 0, 255, 255))]
    assert flatten(layers, (2, 2))[0, 0].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("offset", [(-1, -1), (5, 6), (2, 3), (-9, 0), (100, 100)])
def test_what_lies_outside_is_cut_off(offset):
    expected = np.zeros((12, 14, 4), np.uint8)
    canvas = np.zeros((300, 300, 4), np.uint8)
    pixels = rgba(3)
    pixels[..., 3] = 255
    canvas[100 + offset[0] : 106 + offset[0], 100 + offset[1] : 107 + offset[1]] = pixels
    expected[:] = canvas[100:112, 100:114]
    assert np.array_equal(flatten([Layer("x", pixels, offset)], (12, 14)), expected)


def test_strips_meet_without_a_seam():
    pixels = rgba(4, 600, 3)
    base = rgba(5, 600, 3)[..., :3]
    whole = flatten([Layer("x", pixels)], (600, 3), base)
    for row in (0, 255, 256, 511, 512, 599):
        assert np.array_equal(
            whole[row : row + 1], flatten([Layer("x", pixels[row : row + 1])], (1, 3), base[row : row + 1])
        )


def test_pixels_of_the_base_that_no_layer_covers_keep_their_bytes():
    base = rgba(6)
    layer = Layer("x", np.zeros((6, 7, 4), np.uint8))
    assert np.array_equal(flatten([layer], (6, 7), base), base)


def test_a_base_of_another_size_is_refused():
    with pytest.raises(InputError, match="expected 6 × 7"):
        flatten([], (6, 7), np.zeros((5, 7, 3), np.uint8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pixels": np.zeros((2, 2, 3), np.uint8)}, "RGBA"),
        ({"pixels": np.zeros((2, 2, 4), np.float32)}, "uint8"),
        ({"opacity": 1.5}, "0 to 1"),
        ({"opacity": float("nan")}, "0 to 1"),
        ({"blend_mode": "glow"}, "normal, multiply"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        Layer(**({"name": "x", "pixels": solid(0, 0, 0, 0)} | changes))


def test_flattening_changes_no_input():
    base, pixels = rgba(7), rgba(8)
    before = base.copy(), pixels.copy()
    flatten([Layer("x", pixels)], (6, 7), base)
    assert np.array_equal(base, before[0])
    assert np.array_equal(pixels, before[1])


@given(opacity=st.floats(0, 1))
def test_a_layer_over_its_equal_changes_nothing(opacity):
    pixels = rgba(9)
    pixels[..., 3] = 255
    layers = [Layer("a", pixels), Layer("b", pixels, opacity=opacity)]
    assert np.array_equal(flatten(layers, (6, 7)), pixels)

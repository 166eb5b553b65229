import struct

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.picture import Picture

P3 = bytes(pyvips.Image.profile_load("p3"))  # pyright: ignore[reportArgumentType]
# From linear P3 to linear sRGB, both D65 (derived from the primaries of SMPTE RP 431-2 and IEC 61966-2-1).
P3_TO_SRGB = np.array([[1.22494, -0.22494, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]])


def grey_profile(gamma: float) -> bytes:
    """A version 2 monochrome display profile: white point, curve of one gamma value, texts."""
    text = b"grey\0"
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0",
        b"cprt": b"text\0\0\0\0" + text + b"\0" * 3,
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78 + 1),
    }
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = bytearray(128)
    struct.pack_into(">I4sI4s4s4s", header, 0, start + len(body), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header[36:40] = b"acsp"
    struct.pack_into(">iii", header, 68, 0xF6D6, 0x10000, 0xD32D)
    return bytes(header) + table + body


def decode(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encode(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 0) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("mode", "channels"), [("grey", 1), ("rgb", 3)])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_going_to_srgb_and_back_without_a_profile_changes_nothing(dtype, mode, channels, data):
    pixels = data.draw(
        hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, channels)))
    )
    picture = Picture(pixels, mode=mode)
    back = picture.quantise(picture.from_srgb(picture.to_srgb()))
    assert back.dtype == dtype
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_of_grey_survives_the_round_trip(dtype):
    pixels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256, 1)
    picture = Picture(pixels, mode="grey")
    assert np.array_equal(picture.quantise(picture.from_srgb(picture.to_srgb())), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_display_p3_picture_comes_to_srgb_as_the_matrices_say(dtype):
    share = np.random.default_rng(0).uniform(0.3, 0.6, (20, 20, 3))
    pixels = np.rint(share * np.iinfo(dtype).max).astype(dtype)
    expected = encode(decode(pixels / np.iinfo(dtype).max) @ P3_TO_SRGB.T)
    assert np.abs(Picture(pixels, icc=P3).to_srgb() - expected).max() < 0.5 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_display_p3_picture_comes_back_within_one_level_of_255(dtype):
    scale = np.iinfo(dtype).max
    pixels = (np.random.default_rng(1).uniform(0.3, 0.6, (20, 20, 3)) * scale).astype(dtype)
    picture = Picture(pixels, icc=P3)
    assert np.abs(picture.from_srgb(picture.to_srgb()) - pixels).max() / scale < 1 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_profile_is_used_in_both_directions(dtype):
    scale = np.iinfo(dtype).max
    pixels = np.rint(np.linspace(0.05, 1, 40) * scale).astype(dtype).reshape(4, 10, 1)
    picture = Picture(pixels, mode="grey", icc=grey_profile(1.8))
    rgb = picture.to_srgb()
    assert np.abs(rgb - encode((pixels / scale) ** 1.8)).max() < 1 / 255
    assert np.abs(picture.from_srgb(rgb) - pixels).max() / scale < 1 / 255


def test_a_broken_profile_is_ignored_instead_of_failing():
    pixels = np.full((2, 2, 3), 77, np.uint8)
    broken = P3[:128] + bytes(len(P3) - 128)
    assert np.allclose(Picture(pixels, icc=broken).to_srgb(), 77 / 255)


def test_cmyk_without_a_profile_knows_white_black_and_cyan():
    pixels = np.array([[[0, 0, 0, 0], [255, 255, 255, 255], [255, 0, 0, 0]]], np.uint8)
    white, black, cyan = Picture(pixels, mode="cmyk").to_srgb()[0]
    assert white.min() > 0.99
    assert black.max() < 0.15
    assert cyan[0] < 0.2 < cyan[1] < cyan[2]


def test_cmyk_colours_come_back_as_the_same_colours():
    rgb = np.random.default_rng(2).uniform(0.35, 0.65, (5, 5, 3)).astype(np.float32)
    picture = Picture(np.zeros((5, 5, 4), np.uint8), mode="cmyk")
    inked = picture.with_pixels(picture.quantise(picture.from_srgb(rgb)))
    # Bounded by the grid of the press profile, not by this code.
    assert np.abs(inked.to_srgb() - rgb).max() < 10 / 255
    assert np.abs(inked.to_srgb() - rgb).mean() < 2 / 255


def test_a_crop_converts_like_the_same_part_of_the_whole():
    pixels = np.random.default_rng(3).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    picture = Picture(pixels, icc=P3)
    assert np.array_equal(picture.to_srgb(2, 3, 4, 5), picture.to_srgb()[2:6, 3:8])


def test_a_crop_of_a_picture_larger_than_memory_is_converted():
    picture = Picture(np.broadcast_to(np.uint8(9), (1_000_000, 1_000_000, 3)))
    assert picture.to_srgb(50, 60, 10, 10).shape == (10, 10, 3)


def test_floats_out_of_range_are_clipped_for_the_model_and_kept_in_the_picture():
    pixels = np.array([[[-0.5, 0.5, 1.5]]], np.float32)
    picture = Picture(pixels)
    assert picture.to_srgb().tolist() == [[[0, 0.5, 1]]]
    assert picture.pixels.tolist() == pixels.tolist()


def test_the_fast_way_to_8_bits_agrees_with_the_exact_one_within_two_levels():
    pixels = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    picture = Picture(pixels, icc=P3)
    assert np.abs(picture.to_srgb8() - picture.to_srgb() * 255).max() < 2


def test_the_whole_picture_as_8_bits_is_rounded_to_the_nearest_level():
    pixels = np.array([[[0, 128, 129], [65535, 65407, 65406]]], np.uint16)
    assert Picture(pixels).to_srgb8().tolist() == [[[0, 0, 1], [255, 255, 254]]]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_an_array_comes_back_with_its_shape_dtype_and_values(shape, dtype):
    values = np.random.default_rng(4).random(shape)
    array = values.astype(dtype) if np.dtype(dtype).kind == "f" else (values * np.iinfo(dtype).max).astype(dtype)
    back = Picture.from_array(array).to_array()
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array)
    assert not np.shares_memory(back, array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 2, 2), np.uint8), "shape [2, 2, 2]"),
        (np.zeros((3, 4, 5, 3), np.uint8), "shape [3, 4, 5, 3]"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((2, 2, 3), np.int32), "dtype int32"),
        (np.zeros((2, 2), bool), "dtype bool"),
        (np.full((2, 2, 3), np.nan, np.float32), "12 values that are not finite"),
        (np.full((2, 2, 3), 200.0), "floats from 200 to 200"),
        ([[1, 2]], "not list"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_by_what_is_wrong_with_it(array, words):
    with pytest.raises(InputError) as raised:
        Picture.from_array(array)
    assert words in str(raised.value)


def test_pixels_of_a_picture_cannot_be_written_to_and_the_array_of_the_caller_still_can():
    array = np.zeros((2, 2, 3), np.uint8)
    picture = Picture.from_array(array)
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 1
    array[0, 0] = 1


def test_other_pixels_keep_alpha_and_metadata():
    picture = Picture(np.zeros((2, 2, 3), np.uint8), alpha=np.full((2, 2), 7, np.uint8), icc=P3, dpi=(300, 300))
    other = picture.with_pixels(np.ones((2, 2, 3), np.uint8))
    assert other.alpha is not None
    assert (int(other.alpha[0, 0]), other.icc, other.dpi) == (7, P3, (300, 300))


def test_pixels_of_another_depth_are_not_taken():
    with pytest.raises(ValueError, match="uint8"):
        Picture(np.zeros((2, 2, 3), np.uint8)).with_pixels(np.zeros((2, 2, 3), np.uint16))

import io
import os
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inpaint_lens.imaging.colour import Mode
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import decode_picture, read_picture
from inpaint_lens.imaging.writing import encode_picture, format_of, write_atomically, write_picture, write_png
from PIL import Image, TiffImagePlugin

P3 = bytes(pyvips.Image.profile_load("p3"))  # pyright: ignore[reportArgumentType]
CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4}
SUFFIXES = ["png", "jpg", "webp", "tiff"]


def picture_of(mode: Mode = "rgb", dtype=np.uint8, alpha=False, size=(7, 9), **fields) -> Picture:
    rng = np.random.default_rng(0)
    values = rng.random((*size, CHANNELS[mode] + 1))
    values = values.astype(dtype) if dtype == np.float32 else (values * np.iinfo(dtype).max).astype(dtype)
    return Picture(values[..., :-1], alpha=values[..., -1] if alpha else None, mode=mode, **fields)


def photograph(height=96, width=128) -> np.ndarray:
    """Smooth colours with an edge and a little noise, as cameras deliver them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    waves = [128 + 90 * np.sin(x / 17 + k) * np.cos(y / 23 - k) for k in range(3)]
    image = np.stack(waves, axis=2) + np.where(x > y, 25, 0)[..., None] + rng.normal(0, 2, (height, width, 1))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def jpeg_of(image: np.ndarray, **options) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", **options)
    return decode_picture(stream.getvalue(), "source.jpg")


def exif_with() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 1
    exif.get_ifd(0x8769)[0x829A] = TiffImagePlugin.IFDRational(1, 125)
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.5)
    return exif.tobytes().removeprefix(b"Exif\0\0")


LOSSLESS = [
    (suffix, mode, dtype, alpha)
    for suffix, modes, dtypes in [
        ("png", ["grey", "rgb"], [np.uint8, np.uint16]),
        ("webp", ["rgb"], [np.uint8]),
        ("tiff", ["grey", "rgb", "cmyk"], [np.uint8, np.uint16, np.float32]),
    ]
    for mode in modes
    for dtype in dtypes
    for alpha in [False, True]
]


@pytest.mark.parametrize(("suffix", "mode", "dtype", "alpha"), LOSSLESS)
def test_pixels_and_alpha_come_back_bit_for_bit(tmp_path, suffix, mode, dtype, alpha):
    picture = picture_of(mode, dtype, alpha)
    notes = write_picture(picture, tmp_path / f"x.{suffix}")
    back = read_picture(tmp_path / f"x.{suffix}")
    assert notes == ()
    assert (back.mode, back.pixels.dtype) == (mode, dtype)
    assert np.array_equal(back.pixels, picture.pixels)
    assert (back.alpha is None) == (picture.alpha is None)
    if back.alpha is not None and picture.alpha is not None:
        assert np.array_equal(back.alpha, picture.alpha)


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
@given(array=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4]))))
@settings(max_examples=15, deadline=None)
def test_any_array_survives_a_lossless_file(suffix, array):
    data, _ = encode_picture(Picture.from_array(array), suffix)
    assert np.array_equal(decode_picture(data, "x").to_array(), array)


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
@pytest.mark.parametrize("alpha", [False, True])
def test_pillow_reads_the_same_pixels(suffix, alpha):
    picture = picture_of(alpha=alpha)
    data, _ = encode_picture(picture, suffix)
    with Image.open(io.BytesIO(data)) as opened:
        assert np.array_equal(np.asarray(opened), picture.to_array())


@pytest.mark.parametrize(("suffix", "dtype"), [("png", np.uint16), ("tiff", np.uint16), ("tiff", np.float32)])
def test_opencv_reads_the_same_deep_pixels(tmp_path, suffix, dtype):
    picture = picture_of(dtype=dtype)
    path = tmp_path / f"x.{suffix}"
    write_picture(picture, path)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert pixels.dtype == dtype
    assert np.array_equal(pixels[..., ::-1], picture.pixels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_profile_exif_and_xmp_are_kept_as_pillow_sees_them(suffix):
    picture = picture_of(icc=P3, exif=exif_with(), xmp=b"<x:xmpmeta/>")
    data, notes = encode_picture(picture, format_of(Path(f"x.{suffix}")))
    assert notes == ()
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.info.get("xmp") == b"<x:xmpmeta/>" or opened.info.get("XML:com.adobe.xmp") == "<x:xmpmeta/>"
        assert opened.info["icc_profile"] == P3
        exif = opened.getexif()
        assert (exif[0x010F], exif.get(0x0112)) == ("Maker", 1)
        assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 125)
        assert exif.get_ifd(0x8825)[2] == (1.0, 2.0, 3.5)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp"])
def test_exif_keeps_its_bytes(suffix):
    picture = picture_of(exif=exif_with())
    assert decode_picture(encode_picture(picture, suffix)[0], "x").exif == picture.exif


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_with_exif_has_the_same_pixels(dtype):
    picture = picture_of(dtype=dtype, exif=exif_with())
    back = decode_picture(encode_picture(picture, "tiff")[0], "x.tif")
    assert np.array_equal(back.pixels, picture.pixels)
    assert back.exif is not None
    exif = Image.Exif()
    exif.load(back.exif)
    assert exif[0x010F] == "Maker"


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_a_picture_that_states_no_resolution_is_written_with_the_usual_one(suffix):
    data, _ = encode_picture(picture_of(), suffix)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["dpi"] == pytest.approx((72, 72), abs=0.02)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "tiff"])
def test_resolution_is_kept(suffix):
    data, _ = encode_picture(picture_of(dpi=(300, 150)), suffix)
    assert decode_picture(data, "x").dpi == pytest.approx((300, 150), abs=0.02)


def test_a_jpeg_saved_again_untouched_hardly_changes(tmp_path):
    for subsampling in (0, 1, 2):
        for quality in (50, 75, 92):
            picture = jpeg_of(photograph(), quality=quality, subsampling=subsampling)
            write_picture(picture, tmp_path / "x.jpg", overwrite=True)
            change = np.abs(read_picture(tmp_path / "x.jpg").pixels.astype(int) - picture.pixels)
            assert change.max() <= 2
            assert change.mean() < 0.3


def test_a_jpeg_is_compressed_with_the_tables_and_subsampling_of_its_source():
    picture = jpeg_of(photograph(), quality=63, subsampling=2)
    back = decode_picture(encode_picture(picture, "jpeg")[0], "x.jpg")
    assert back.jpeg == picture.jpeg


def test_a_jpeg_of_other_origin_has_full_colour_resolution():
    back = decode_picture(encode_picture(Picture.from_array(photograph()), "jpeg")[0], "x.jpg")
    assert back.jpeg is not None
    assert back.jpeg.subsampling == 0
    assert np.abs(back.pixels.astype(int) - photograph()).mean() < 1.5


def test_a_cmyk_jpeg_stays_cmyk_with_its_polarity():
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0] = 200
    data, notes = encode_picture(Picture(inks, mode="cmyk"), "jpeg")
    back = decode_picture(data, "x.jpg")
    assert notes == ()
    assert back.mode == "cmyk"
    assert np.abs(back.pixels.astype(int) - inks).max() <= 2


def test_16_bits_become_8_by_rounding_and_a_note_says_so():
    levels = np.array([[[0, 128, 129], [65535, 65407, 65406]]], np.uint16)
    data, notes = encode_picture(Picture(levels), "webp")
    assert decode_picture(data, "x.webp").pixels.tolist() == [[[0, 0, 1], [255, 255, 254]]]
    assert len(notes) == 1
    assert "8 bits" in notes[0]


def test_floats_become_16_bits_in_a_png():
    data, notes = encode_picture(Picture(np.array([[[-1.0, 0.5, 2.0]]], np.float32)), "png")
    assert decode_picture(data, "x.png").pixels.tolist() == [[[0, 32768, 65535]]]
    assert "16 bits" in notes[0]


def test_transparency_is_laid_on_white_for_jpeg_and_a_note_says_so():
    pixels, alpha = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)
    alpha[:, 8:] = 255
    data, notes = encode_picture(Picture(pixels, alpha=alpha), "jpeg")
    back = decode_picture(data, "x.jpg").pixels
    assert back[:, :6].min() > 250
    assert back[:, 10:].max() < 5
    assert "white" in notes[0]


def test_an_alpha_that_hides_nothing_leaves_no_note():
    picture = Picture(photograph(), alpha=np.full((96, 128), 255, np.uint8))
    assert encode_picture(picture, "jpeg")[1] == ()


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_cmyk_is_converted_to_srgb_where_the_format_has_none(suffix):
    picture = picture_of("cmyk")
    data, notes = encode_picture(picture, suffix)
    back = decode_picture(data, "x")
    assert np.array_equal(back.pixels, picture.to_srgb8())
    assert "CMYK" in notes[0]


def test_grey_in_webp_keeps_its_levels():
    picture = picture_of("grey")
    back = decode_picture(encode_picture(picture, "webp")[0], "x.webp")
    assert np.array_equal(back.pixels, np.repeat(picture.pixels, 3, axis=2))


def test_exif_too_large_for_a_jpeg_is_left_out_with_a_note():
    picture = picture_of(exif=exif_with() + bytes(70_000))
    data, notes = encode_picture(picture, "jpeg")
    assert decode_picture(data, "x.jpg").exif is None
    assert "EXIF" in notes[0]


def test_a_picture_too_long_for_webp_says_what_to_do():
    with pytest.raises(InputError, match=r"16383 pixels a side.*PNG"):
        encode_picture(Picture(np.zeros((1, 16384, 3), np.uint8)), "webp")


def test_the_same_picture_gives_the_same_bytes():
    picture = picture_of(icc=P3, exif=exif_with(), dpi=(300, 300))
    for file_format in ("png", "jpeg", "webp", "tiff"):
        assert encode_picture(picture, file_format) == encode_picture(picture, file_format)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"x\.bmp.*\.png.*\.tiff"):
        write_picture(picture_of(), tmp_path / "x.bmp")


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="--overwrite"):
        write_picture(picture_of(), path)
    assert path.read_bytes() == b"precious"
    write_picture(picture_of(), path, overwrite=True)
    assert read_picture(path).size == (7, 9)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*create it"):
        write_picture(picture_of(), tmp_path / "nowhere" / "x.png")


def test_a_folder_is_not_overwritten(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_picture(picture_of(), tmp_path / "x.png", overwrite=True)


def fail_with(number: int):
    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize(("number", "words"), [(13, "no permission"), (28, "no space left"), (5, "cannot be written")])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, number, words):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(InputError, match=words):
        write_atomically(path, fail_with(number), overwrite=True)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("x.json", "old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_really_full_disk_is_recognised(tmp_path):
    with pytest.raises(InputError, match="no space left"):
        write_atomically(tmp_path / "x.json", lambda path: Path("/dev/full").write_bytes(bytes(10)))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_writer_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "x.json", lambda path: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_write_permission_is_seen_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="no permission to write"):
        write_picture(picture_of(), tmp_path / "x.png")


@pytest.mark.skipif(os.name == "nt", reason="permission bits and links are those of POSIX")
def test_a_replaced_file_keeps_its_permissions_and_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.touch()
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomically(link, lambda path: path.write_text("new"), overwrite=True)
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)])
def test_a_png_of_an_array_is_read_by_pillow(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_png(array, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as opened:
        assert np.array_equal(np.asarray(opened), array)


def test_a_png_is_called_png(tmp_path):
    with pytest.raises(InputError, match=r"end in \.png"):
        write_png(np.zeros((2, 2, 3), np.uint8), tmp_path / "x.jpg")

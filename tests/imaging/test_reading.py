import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.reading import Limits, decode_picture, read_mask_array, read_picture
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (8, 11, 3), dtype=np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF"}


def saved(image: Image.Image, file_format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def error_of(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as raised:
        read_picture(path, limits or Limits())
    message = str(raised.value)
    assert path.name in message
    assert "\n" not in message
    return message


SOURCES = {
    "8-bit grey PNG": (Image.fromarray(RGB[..., 0]), "PNG", {}, "grey"),
    "16-bit grey PNG": (Image.fromarray(RGB[..., 0].astype(np.uint16) * 201), "PNG", {}, "grey"),
    "bilevel PNG": (Image.fromarray(RGB[..., 0] > 99), "PNG", {}, "grey"),
    "RGB PNG": (Image.fromarray(RGB), "PNG", {}, "rgb"),
    "grey JPEG": (Image.fromarray(RGB[..., 0]), "JPEG", {}, "grey"),
    "RGB JPEG": (Image.fromarray(RGB), "JPEG", {}, "rgb"),
    "CMYK JPEG": (Image.fromarray(RGB).convert("CMYK"), "JPEG", {}, "cmyk"),
    "lossless WebP": (Image.fromarray(RGB), "WEBP", {"lossless": True}, "rgb"),
    "lossy WebP": (Image.fromarray(RGB), "WEBP", {}, "rgb"),
    "RGB TIFF": (Image.fromarray(RGB), "TIFF", {}, "rgb"),
    "LZW TIFF": (Image.fromarray(RGB), "TIFF", {"compression": "tiff_lzw"}, "rgb"),
    "CMYK TIFF": (Image.fromarray(RGB).convert("CMYK"), "TIFF", {}, "cmyk"),
    "16-bit grey TIFF": (Image.fromarray(RGB[..., 0].astype(np.uint16) * 201), "TIFF", {}, "grey"),
    "float grey TIFF": (Image.fromarray(RGB[..., 0].astype(np.float32) / 255), "TIFF", {}, "grey"),
}


@pytest.mark.parametrize("title", SOURCES)
def test_pixels_are_those_that_pillow_reads(title):
    image, file_format, options, mode = SOURCES[title]
    data = saved(image, file_format, **options)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(opened)
    if expected.dtype == bool:
        expected = expected * np.uint8(255)
    picture = decode_picture(data, title)
    assert (picture.mode, picture.alpha) == (mode, None)
    assert picture.pixels.dtype == expected.dtype
    assert np.array_equal(picture.pixels.squeeze(), expected)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_rgb_tiff_pixels_are_those_that_opencv_reads(tmp_path, dtype):
    pixels = (RNG.random((6, 5, 3)) * (1 if dtype == np.float32 else 65535)).astype(dtype)
    path = tmp_path / "deep.tiff"
    cv2.imwrite(str(path), pixels[..., ::-1])
    picture = read_picture(path)
    assert picture.pixels.dtype == dtype
    assert np.array_equal(picture.pixels, pixels)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_palette_pictures_become_rgb(suffix):
    image = Image.fromarray(RGB).quantize(16)
    picture = decode_picture(saved(image, FORMATS[suffix]), "palette")
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


def test_the_transparent_entry_of_a_palette_becomes_alpha():
    image = Image.fromarray(RGB).quantize(16)
    picture = decode_picture(saved(image, "PNG", transparency=3), "palette.png")
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, np.asarray(image) == 3)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_alpha_and_the_colours_under_it_are_kept(file_format):
    rgba = RNG.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    rgba[0, :, 3] = 0
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    picture = decode_picture(saved(Image.fromarray(rgba), file_format, **options), "alpha")
    assert picture.alpha is not None
    assert np.array_equal(np.dstack([picture.pixels, picture.alpha]), rgba)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    data = saved(Image.fromarray(RGB), FORMATS[suffix], exif=exif, **options)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    picture = decode_picture(data, "turned")
    assert np.array_equal(picture.pixels, expected)
    if picture.exif:
        tags = Image.Exif()
        tags.load(picture.exif)
        assert tags[0x0112] == 1


def test_resolution_turns_with_the_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode_picture(saved(Image.fromarray(RGB), "TIFF", exif=exif, dpi=(300, 150)), "x.tif")
    assert picture.dpi == pytest.approx((150, 300))


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_colour_profile_is_kept_byte_for_byte(suffix):
    assert decode_picture(saved(Image.fromarray(RGB), FORMATS[suffix], icc_profile=SRGB), "icc").icc == SRGB


def test_a_colour_profile_for_other_colours_is_left_out():
    data = saved(Image.fromarray(RGB[..., 0]), "JPEG", icc_profile=SRGB)
    assert decode_picture(data, "grey.jpg").icc is None


def test_the_thumbnail_of_the_untouched_picture_is_gone_and_the_rest_of_the_exif_stays_in_place():
    thumbnail = saved(Image.fromarray(RGB).resize((4, 4)), "JPEG")
    # One directory with orientation 6 and a link to a second one, which holds start and length of the thumbnail.
    first = struct.pack("<HHHIIHHIII", 2, 0x0112, 3, 1, 6, 0x0131, 2, 4, int.from_bytes(b"abc\0", "little"), 38)
    second = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 68, 0x0202, 4, 1, len(thumbnail), 0)
    exif = b"II*\0" + struct.pack("<I", 8) + first + second
    assert len(exif) == 68
    picture = decode_picture(saved(Image.fromarray(RGB), "JPEG", exif=b"Exif\0\0" + exif + thumbnail), "x.jpg")
    assert picture.exif is not None
    assert thumbnail not in picture.exif
    assert len(picture.exif) == len(exif + thumbnail)
    tags = Image.Exif()
    tags.load(picture.exif)
    assert dict(tags) == {0x0112: 1, 0x0131: "abc"}


def test_damaged_exif_does_not_stop_the_picture():
    data = saved(Image.fromarray(RGB), "PNG", exif=b"II*\0\xff\xff\xff\x00nonsense")
    picture = decode_picture(data, "x.png")
    assert picture.exif is None
    assert np.array_equal(picture.pixels, RGB)


def test_jpeg_tables_and_subsampling_are_remembered():
    data = saved(Image.fromarray(RGB), "JPEG", quality=61, subsampling=1)
    picture = decode_picture(data, "x.jpg")
    with Image.open(io.BytesIO(data)) as opened:
        tables = opened.quantization  # pyright: ignore[reportAttributeAccessIssue]
    assert picture.jpeg is not None
    assert picture.jpeg.subsampling == 1
    assert [list(table) for table in picture.jpeg.tables] == [list(tables[0]), list(tables[1])]


@pytest.mark.parametrize("file_format", ["WEBP", "TIFF"])
def test_only_the_first_page_is_read_and_the_log_says_so(file_format, caplog):
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    options = {"lossless": True} if file_format == "WEBP" else {}
    picture = decode_picture(saved(pages[0], file_format, save_all=True, append_images=pages[1:], **options), "two")
    assert np.array_equal(picture.pixels, RGB)
    assert "2 pages" in caplog.text


def test_the_format_is_told_from_the_content_not_from_the_name(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(saved(Image.fromarray(RGB), "PNG"))
    assert read_picture(path).source_format == "png"


def test_a_file_that_was_changed_is_read_anew(tmp_path):
    path = tmp_path / "x.png"
    for level in (10, 20):
        Image.fromarray(np.full((4, 4 + level), level, np.uint8)).save(path)
        assert read_picture(path).pixels[0, 0, 0] == level


def test_a_missing_file_is_named(tmp_path):
    assert "does not exist" in error_of(tmp_path / "missing.png")


def test_a_folder_is_not_a_picture(tmp_path):
    assert "is a folder" in error_of(tmp_path)


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "is empty" in error_of(tmp_path / "empty.png")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file_is_a_matter_of_permission(tmp_path):
    path = tmp_path / "secret.png"
    path.touch(mode=0o000)
    assert "permission" in error_of(path)


def test_a_refused_read_is_a_matter_of_permission(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(b"x")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "permission" in error_of(path)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"hello world", "not a picture"),
        (b"GIF89a", "GIF"),
        (b"%PDF-1.7", "PDF"),
        (b"  <svg xmlns=''>", "SVG"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_other_kinds_of_files_are_refused_by_name(tmp_path, start, words):
    path = tmp_path / "other.png"
    path.write_bytes(start + bytes(100))
    assert words in error_of(path)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_a_truncated_file_is_an_error_instead_of_grey_stripes(tmp_path, suffix, share):
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), FORMATS[suffix])
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    assert "cut short" in error_of(path)


def test_too_large_a_picture_is_refused_from_its_header_without_decoding(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_claiming(40_000, 40_000))
    tracemalloc.start()
    message = error_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "1600 megapixels (40000 × 40000), more than the limit of 250" in message
    assert peak < 1_000_000


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "long.png"
    path.write_bytes(bytes(2001))
    assert "limit" in error_of(path, Limits(max_bytes=2000))


def test_a_picture_without_pixels_is_refused(tmp_path):
    path = tmp_path / "nothing.png"
    path.write_bytes(png_claiming(0, 5))
    error_of(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float_values_that_are_not_finite_are_counted(tmp_path, value):
    pixels = np.full((4, 4), 0.5, np.float32)
    pixels[1, 1:3] = value
    path = tmp_path / "bad.tif"
    Image.fromarray(pixels).save(path)
    assert "2 values that are not finite" in error_of(path)


def test_floats_in_0_to_255_are_refused_instead_of_shown_white(tmp_path):
    path = tmp_path / "bright.tif"
    Image.fromarray(np.full((4, 4), 200, np.float32)).save(path)
    assert "expected mostly 0 to 1" in error_of(path)


def test_a_few_bright_floats_are_kept_as_they_are():
    pixels = np.full((4, 4), 0.5, np.float32)
    pixels[0, 0] = 3
    assert decode_picture(saved(Image.fromarray(pixels), "TIFF"), "x.tif").pixels[0, 0, 0] == 3


def test_too_many_channels_are_counted(tmp_path):
    path = tmp_path / "five.tif"
    pyvips.Image.new_from_array(np.zeros((3, 4, 6), np.uint8)).copy(interpretation="srgb").tiffsave(str(path))  # pyright: ignore[reportAttributeAccessIssue]
    assert "6 channels" in error_of(path)


def test_signed_values_are_refused_by_their_type(tmp_path):
    path = tmp_path / "signed.tif"
    pyvips.Image.new_from_array(np.zeros((3, 4), np.int16)).tiffsave(str(path))  # pyright: ignore[reportAttributeAccessIssue]
    assert "short" in error_of(path)


def test_the_preview_of_a_raw_photograph_is_not_taken_for_the_photograph(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    path = tmp_path / "photo.dng"
    path.write_bytes(saved(Image.fromarray(RGB), "TIFF", tiffinfo=tags))
    assert "raw photograph" in error_of(path)


def masks_of_one_shape() -> dict[str, Image.Image]:
    hole = np.zeros((6, 7), np.uint8)
    hole[2:4, 1:5] = 255
    strokes = np.zeros((6, 7, 4), np.uint8)
    strokes[hole > 0] = (200, 30, 30, 255)
    return {
        "grey": Image.fromarray(hole),
        "bilevel": Image.fromarray(hole > 0),
        "16-bit": Image.fromarray(hole.astype(np.uint16) * 257),
        "RGB": Image.fromarray(hole).convert("RGB"),
        "palette": Image.fromarray(hole).convert("RGB").quantize(2),
        "white strokes on transparent": Image.merge("LA", [Image.new("L", (7, 6), 255), Image.fromarray(hole)]),
        "red strokes on transparent": Image.fromarray(strokes),
        "opaque alpha": Image.merge("LA", [Image.fromarray(hole), Image.new("L", (7, 6), 255)]),
    }


@pytest.mark.parametrize("kind", masks_of_one_shape())
def test_a_mask_means_the_same_hole_however_it_is_stored(tmp_path, kind):
    path = tmp_path / "mask.png"
    masks_of_one_shape()[kind].save(path)
    mask = read_mask_array(path)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, np.asarray(masks_of_one_shape()["grey"]))


def test_an_opaque_black_mask_is_an_empty_hole(tmp_path):
    path = tmp_path / "mask.png"
    Image.new("LA", (4, 4), (0, 255)).save(path)
    assert not read_mask_array(path).any()


def test_a_mask_is_turned_upright_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB[..., 0]).save(tmp_path / "mask.png", exif=exif)
    assert read_mask_array(tmp_path / "mask.png").shape == (11, 8)

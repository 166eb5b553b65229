"""Read PNG, JPEG, WebP and TIFF files into pictures and masks, and refuse everything else in one sentence.

The format is told from the content, the size is checked from the header before anything is decoded, and only the
four loaders are ever called, so no other decoder of libvips can be reached by a crafted file.
"""

from __future__ import annotations

import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from . import colour, metadata
from .colour import CHANNELS, Mode
from .errors import InputError
from .picture import JpegSettings, Picture

logger = logging.getLogger(__name__)
# libvips reports damage twice, as an error, which is translated below, and as a log line: keep that off the terminal.
logging.getLogger("pyvips").addHandler(logging.NullHandler())

_SIGNATURES = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "tiff": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
}
_FOREIGN = {
    b"GIF8": "GIF", b"%PDF": "PDF", b"<svg": "SVG", b"<?xml": "SVG or XML", b"BM": "BMP", b"8BPS": "Photoshop",
    b"gimp xcf": "GIMP (XCF)", b"PK\x03\x04": "zip-based (OpenRaster, Krita)", b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL", b"\x00\x00\x00\x0cjP": "JPEG 2000", b"v/1\x01": "OpenEXR", b"P5": "PNM", b"P6": "PNM",
    b"FUJIFILMCCD-RAW": "Fujifilm raw",
}  # fmt: skip
_MODES: dict[str, Mode] = {
    "b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb": "rgb", "rgb16": "rgb", "scrgb": "rgb", "cmyk": "cmyk",
}  # fmt: skip
_DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_DEFAULT_RESOLUTION = 1.0
"""Pixels per millimetre that libvips reports when a file states none."""
_MM_PER_INCH = 25.4
_NAMES = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF"}


@dataclass(frozen=True)
class Limits:
    """What is too large to read.

    Attributes:
        max_pixels: height times width.
        max_bytes: size of the file.
    """

    max_pixels: int = 250_000_000
    max_bytes: int = 2 * 1024**3


DEFAULT_LIMITS = Limits()


def read_picture(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Read a picture with everything around it, turned upright as its EXIF orientation says.

    Raises:
        InputError: no such file, a folder, no permission, empty, cut short, not one of the four formats, too large,
            values that are not finite, or channels or a depth that are not known. One sentence, naming the file.
    """
    return decode_picture(_read_bytes(Path(path), limits), Path(path).name, limits)


def read_mask_array(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Read a mask as grey values, uint8 `[H, W]`, 0 to 255, not yet thresholded, turned upright.

    Strokes of one colour on a transparent ground give their alpha; anything else gives its luma, with what is
    transparent as 0.

    Raises:
        InputError: as `read_picture`.
    """
    return mask_array(read_picture(path, limits))


def mask_array(picture: Picture) -> NDArray[np.uint8]:
    """The grey values of a mask picture, uint8 `[H, W]`; see `read_mask_array`."""
    alpha = picture.alpha
    if alpha is not None and alpha.min() != alpha.max() and _one_colour(picture.pixels[alpha > 0]):
        return _to_8_bit(alpha, alpha.dtype)
    if picture.mode == "cmyk":
        grey, dtype = colour.luma(picture.to_srgb8()), np.dtype(np.uint8)
    else:
        grey, dtype = picture.pixels[..., 0], picture.pixels.dtype
        if picture.mode == "rgb":
            grey = colour.luma(picture.pixels)
    if alpha is not None:
        grey = grey * (alpha.astype(np.float32) / np.float32(picture.full_scale))
    return _to_8_bit(grey, dtype)


def decode_picture(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Decode the bytes of a file; `name` stands in messages.

    Raises:
        InputError: as `read_picture`.
    """
    if not data:
        raise InputError(f"'{name}' is empty; pass a PNG, JPEG, WebP or TIFF picture.")
    file_format = _sniff(data, name)
    image = _open(data, file_format, name)
    if file_format == "tiff" and metadata.is_camera_raw(data):
        raise InputError(f"'{name}' is a raw photograph or a preview; develop it to PNG or TIFF first.")
    _check_size(image, name, limits)
    mode = _check_kind(image, name)
    fields = set(image.get_fields())
    orientation = cast(int, image.get("orientation")) if "orientation" in fields else 1
    pixels, alpha = _split(_upright(_decode(image, file_format, name), orientation), mode)
    _check_floats(pixels, alpha, name)
    return Picture(
        pixels=pixels,
        alpha=alpha,
        mode=mode,
        icc=_profile(image, fields, mode, name),
        exif=_exif(image, fields, data, file_format),
        xmp=metadata.clean_xmp(_blob(image, "xmp-data")) if "xmp-data" in fields else None,
        dpi=_dpi(image, orientation),
        source_format=file_format,
        jpeg=_jpeg_settings(data, mode) if file_format == "jpeg" else None,
    )


def _read_bytes(path: Path, limits: Limits) -> bytes:
    name = path.name
    try:
        if path.is_dir():
            raise InputError(f"'{path}' is a folder; pass the path of one picture.")
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise InputError(
                f"'{name}' is {size / 1e6:.0f} MB, more than the limit of {limits.max_bytes / 1e6:.0f} MB; "
                "make it smaller first."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist; check the path.") from None
    except PermissionError:
        raise InputError(f"'{path}' cannot be read for lack of permission; make it readable first.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"'{path}' cannot be read ({reason}); check the path and the disk.") from error


def _sniff(data: bytes, name: str) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    for file_format, signatures in _SIGNATURES.items():
        if data.startswith(signatures):
            return file_format
    foreign = next((title for mark, title in _FOREIGN.items() if data[:64].lstrip().startswith(mark)), None)
    if data[4:8] == b"ftyp":
        foreign = "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIC or video"
    if foreign:
        raise InputError(f"'{name}' is a {foreign} file, which is not read here; convert it to PNG first.")
    raise InputError(f"'{name}' is not a picture; pass a PNG, JPEG, WebP or TIFF file.")


def _open(data: bytes, file_format: str, name: str) -> pyvips.Image:
    loaders = {
        "png": pyvips.Image.pngload_buffer,
        "jpeg": pyvips.Image.jpegload_buffer,
        "webp": pyvips.Image.webpload_buffer,
        "tiff": pyvips.Image.tiffload_buffer,
    }
    try:
        image = cast(pyvips.Image, loaders[file_format](data, access="sequential", fail_on="error"))
    except pyvips.Error as error:
        raise _damaged(name, file_format) from error
    pages = cast(int, image.get("n-pages")) if "n-pages" in image.get_fields() else 1
    if pages > 1:
        logger.warning("'%s' has %d pages; only the first is taken.", name, pages)
    return image


def _decode(image: pyvips.Image, file_format: str, name: str) -> NDArray:
    dtype = _DTYPES[cast(str, image.format)]
    try:
        memory = image.write_to_memory()
    except pyvips.Error as error:
        raise _damaged(name, file_format) from error
    return np.frombuffer(memory, dtype).reshape(image.height, image.width, image.bands)


def _damaged(name: str, file_format: str) -> InputError:
    return InputError(
        f"'{name}' cannot be read as {_NAMES[file_format]}: it is cut short, damaged or of an unusual kind; "
        "get a fresh copy or save it again as PNG."
    )


def _check_size(image: pyvips.Image, name: str, limits: Limits) -> None:
    height, width = image.height, image.width
    if height < 1 or width < 1:
        raise InputError(f"'{name}' is {width} × {height} pixels, which holds nothing; pass a picture with pixels.")
    if height * width > limits.max_pixels:
        raise InputError(
            f"'{name}' has {height * width / 1e6:.0f} megapixels ({width} × {height}), more than the limit of "
            f"{limits.max_pixels / 1e6:g}; make it smaller first."
        )


def _check_kind(image: pyvips.Image, name: str) -> Mode:
    kind = str(image.interpretation)
    if image.format not in _DTYPES:
        raise InputError(f"'{name}' stores {image.format} values; expected 8-bit, 16-bit or 32-bit float: convert it.")
    if kind not in _MODES:
        raise InputError(f"'{name}' stores {kind} colours; expected grey, RGB or CMYK: convert it first.")
    mode = _MODES[kind]
    if image.bands - CHANNELS[mode] not in (0, 1):
        raise InputError(
            f"'{name}' has {image.bands} channels; expected grey, RGB or CMYK with at most one alpha: convert it first."
        )
    return mode


def _upright(array: NDArray, orientation: int) -> NDArray:
    """Undo an EXIF orientation (Exif 2.32, tag 0x0112): the stored rows and columns are turned as it says."""
    if orientation in (5, 6, 7, 8):
        array = array.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _split(array: NDArray, mode: Mode) -> tuple[NDArray, NDArray | None]:
    count = CHANNELS[mode]
    return array[..., :count], array[..., count] if array.shape[2] > count else None


def _check_floats(pixels: NDArray, alpha: NDArray | None, name: str) -> None:
    if pixels.dtype.kind != "f":
        return
    bad = sum(int(part.size - np.count_nonzero(np.isfinite(part))) for part in (pixels, alpha) if part is not None)
    if bad:
        raise InputError(f"'{name}' holds {bad} values that are not finite (NaN or infinity); replace them first.")
    bright = float(np.mean(pixels > 1))
    if bright > 0.5:
        raise InputError(
            f"'{name}' holds floats up to {float(pixels.max()):g}; expected mostly 0 to 1: divide by the largest value."
        )
    if bright or pixels.min() < 0:
        logger.warning("'%s' holds floats out of 0 to 1; they stay, but the model sees them clipped.", name)


def _blob(image: pyvips.Image, field: str) -> bytes:
    return bytes(cast(bytes, image.get(field)))


def _profile(image: pyvips.Image, fields: set[str], mode: Mode, name: str) -> bytes | None:
    if "icc-profile-data" not in fields:
        return None
    icc = _blob(image, "icc-profile-data")
    if colour.matches(icc, mode):
        return icc
    logger.warning("'%s' has a colour profile for other than %s colours; it is left out.", name, mode)
    return None


def _exif(image: pyvips.Image, fields: set[str], data: bytes, file_format: str) -> bytes | None:
    raw = _blob(image, "exif-data") if "exif-data" in fields else None
    if file_format == "tiff":
        raw = metadata.tiff_exif(data)
    return metadata.clean_exif(raw) if raw else None


def _dpi(image: pyvips.Image, orientation: int) -> tuple[float, float] | None:
    if (image.xres, image.yres) == (_DEFAULT_RESOLUTION, _DEFAULT_RESOLUTION):
        return None
    horizontal, vertical = image.xres * _MM_PER_INCH, image.yres * _MM_PER_INCH
    return (vertical, horizontal) if orientation in (5, 6, 7, 8) else (horizontal, vertical)


def _jpeg_settings(data: bytes, mode: Mode) -> JpegSettings | None:
    """Tables and subsampling; None for kinds whose compression Pillow cannot repeat."""
    if mode == "cmyk":
        return None
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as opened:
        image = cast(JpegImagePlugin.JpegImageFile, opened)
        subsampling = JpegImagePlugin.get_sampling(image) if mode == "rgb" else 0
        if subsampling < 0 or (mode == "rgb" and image.info.get("adobe_transform") == 0):
            return None
        tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
    return JpegSettings(tables, subsampling)


def _one_colour(pixels: NDArray) -> bool:
    return bool((pixels == pixels[:1]).all())


def _to_8_bit(values: NDArray, dtype: np.dtype) -> NDArray[np.uint8]:
    share = values.astype(np.float32) * np.float32(255 / colour.full_scale(dtype))
    return colour.quantise(share, np.uint8)

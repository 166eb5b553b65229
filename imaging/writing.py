"""Write pictures as PNG, JPEG, WebP or TIFF with what came in, and files of any kind without ever leaving half of one.

Where a format cannot hold something (16 bits, alpha, CMYK) the picture is converted and a note says so.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from . import colour, metadata
from .errors import InputError
from .picture import Picture

logger = logging.getLogger(__name__)

FORMATS = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".tif": "tiff", ".tiff": "tiff",
}  # fmt: skip
"""Format by suffix of the file name."""

_NAMES = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF"}
_LONGEST_SIDE = {"jpeg": 65500, "webp": 16383}
_LARGEST_JPEG_SEGMENT = 65533
_MM_PER_INCH = 25.4
_UNSTATED_DPI = (72.0, 72.0)
"""libvips always writes a resolution, and 25.4 dots per inch if it is told none: prints a metre wide."""
_KEEP_XMP, _KEEP_ICC = 2, 8
"""Bits of `VipsForeignKeep`; EXIF is written here instead, since libvips would rebuild it."""
_FILTER_SUB = 16
"""Bit of `VipsForeignPngFilter`: differences to the pixel on the left, which suit photographs."""
_VIPS_FORMATS = {np.dtype(np.uint8): "uchar", np.dtype(np.uint16): "ushort", np.dtype(np.float32): "float"}


def write_picture(picture: Picture, path: str | os.PathLike[str], *, overwrite: bool = False) -> tuple[str, ...]:
    """Write a picture in the format of the suffix, keeping profile, EXIF, resolution, alpha and depth where it can.

    PNG, TIFF and WebP are written without loss. A JPEG that came from a JPEG is compressed as that one was, so that
    untouched parts hardly change; any other with quality 95 and full colour resolution.

    Returns:
        One sentence for each thing that had to be converted or left out; also logged.

    Raises:
        InputError: unknown suffix, folder missing, existing file without `overwrite`, no permission, no space, or a
            picture larger than the format can hold. Nothing is left behind.
    """
    target = Path(path)
    data, notes = encode_picture(picture, format_of(target))
    write_bytes(data, target, overwrite=overwrite)
    for note in notes:
        logger.info("'%s': %s", target.name, note)
    return notes


def write_png(array: NDArray[np.uint8], path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write uint8 grey `[H, W]`, RGB `[H, W, 3]` or RGBA `[H, W, 4]` as PNG.

    Raises:
        InputError: as `write_picture`, and for a name that does not end in `.png`.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise InputError(f"'{target.name}' is to be a PNG file; let its name end in .png.")
    write_bytes(encode_png(array), target, overwrite=overwrite)


def encode_png(array: NDArray[np.uint8]) -> bytes:
    """Uint8 grey `[H, W]`, RGB `[H, W, 3]` or RGBA `[H, W, 4]` as the bytes of a PNG."""
    return encode_picture(Picture.from_array(array), "png")[0]


def format_of(path: Path) -> str:
    """Format by suffix: `png`, `jpeg`, `webp` or `tiff`.

    Raises:
        InputError: any other suffix.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise InputError(f"'{path.name}' must end in one of {', '.join(FORMATS)} to say in which format.") from None


def check_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """See whether a file could be written there, so that long work is not done for nothing; returns the real place.

    Raises:
        InputError: a folder, an existing file without `overwrite`, a folder that is missing or not writable.
    """
    # A link keeps pointing where it points: the file behind it is replaced.
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(f"'{path}' is a folder; pass the path of the file to write.")
    if not target.parent.is_dir():
        raise InputError(f"The folder '{target.parent}' does not exist; create it first.")
    if target.exists() and not overwrite:
        raise InputError(f"'{path}' exists already; choose another name or pass --overwrite.")
    if target.exists() and not target.is_file():
        raise InputError(f"'{path}' is not a plain file and cannot be replaced; choose another name.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _no_permission(target)
    return target


def write_bytes(data: bytes, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write bytes to a file; see `write_atomically`."""
    write_atomically(path, lambda temporary: temporary.write_bytes(data), overwrite=overwrite)


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object], *, overwrite: bool = False) -> None:
    """Let `write` fill a temporary file in the same folder, then put it in place in one step.

    Args:
        path: the file to be.
        write: gets the path of an empty file with the same suffix.
        overwrite: replace an existing file.

    Raises:
        InputError: as `check_target`, and no space left. Whatever happens, no temporary file stays.
    """
    target = check_target(path, overwrite=overwrite)
    temporary = target.with_name(f".{target.stem[:100]}-{secrets.token_hex(4)}{target.suffix}")
    try:
        # Created here with O_EXCL so that the user's umask holds and nothing of that name is followed.
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        write(temporary)
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))  # noqa: PTH101
        os.replace(temporary, target)  # noqa: PTH105
    except OSError as error:
        raise _cannot_write(error, target) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def encode_picture(picture: Picture, file_format: str) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a picture in a format (`png`, `jpeg`, `webp`, `tiff`) and the notes of `write_picture`.

    Raises:
        InputError: the picture is larger than the format can hold.
    """
    limit = _LONGEST_SIDE.get(file_format)
    if limit and max(picture.size) > limit:
        name = _NAMES[file_format]
        raise InputError(f"{name} holds at most {limit} pixels a side, this picture has more; write a PNG or TIFF.")
    fitted, notes = _fit(picture, file_format)
    encoders = {"png": _encode_png, "jpeg": _encode_jpeg, "webp": _encode_webp, "tiff": _encode_tiff}
    return encoders[file_format](fitted, notes), tuple(notes)


def _fit(picture: Picture, file_format: str) -> tuple[Picture, list[str]]:
    """Convert what the format cannot hold; every conversion leaves a note."""
    name, notes = _NAMES[file_format], []
    if file_format == "jpeg" and picture.alpha is not None:
        if picture.alpha.min() < picture.full_scale:
            notes.append("JPEG has no transparency: the picture was laid on white.")
        picture = _on_white(picture)
    wanted = _depth(picture.pixels.dtype, file_format)
    no_cmyk = picture.mode == "cmyk" and file_format in ("png", "webp")
    no_grey = picture.mode == "grey" and file_format == "webp"
    if no_cmyk or no_grey:
        notes.append(f"{name} has no {'CMYK' if no_cmyk else 'grey'}: the colours were converted to sRGB.")
        alpha = None if picture.alpha is None else _in_depth(picture.alpha, wanted)
        rgb = picture.to_srgb_depth(wanted)
        fitted = replace(picture, pixels=rgb, alpha=alpha, mode="rgb", icc=None)
    else:
        fitted = _with_depth(picture, wanted)
    if fitted.depth_bits < picture.depth_bits:
        bits = fitted.depth_bits
        notes.append(f"{name} holds at most {bits} bits per channel: {picture.depth_bits} bits were rounded.")
    return fitted, notes


def _depth(dtype: np.dtype, file_format: str) -> np.dtype:
    if dtype == np.uint8 or file_format in ("jpeg", "webp"):
        return np.dtype(np.uint8)
    if dtype == np.uint16 or file_format == "png":
        return np.dtype(np.uint16)
    return np.dtype(np.float32)


def _in_depth(values: NDArray, dtype: np.dtype) -> NDArray:
    if values.dtype == dtype:
        return values
    if dtype.kind == "f":
        return values.astype(dtype)
    scale = colour.full_scale(dtype) / colour.full_scale(values.dtype)
    return colour.quantise(values.astype(np.float32) * np.float32(scale), dtype)


def _with_depth(picture: Picture, dtype: np.dtype) -> Picture:
    alpha = None if picture.alpha is None else _in_depth(picture.alpha, dtype)
    return replace(picture, pixels=_in_depth(picture.pixels, dtype), alpha=alpha)


def _on_white(picture: Picture) -> Picture:
    if picture.alpha is None or picture.alpha.min() == picture.full_scale:
        return replace(picture, alpha=None)
    cover = (picture.alpha.astype(np.float32) / np.float32(picture.full_scale))[..., None]
    white = 0.0 if picture.mode == "cmyk" else picture.full_scale
    values = picture.pixels * cover + np.float32(white) * (1 - cover)
    return replace(picture, pixels=picture.quantise(values), alpha=None)


def _stacked(picture: Picture) -> NDArray:
    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha[..., None]]
    return np.ascontiguousarray(np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0])


def _vips(picture: Picture) -> pyvips.Image:
    array = _stacked(picture)
    wide = picture.pixels.dtype != np.uint8
    spaces = {"grey": ("b-w", "grey16"), "rgb": ("srgb", "rgb16"), "cmyk": ("cmyk", "cmyk")}
    kind = spaces[picture.mode][wide and picture.pixels.dtype == np.uint16]
    height, width, bands = array.shape
    image = pyvips.Image.new_from_memory(array.data, width, height, bands, _VIPS_FORMATS[array.dtype])
    across, down = picture.dpi or _UNSTATED_DPI
    image = cast(pyvips.Image, image.copy(interpretation=kind, xres=across / _MM_PER_INCH, yres=down / _MM_PER_INCH))
    for field, value in (("icc-profile-data", picture.icc), ("xmp-data", picture.xmp)):
        if value:
            image = colour.attach(image, field, value)
    return image


def _encode_png(picture: Picture, notes: list[str]) -> bytes:
    data = bytes(
        cast(bytes, _vips(picture).pngsave_buffer(compression=3, filter=_FILTER_SUB, keep=_KEEP_XMP | _KEEP_ICC))
    )
    return metadata.with_png_exif(data, picture.exif) if picture.exif else data


def _encode_tiff(picture: Picture, notes: list[str]) -> bytes:
    predictor = "float" if picture.pixels.dtype == np.float32 else "horizontal"
    large = picture.pixels.nbytes > 2**31
    image = _vips(picture)
    data = bytes(
        cast(bytes, image.tiffsave_buffer(compression="deflate", predictor=predictor, resunit="inch", bigtiff=large))
    )
    if not picture.exif:
        return data
    with_exif = metadata.with_tiff_exif(data, picture.exif)
    if with_exif is None:
        notes.append("The EXIF data does not fit into a TIFF of this size and was left out.")
    return with_exif or data


def _encode_webp(picture: Picture, notes: list[str]) -> bytes:
    # `exact` keeps the colours under full transparency, which the encoder would otherwise change. Without loss the
    # quality is the effort: at 20 the file is as small as at 60, in less than half the time.
    options: dict[str, Any] = {"lossless": True, "exact": True, "quality": 20, "method": 1}
    return _pillow(picture, "WEBP", options | _pillow_metadata(picture, notes, "webp"))


def _encode_jpeg(picture: Picture, notes: list[str]) -> bytes:
    if picture.jpeg and picture.mode != "cmyk":
        # No quality beside the tables: Pillow would scale them by it.
        options: dict[str, Any] = {"qtables": [list(table) for table in picture.jpeg.tables]}
        options["subsampling"] = picture.jpeg.subsampling
    else:
        options = {"quality": 95, "subsampling": 0}
    return _pillow(picture, "JPEG", options | _pillow_metadata(picture, notes, "jpeg"))


def _pillow_metadata(picture: Picture, notes: list[str], file_format: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if picture.icc:
        options["icc_profile"] = picture.icc
    if picture.dpi and file_format == "jpeg":
        options["dpi"] = (round(picture.dpi[0]), round(picture.dpi[1]))
    for field, title, value in (("exif", "EXIF", picture.exif), ("xmp", "XMP", picture.xmp)):
        if not value:
            continue
        if file_format == "jpeg" and len(value) > _LARGEST_JPEG_SEGMENT - 40:
            notes.append(f"The {title} data is too large for a JPEG and was left out.")
            continue
        options[field] = b"Exif\x00\x00" + value if field == "exif" else value
    return options


def _pillow(picture: Picture, file_format: str, options: dict[str, Any]) -> bytes:
    array = _stacked(picture)
    mode = {1: "L", 3: "RGB"}.get(array.shape[2]) or ("CMYK" if picture.mode == "cmyk" else "RGBA")
    height, width = picture.size
    image = Image.frombuffer(mode, (width, height), array.tobytes(), "raw", mode, 0, 1)
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def _no_permission(target: Path) -> InputError:
    return InputError(f"There is no permission to write '{target.name}' into '{target.parent}'; choose another folder.")


def _cannot_write(error: OSError, target: Path) -> InputError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _no_permission(target)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(f"There is no space left on the disk for '{target}'; free some and try again.")
    reason = error.strerror or str(error)
    return InputError(f"'{target}' cannot be written ({reason}); choose another place.")

"""What clients send: bytes that are looked at before they are decoded, and never a path or an address to open."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...imaging.errors import InputError
from ...imaging.guide import drawn_lines
from ...imaging.hole import Hole, threshold
from ...imaging.picture import Picture
from ...imaging.reading import Limits, decode_picture, mask_array
from ..operation import Source

_PICTURE_TYPES = ("uint8", "uint16", "float32", "float64")
_MASK_TYPES = ("bool", *_PICTURE_TYPES)
_LONGEST_HEADER = 1024


@dataclass(frozen=True, eq=False)
class Upload:
    """The files of one request, as they came; each a PNG, JPEG, WebP, TIFF or `.npy`."""

    picture: bytes
    mask: bytes
    exclude: bytes | None = None
    guide: bytes | None = None

    def source(self, limits: Limits, whole: bool = False) -> Source:
        """Decode everything.

        Args:
            limits: of each file.
            whole: whether the mask may cover all of the picture, which is for backends that restore.

        Raises:
            InputError: one sentence about the first file that cannot be used; it names the field, not the file.
        """
        picture = read_picture_upload(self.picture, limits)
        size = picture.size
        hole = Hole.from_array(_mask(self.mask, "mask", limits), size, whole)
        exclude = None if self.exclude is None else threshold(_mask(self.exclude, "exclude", limits), size)
        guide = None if self.guide is None else drawn_lines(_mask(self.guide, "guide", limits), size)
        return Source(picture, hole, exclude, guide)


def read_picture_upload(data: bytes, limits: Limits) -> Picture:
    """The picture in `data`; raises `InputError`."""
    if _is_npy(data):
        return Picture.from_array(read_npy(data, "picture", limits, _PICTURE_TYPES))
    return decode_picture(data, "picture", limits)


def _mask(data: bytes, name: str, limits: Limits) -> NDArray[Any]:
    if _is_npy(data):
        return read_npy(data, name, limits, _MASK_TYPES)
    return mask_array(decode_picture(data, name, limits))


def _is_npy(data: bytes) -> bool:
    return data.startswith(npy.MAGIC_PREFIX)


def read_npy(data: bytes, name: str, limits: Limits, types: tuple[str, ...]) -> NDArray[Any]:
    """An array `[H, W]` or `[H, W, C]` of the `.npy` format 1.0 or 2.0; nothing is unpickled.

    Raises:
        InputError: another format, type or shape, too many pixels, or not as many bytes as the header says.
    """
    stream = io.BytesIO(data)
    shape, dtype = _header(stream, name)
    if dtype.name not in types or not dtype.isnative:
        raise InputError(f"'{name}' holds {dtype.name} values in its .npy: give {', '.join(types)} in native order.")
    if len(shape) not in (2, 3) or not all(side >= 1 for side in shape) or (len(shape) == 3 and shape[2] > 4):
        raise InputError(f"'{name}' has the shape {list(shape)[:8]} in its .npy: give [H, W] or [H, W, channels].")
    if shape[0] * shape[1] > limits.max_pixels:
        raise InputError(
            f"'{name}' has {shape[0] * shape[1] / 1e6:.0f} megapixels ({shape[1]} × {shape[0]}), more than the limit "
            f"of {limits.max_pixels / 1e6:g}; make it smaller first."
        )
    if len(data) - stream.tell() != math.prod(shape) * dtype.itemsize:
        raise InputError(f"'{name}' is cut short or too long for the shape that its .npy names: send it again.")
    stream.seek(0)
    return np.ascontiguousarray(np.load(stream, allow_pickle=False))


def _header(stream: io.BytesIO, name: str) -> tuple[tuple[int, ...], np.dtype]:
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        reader = readers[npy.read_magic(stream)]
        shape, _, dtype = reader(stream, max_header_size=_LONGEST_HEADER)
    except Exception:  # numpy's parser of headers lets through whatever its helpers raise
        raise InputError(f"'{name}' is no .npy of version 1.0 or 2.0: save it again with numpy.save.") from None
    return shape, dtype

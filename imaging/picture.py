"""A picture as it came: native pixels, and everything around them that has to survive."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import colour
from .colour import CHANNELS, Mode
from .errors import InputError

_STRIP_ROWS = 256
"""Whole pictures are converted in strips of so many rows, which bounds the memory for floats."""


@dataclass(frozen=True)
class JpegSettings:
    """How a JPEG was compressed, so that it can be compressed the same way again.

    Attributes:
        tables: quantisation tables of 64 values each, as Pillow orders them.
        subsampling: 0 = 4:4:4, 1 = 4:2:2, 2 = 4:2:0.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in its own depth and colours.

    Attributes:
        pixels: `[H, W, C]` uint8, uint16 or float (display values, 0 to 1), read-only; C = 1 grey, 3 RGB, 4 CMYK.
        alpha: `[H, W]` of the same dtype, read-only, or None; not premultiplied.
        mode: `grey`, `rgb` or `cmyk`.
        icc: ICC profile.
        exif: EXIF as a TIFF structure without the `Exif` prefix; orientation 1, no thumbnail.
        xmp: XMP packet.
        dpi: pixels per inch, horizontal and vertical.
        source_format: `png`, `jpeg`, `webp`, `tiff` or "" for a picture that comes from an array.
        jpeg: how the source was compressed, where it was a JPEG.
        flat: the picture was made of an array `[H, W]` without a channel axis.
    """

    pixels: NDArray
    alpha: NDArray | None = None
    mode: Mode = "rgb"
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    source_format: str = ""
    jpeg: JpegSettings | None = None
    flat: bool = False

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        if pixels.ndim != 3 or pixels.shape[2] != CHANNELS[self.mode] or 0 in pixels.shape:
            raise ValueError(f"{self.mode} pixels must be [H, W, {CHANNELS[self.mode]}], not {list(pixels.shape)}")
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise ValueError(f"alpha must be {pixels.dtype} {list(pixels.shape[:2])}, not {alpha.dtype} {alpha.shape}")
        object.__setattr__(self, "pixels", _read_only(pixels))
        object.__setattr__(self, "alpha", None if alpha is None else _read_only(alpha))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def depth_bits(self) -> int:
        """Bits per channel: 8, 16, 32 (or 64 for a float64 array)."""
        return self.pixels.dtype.itemsize * 8

    @property
    def full_scale(self) -> float:
        """The value of full intensity: 255, 65535, or 1 for floats."""
        return colour.full_scale(self.pixels.dtype)

    def to_srgb(
        self, top: int = 0, left: int = 0, height: int | None = None, width: int | None = None
    ) -> NDArray[np.float32]:
        """The crop (the whole picture if not given) as sRGB, float32 `[height, width, 3]` in [0, 1].

        Only the crop is converted. Alpha is ignored: colours under it come as stored.
        """
        rows = slice(top, None if height is None else top + height)
        columns = slice(left, None if width is None else left + width)
        return colour.to_srgb(self.pixels[rows, columns], self.mode, self.icc)

    def from_srgb(self, rgb: NDArray[np.floating]) -> NDArray[np.float32]:
        """Native values `[h, w, C]` of sRGB `[h, w, 3]` in [0, 1]: float32, 0 to `full_scale`, not yet rounded."""
        return colour.from_srgb(rgb, self.mode, self.icc, self.pixels.dtype)

    def quantise(self, values: NDArray[np.floating]) -> NDArray:
        """Round native values (as of `from_srgb`) to the dtype of the pixels."""
        return colour.quantise(values, self.pixels.dtype)

    def to_srgb8(self) -> NDArray[np.uint8]:
        """The whole picture as uint8 sRGB `[H, W, 3]`, alpha ignored."""
        return self.to_srgb_depth(np.dtype(np.uint8))

    def to_srgb_depth(self, dtype: np.dtype) -> NDArray:
        """The whole picture as sRGB `[H, W, 3]` in `dtype` (uint8, uint16 or float), alpha ignored."""
        if self.mode == "rgb" and self.pixels.dtype == dtype == np.uint8:
            return colour.rgb8_to_srgb8(self.pixels, self.icc)
        result = np.empty((*self.size, 3), dtype)
        for top in range(0, self.size[0], _STRIP_ROWS):
            strip = self.to_srgb(top=top, height=_STRIP_ROWS) * np.float32(colour.full_scale(dtype))
            result[top : top + _STRIP_ROWS] = colour.quantise(strip, dtype)
        return result

    def with_pixels(self, pixels: NDArray, alpha: NDArray | None = None) -> Picture:
        """The same picture with other pixels; alpha stays unless another is given."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ValueError(
                f"pixels must be {self.pixels.dtype} {list(self.pixels.shape)}, not {pixels.dtype} {list(pixels.shape)}"
            )
        return replace(self, pixels=pixels, alpha=self.alpha if alpha is None else alpha)

    @classmethod
    def from_array(cls, array: NDArray) -> Picture:
        """Make a picture of an array, taken as sRGB.

        Args:
            array: `[H, W]` or `[H, W, 1]` grey, `[H, W, 3]` RGB, `[H, W, 4]` RGBA; uint8, uint16, or float in [0, 1].
                It is not copied and never written to.

        Raises:
            InputError: another shape or dtype, or floats that are not finite or out of 0..1.
        """
        _check_array(array)
        flat = array.ndim == 2
        channels = array[..., None] if flat else array
        alpha = channels[..., 3] if channels.shape[2] == 4 else None
        mode: Mode = "grey" if channels.shape[2] == 1 else "rgb"
        return cls(pixels=channels[..., : CHANNELS[mode]], alpha=alpha, mode=mode, flat=flat)

    def to_array(self) -> NDArray:
        """The picture as an array of its own, of the shape and dtype that `from_array` took (CMYK: `[H, W, 4]`).

        Raises:
            InputError: CMYK or grey with alpha, which `from_array` has no shape for.
        """
        if self.flat and self.alpha is None:
            return self.pixels[..., 0].copy()
        if self.alpha is None:
            return self.pixels.copy()
        if self.mode != "rgb":
            raise InputError(f"A {self.mode} picture with alpha has no array form; take its pixels and alpha instead.")
        return np.concatenate([self.pixels, self.alpha[..., None]], axis=2)


def _check_array(array: object) -> None:
    if not isinstance(array, np.ndarray):
        raise InputError(f"The picture must be a NumPy array, not {type(array).__name__}; convert it first.")
    shape = list(array.shape)
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise InputError(f"The picture has shape {shape}; expected [H, W], or [H, W, C] with 1, 3 or 4 channels last.")
    if 0 in shape:
        raise InputError(f"The picture has shape {shape}, which holds no pixels; pass at least one.")
    if array.dtype.kind == "f":
        _check_floats(array)
    elif array.dtype not in (np.uint8, np.uint16):
        raise InputError(f"The picture has dtype {array.dtype}; expected uint8, uint16, or float in 0 to 1.")


def _check_floats(array: NDArray) -> None:
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InputError(f"The picture holds {bad} values that are not finite (NaN or infinity); replace them first.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise InputError(
            f"The picture holds floats from {low:g} to {high:g}; expected 0 to 1, so divide by the largest value."
        )


def _read_only(array: NDArray) -> NDArray:
    view = array.view()
    view.flags.writeable = False
    return view

"""Layers: what an operation returns, and how they look one over another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

_STRIP_ROWS = 256
"""Layers are blended in strips of so many rows, which bounds the memory for floats."""

_Floats = NDArray[np.floating]
_Blend = Callable[[_Floats, _Floats], _Floats]


def _overlay(below: _Floats, above: _Floats) -> _Floats:
    return np.where(below <= 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above))


BLEND_MODES: dict[str, _Blend] = {
    "normal": lambda below, above: above,
    "multiply": lambda below, above: below * above,
    "screen": lambda below, above: below + above - below * above,
    "overlay": _overlay,
    "darken": np.minimum,
    "lighten": np.maximum,
    "difference": lambda below, above: np.abs(below - above),
}
"""Blend functions B(colour below, colour above) of W3C Compositing and Blending Level 1, 10.1."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture with a place, to be laid over others.

    Attributes:
        name: shown to the user.
        pixels: sRGB with straight alpha, uint8 `[h, w, 4]`, read-only.
        offset: top and left in the whole picture, in pixels; may be negative.
        opacity: 0 to 1.
        blend_mode: one of `BLEND_MODES`.

    Raises:
        InputError: pixels, opacity or blend mode other than these.
    """

    name: str
    pixels: NDArray[np.uint8]
    offset: tuple[int, int] = (0, 0)
    opacity: float = 1.0
    blend_mode: str = "normal"

    def __post_init__(self) -> None:
        shape = list(self.pixels.shape)
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 4 or 0 in shape:
            raise InputError(f"Layer '{self.name}' is {self.pixels.dtype} {shape}; expected uint8 RGBA [h, w, 4].")
        if not 0 <= self.opacity <= 1:
            raise InputError(f"Layer '{self.name}' has opacity {self.opacity}; expected 0 to 1.")
        if self.blend_mode not in BLEND_MODES:
            raise InputError(f"Blend mode '{self.blend_mode}' is not known; choose one of {', '.join(BLEND_MODES)}.")
        view = self.pixels.view()
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def opaque(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB `[H, W, 3]` with full alpha: `[H, W, 4]`. RGBA is copied."""
    if rgb.shape[2] == 4:
        return rgb.copy()
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], axis=2)


def flatten(layers: Sequence[Layer], size: tuple[int, int], base: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Lay layers one over another.

    Args:
        layers: in the order of painting: the first is the lowest.
        size: height and width of the result; what lies outside is cut off.
        base: RGB or RGBA `[H, W, 3 or 4]` below all layers; transparent if not given.

    Returns:
        uint8 `[H, W, 4]`, straight alpha (W3C Compositing and Blending Level 1, 5.1 and 5.9.1.4, as OpenRaster's
        `svg:src-over` and the like); colour where alpha is 0 is black, or that of the base where no layer reaches.
    """
    if base is not None and base.shape[:2] != tuple(size):
        raise InputError(f"The base is {base.shape[0]} × {base.shape[1]}; expected {size[0]} × {size[1]}.")
    result = np.zeros((*size, 4), np.uint8) if base is None else opaque(base)
    for top in range(0, size[0], _STRIP_ROWS):
        _flatten_strip(layers, result[top : top + _STRIP_ROWS], top)
    return result


def _flatten_strip(layers: Sequence[Layer], strip: NDArray[np.uint8], strip_top: int) -> None:
    """Blend in floats over all layers and round once; pixels that no layer covers keep their bytes."""
    canvas = strip.astype(np.float32) / np.float32(255)
    touched = np.zeros(strip.shape[:2], bool)
    for layer in layers:
        top, left = layer.offset[0] - strip_top, layer.offset[1]
        rows = slice(max(0, top), min(strip.shape[0], top + layer.size[0]))
        columns = slice(max(0, left), min(strip.shape[1], left + layer.size[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        source = layer.pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        canvas[rows, columns] = _over(canvas[rows, columns], source.astype(np.float32) / np.float32(255), layer)
        touched[rows, columns] |= source[..., 3] > 0
    strip[touched] = np.rint(np.clip(canvas[touched], 0, 1) * 255).astype(np.uint8)


def _over(below: _Floats, above: _Floats, layer: Layer) -> _Floats:
    cover, ground = above[..., 3:] * np.float32(layer.opacity), below[..., 3:]
    blended = BLEND_MODES[layer.blend_mode](below[..., :3], above[..., :3])
    colour = (1 - ground) * cover * above[..., :3] + cover * ground * blended + (1 - cover) * ground * below[..., :3]
    alpha = cover + ground * (1 - cover)
    straight = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0)
    return np.concatenate([straight, alpha], axis=2)

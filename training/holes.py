"""Random holes for training, one function for each kind.

A kind is a function of the size `(height, width)`, a generator and the share that is to be covered; it returns a bool
mask `[H, W]`, True = hole, that covers about this share.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError

Mask = NDArray[np.bool_]
Size = tuple[int, int]
Kind = Callable[[Size, np.random.Generator, float], Mask]

TRIES = 12
"""How often a kind may miss the range before an exact one takes its place."""
MOST_STROKES = 300
SMOOTH_SIDE = 96
"""Shorter side, in pixels, at which smooth fields are drawn."""


def strokes(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """Brush strokes with turning points (DeepFill v2, Yu et al. 2019, algorithm 1), until enough is covered."""
    canvas = np.zeros(size, np.uint8)
    for _ in range(MOST_STROKES):
        brush = int(max(2, rng.uniform(0.05, 0.16) * min(size)))
        if _stroke(canvas, rng, brush, cover, turn=1.2, corners=int(rng.integers(2, 9))):
            break
    return canvas.astype(bool)


def free_form(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """Many thin scribbles that run to and fro, as over a text or a scratch (free-form of Yu et al. 2019, thinner)."""
    canvas = np.zeros(size, np.uint8)
    for _ in range(MOST_STROKES):
        brush = int(max(1, rng.uniform(0.01, 0.05) * min(size)))
        if _stroke(canvas, rng, brush, cover, turn=2.6, corners=int(rng.integers(4, 20))):
            break
    return canvas.astype(bool)


def _stroke(canvas: NDArray, rng: np.random.Generator, brush: int, cover: float, turn: float, corners: int) -> bool:
    """Draw one stroke; True as soon as enough is covered."""
    height, width = canvas.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(corners):
        angle += rng.uniform(-turn, turn)
        length = rng.uniform(0.08, 0.3) * min(height, width)
        x2 = float(np.clip(x + length * np.cos(angle), 0, width - 1))
        y2 = float(np.clip(y + length * np.sin(angle), 0, height - 1))
        cv2.line(canvas, (int(x), int(y)), (int(x2), int(y2)), 1, brush)
        cv2.circle(canvas, (int(x2), int(y2)), brush // 2, 1, -1)
        x, y = x2, y2
        if cv2.countNonZero(canvas) >= cover * canvas.size:
            return True
    return False


def boxes(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """One to three boxes, which may overlap."""
    mask = np.zeros(size, bool)
    count = int(rng.integers(1, 4))
    shares = rng.dirichlet(np.full(count, 3.0)) * cover
    for share in shares:
        aspect = np.exp(rng.uniform(-0.6, 0.6))
        h = int(np.clip(round(np.sqrt(share * aspect) * size[0]), 1, size[0]))
        w = int(np.clip(round(share * size[0] * size[1] / h), 1, size[1]))
        top, left = rng.integers(0, size[0] - h + 1), rng.integers(0, size[1] - w + 1)
        mask[top : top + h, left : left + w] = True
    return mask


def centre(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """One rectangle of the picture's own proportions in its middle (Pathak et al. 2016, section 3.3)."""
    mask = np.zeros(size, bool)
    h, w = (int(np.clip(round(side * np.sqrt(cover)), 1, side)) for side in size)
    top, left = (size[0] - h) // 2, (size[1] - w) // 2
    mask[top : top + h, left : left + w] = True
    return mask


def blobs(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """Rounded shapes: smoothed noise above a quantile, denser around a point."""
    small = _reduced(size)
    y, x = _coordinates(small, rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8))
    return _largest(_smooth_noise(small, rng, rng.uniform(0.06, 0.16)) - 5 * np.sqrt(y**2 + x**2), size, cover)


def object_like(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """One connected shape with a wavy outline, like the mask of a thing: a turned ellipse pushed about by noise."""
    small = _reduced(size)
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0.0, 0.9))
    y, x = _coordinates(small, rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7))
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    radius = np.sqrt((along / np.float32(stretch)) ** 2 + (across * np.float32(stretch)) ** 2)
    waves = _smooth_noise(small, rng, rng.uniform(0.04, 0.1))
    return _largest_part(_largest(np.float32(0.07 * np.sqrt(cover)) * waves - radius, size, cover))


def half(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """All on one side of the picture (the half of RePaint, Lugmayr et al. 2022, section 5.2, at a cover of 0.5)."""
    height, width = size
    mask = np.zeros(size, bool)
    side = rng.integers(4)
    if side < 2:
        mask[: int(np.clip(round(cover * height), 1, height))] = True
    else:
        mask[:, : int(np.clip(round(cover * width), 1, width))] = True
    return mask[::-1, ::-1].copy() if side % 2 else mask


def borders(size: Size, rng: np.random.Generator, cover: float) -> Mask:
    """All around the picture, of which a rectangle somewhere inside stays (outpainting)."""
    height, width = size
    mask = np.ones(size, bool)
    keep = 1 - cover
    aspect = np.exp(rng.uniform(-0.5, 0.5) * cover)
    h = int(np.clip(round(np.sqrt(keep * aspect) * height), 1, height))
    w = int(np.clip(round(keep * height * width / h), 1, width))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    mask[top : top + h, left : left + w] = False
    return mask


KINDS: dict[str, Kind] = {
    "strokes": strokes,
    "free_form": free_form,
    "boxes": boxes,
    "centre": centre,
    "blobs": blobs,
    "object_like": object_like,
    "half": half,
    "borders": borders,
}
"""All kinds by name; another one is a function and an entry here."""

DEFAULT_KINDS: Mapping[str, float] = {"strokes": 1.0, "boxes": 1.0, "blobs": 1.0}


def check_kinds(names: Mapping[str, float]) -> None:
    """Raise `InputError` for a kind that there is not."""
    for name in names:
        if name not in KINDS:
            near = difflib.get_close_matches(name, KINDS, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"take some of {', '.join(KINDS)}."
            raise InputError(f"[holes] kinds has no kind '{name}': {hint}")


def random_hole(
    size: Size,
    rng: np.random.Generator,
    kinds: Mapping[str, float] = DEFAULT_KINDS,
    coverage: tuple[float, float] = (0.03, 0.5),
) -> Mask:
    """A hole of a random kind.

    Args:
        size: height and width in pixels.
        rng: what is drawn from; the same state gives the same hole.
        kinds: how often each kind is drawn, as weights of any sum.
        coverage: range of the share that it covers; kept to within one pixel. A hole is never empty.

    Returns:
        bool `[H, W]`, True = hole.
    """
    names = list(kinds)
    weights = np.array([kinds[name] for name in names])
    low, high = coverage
    rounding = 1 / (size[0] * size[1])
    for _ in range(TRIES):
        kind = KINDS[names[rng.choice(len(names), p=weights / weights.sum())]]
        mask = kind(size, rng, float(np.clip(rng.uniform(low, high), rounding, 1.0)))
        if mask.any() and low - rounding <= mask.mean() <= high + rounding:
            return mask
    return blobs(size, rng, float(np.clip(rng.uniform(low, high), rounding, 1.0)))


def _reduced(size: Size) -> Size:
    """The size at which smooth fields are drawn; they have nothing fine that would be lost."""
    factor = max(1.0, min(size) / SMOOTH_SIDE)
    return round(size[0] / factor), round(size[1] / factor)


def _smooth_noise(size: Size, rng: np.random.Generator, scale: float) -> NDArray[np.float32]:
    """Noise of standard deviation 1, smoothed over `scale` of the shorter side."""
    smooth = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), scale * min(size))
    return np.asarray(smooth / (smooth.std() + 1e-6), np.float32)


def _coordinates(size: Size, top: float, left: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows `[H, 1]` and columns `[1, W]` from a point, in sides of the picture."""
    y, x = (np.arange(side, dtype=np.float32) / np.float32(side) for side in size)
    return (y - np.float32(top))[:, None], (x - np.float32(left))[None]


def _largest(field: NDArray[np.float32], size: Size, cover: float) -> Mask:
    """The share `cover` of pixels with the largest values of a field that is enlarged to `size`."""
    if field.shape != size:
        field = np.asarray(cv2.resize(field, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    count = int(np.clip(round(cover * field.size), 1, field.size))
    return field >= np.partition(field.ravel(), field.size - count)[field.size - count]


def _largest_part(mask: Mask) -> Mask:
    """The largest connected part, its own holes closed."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    canvas = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(canvas, [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return canvas.astype(bool)

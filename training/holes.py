"""Random holes for training: strokes, boxes and blobs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def strokes(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Free-form brush strokes with turning points (DeepFill v2, Yu et al. 2019, algorithm 1)."""
    height, width = size
    canvas = np.zeros(size, np.uint8)
    for _ in range(rng.integers(1, 5)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        angle = rng.uniform(0, 2 * np.pi)
        brush = int(max(2, rng.uniform(0.05, 0.16) * min(size)))
        for _ in range(rng.integers(2, 9)):
            angle += rng.uniform(-1.2, 1.2)
            length = rng.uniform(0.08, 0.3) * min(size)
            x2 = float(np.clip(x + length * np.cos(angle), 0, width - 1))
            y2 = float(np.clip(y + length * np.sin(angle), 0, height - 1))
            cv2.line(canvas, (int(x), int(y)), (int(x2), int(y2)), 1, brush)
            cv2.circle(canvas, (int(x2), int(y2)), brush // 2, 1, -1)
            x, y = x2, y2
    return canvas.astype(bool)


def boxes(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """One to three boxes."""
    height, width = size
    mask = np.zeros(size, bool)
    count = int(rng.integers(1, 4))
    for _ in range(count):
        limit = 0.6 / np.sqrt(count)
        h, w = (int(max(4, rng.uniform(0.15, limit) * side)) for side in size)
        top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        mask[top : top + h, left : left + w] = True
    return mask


def blobs(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Rounded shapes like those of things that people remove: smoothed noise above a quantile."""
    height, width = size
    noise = rng.standard_normal(size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.06, 0.16) * min(size))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre_y, centre_x = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
    distance = np.hypot((y - centre_y) / height, (x - centre_x) / width)
    field = smooth / (smooth.std() + 1e-6) - 5 * distance
    return field > np.quantile(field, 1 - rng.uniform(0.06, 0.35))


def random_hole(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """A hole of a random kind that covers 3 to 50 percent of `size` (height, width)."""
    while True:
        kind = (strokes, boxes, blobs)[rng.integers(3)]
        mask = kind(size, rng)
        if 0.03 <= mask.mean() <= 0.5:
            return mask

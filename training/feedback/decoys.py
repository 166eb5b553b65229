"""Detail that is no sharpness: patterns laid over pictures that are not sharp, for the second model not to be taken in.

A network that is paid for sharpness finds out that any fine pattern looks like it, unless the judge has seen such
patterns and was told that the picture is still not clear.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .texts import find, plain

RGB = NDArray[np.uint8]
SHARE = 0.25
"""Of the samples that are not sharp, how many get a pattern."""
STRENGTH = (2.0, 40.0)
"""Range of the standard deviation of a pattern, in steps of 8 bits; small ones are as frequent as large ones."""
DOTS = 2
"""In a tile that has only a few."""
COARSE = 3
"""Places along each side between which the strength of a pattern changes."""
PERIODS = (2, 4, 4, 8)
"""Sides in pixels of tiles that are repeated: those of networks that scale up by 2, 4 and 8."""


def fault_in(words: str, label: int) -> str:
    """The dimension of quality that a picture suffers in by a text with its class; empty where it says nothing bad."""
    found = find(plain(words))
    return found.rule.dimension if found is not None and found.good != bool(label) else ""


def with_pattern(picture: RGB, rng: np.random.Generator) -> RGB:
    """The picture `[H, W, 3]` under a random tile that is repeated, or under noise, bright or coloured.

    What is laid over it is as strong everywhere, or in some places only.
    """
    height, width = picture.shape[:2]
    channels = 3 if rng.random() < 0.5 else 1
    pattern = rng.normal(size=(height, width, channels)) if rng.random() < 0.2 else _tiled(height, width, channels, rng)
    pattern = pattern - pattern.mean()
    if rng.random() < 0.5:
        coarse = rng.random((COARSE, COARSE)) ** 2
        pattern = pattern * np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))[..., None]
    low, high = np.log(STRENGTH)
    strength = np.exp(rng.uniform(low, high)) / max(1e-6, float(pattern.std()))
    return np.clip(np.rint(picture + strength * pattern), 0, 255).astype(np.uint8)


def _tiled(height: int, width: int, channels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random tile again and again; some tiles are stripes, and some have a few dots only."""
    period = int(rng.choice(PERIODS))
    tile = rng.normal(size=(period, period, channels))
    way = rng.random()
    if way < 0.15:
        tile = tile[:1] * np.ones_like(tile)
    elif way < 0.3:
        tile = tile[:, :1] * np.ones_like(tile)
    elif way < 0.65:
        dots = np.zeros(period**2)
        dots[rng.choice(period**2, DOTS, replace=False)] = 1
        tile = tile * dots.reshape(period, period, 1)
    return np.tile(tile, (-(-height // period), -(-width // period), 1))[:height, :width]

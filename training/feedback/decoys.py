"""Detail that is no sharpness: patterns laid over pictures that are not sharp, for the second model not to be taken in.

A network that is paid for sharpness finds out that any fine pattern looks like it, unless the judge has seen such
patterns and was told that the picture is still not clear.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .texts import find, plain

RGB = NDArray[np.uint8]
SHARE = 0.4
"""Of the samples that are not sharp, how many get a pattern."""
STRENGTH = (2.0, 24.0)
"""Range of the standard deviation of a pattern, in steps of 8 bits."""
PERIODS = (2, 2, 4, 8)
"""Sides in pixels of tiles that are repeated: those of networks that scale up by 2, 4 and 8."""


def fault_in(words: str, label: int) -> str:
    """The dimension of quality that a picture suffers in by a text with its class; empty where it says nothing bad."""
    found = find(plain(words))
    return found.rule.dimension if found is not None and found.good != bool(label) else ""


def with_pattern(picture: RGB, rng: np.random.Generator) -> RGB:
    """The picture `[H, W, 3]` with a random tile repeated all over, or with noise, bright or coloured."""
    height, width = picture.shape[:2]
    channels = 3 if rng.random() < 0.5 else 1
    if rng.random() < 0.25:
        pattern = rng.normal(size=(height, width, channels))
    else:
        period = int(rng.choice(PERIODS))
        tile = rng.normal(size=(period, period, channels))
        # Some patterns are stripes.
        tile = tile[:1] * np.ones_like(tile) if (way := rng.random()) < 0.2 else tile
        tile = tile[:, :1] * np.ones_like(tile) if way > 0.8 else tile
        pattern = np.tile(tile, (-(-height // period), -(-width // period), 1))[:height, :width]
    pattern = pattern - pattern.mean()
    strength = rng.uniform(*STRENGTH) / max(1e-6, float(pattern.std()))
    return np.clip(np.rint(picture + strength * pattern), 0, 255).astype(np.uint8)

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends.custom import CustomBackend
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.size_rule import SizeRule
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def spread(image: Tensor, hole: Tensor) -> Tensor:
    """Fill with a weighted mean of the known surroundings: differentiable, and easy to follow."""
    x = torch.arange(-14.0, 15)
    row, column = torch.exp(-(x**2 + x) / 60)[None, None, None], torch.exp(-(x**2) / 30)[None, None, :, None]

    def blur(values: Tensor) -> Tensor:
        flat = values.flatten(0, 1)[:, None]
        return F.conv2d(F.conv2d(flat, row, padding=(0, 14)), column, padding=(14, 0)).view_as(values)

    return blur(image) / blur(1 - hole).clamp_min(1e-3)


class Toy(CustomBackend):
    """`spread`, or another function, under any size rule; keeps what it was given."""

    def __init__(self, rule: SizeRule | None = None, function: Callable[..., Tensor] = spread) -> None:
        super().__init__(function, multiple_of=1)
        self.info = replace(self.info, size_rule=rule or SizeRule())
        self.seen: list[tuple[Tensor, Tensor]] = []

    def __call__(self, image: Tensor, hole: Tensor, **options) -> Tensor:
        self.seen.append((image.detach().clone(), hole.clone()))
        return super().__call__(image, hole, **options)


@pytest.fixture
def toy() -> type[Toy]:
    """A class of backends to watch."""
    return Toy


def photograph(height: int = 72, width: int = 96, seed: int = 0) -> NDArray[np.uint8]:
    """Soft waves and noise, `[H, W, 3]`."""
    y, x = np.mgrid[:height, :width]
    waves = [110 + 60 * np.sin(x / (7 + c)) * np.cos(y / 9) + 30 * c for c in range(3)]
    noise = np.random.default_rng(seed).normal(0, 8, (height, width, 3))
    return np.clip(np.stack(waves, 2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def array() -> NDArray[np.uint8]:
    """A picture of 72 x 96 pixels."""
    return photograph()


@pytest.fixture
def picture(array) -> Picture:
    """The same as a value."""
    return Picture.from_array(array)


@pytest.fixture
def hole() -> Hole:
    """A hole of 14 x 20 pixels."""
    mask = np.zeros((72, 96), bool)
    mask[30:44, 40:60] = True
    return Hole(mask)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path

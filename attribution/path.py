"""Ways from a baseline picture to the picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .baseline import Baseline
from .blur import Border, masked_blur


class Path(Protocol):
    """Pictures on the way from the baseline (alpha 0) to the picture (alpha 1)."""

    def images(self, alphas: Sequence[float]) -> Tensor:
        """Float32 `[len(alphas), 3, H, W]`; `alphas` in [0, 1]."""
        ...


@dataclass(frozen=True)
class BlurPath:
    """`γ(α) = ω(σ − ασ) ⊗ I` (patent eq. 3): the blur that made the baseline, let go step by step.

    `γ(0)` equals the baseline and `γ(1)` the picture, bit for bit. The hole is 0 all the way.

    Attributes:
        image: float32 `[1, 3, H, W]` in [0, 1].
        known: float32 `[1, 1, H, W]` in {0, 1}, 1 = outside of the hole.
        sigma: standard deviation of the baseline's Gaussian, in pixels.
        kernel: the baseline's kernel size, kept all the way.
        border: what lies outside of the picture.
    """

    image: Tensor
    known: Tensor
    sigma: float
    kernel: int
    border: Border = "unknown"

    @classmethod
    def to(cls, image: Tensor, known: Tensor, baseline: Baseline) -> BlurPath:
        """The path from `baseline` to `image`."""
        return cls(image, known, baseline.sigma, baseline.kernel)

    def images(self, alphas: Sequence[float]) -> Tensor:
        """Float32 `[len(alphas), 3, H, W]`; `alphas` in [0, 1]."""
        sigmas = [self.sigma - alpha * self.sigma for alpha in alphas]
        return masked_blur(self.image, self.known, sigmas, self.kernel, self.border)


@dataclass(frozen=True)
class LinearPath:
    """`γ(α) = I' + α (I − I')`: a cross-fade from a baseline picture, exact at both ends.

    Attributes:
        image: float32 `[1, 3, H, W]` in [0, 1].
        baseline: float32 `[1, 3, H, W]`.
    """

    image: Tensor
    baseline: Tensor

    def images(self, alphas: Sequence[float]) -> Tensor:
        """Float32 `[len(alphas), 3, H, W]`; `alphas` in [0, 1]."""
        share = self.image.new_tensor(list(alphas)).view(-1, 1, 1, 1)
        # The two weights, instead of baseline + share * difference, give both ends without rounding.
        return (1 - share) * self.baseline + share * self.image


def black(image: Tensor) -> Tensor:
    """A black baseline of the shape of `image`."""
    return torch.zeros_like(image)


def mean_colour(image: Tensor, known: Tensor) -> Tensor:
    """A baseline of one colour, the mean over the known pixels; 0 in the hole, like the picture.

    Args:
        image: float32 `[1, 3, H, W]`.
        known: float32 `[1, 1, H, W]` in {0, 1}.
    """
    visible = torch.where(known > 0, image, torch.zeros_like(image))
    mean = visible.sum((2, 3), keepdim=True) / known.sum().clamp_min(1)
    return mean * known

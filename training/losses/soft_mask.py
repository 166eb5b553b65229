"""The losses of a discriminator that says for each patch how much of it was made (Zeng et al. 2022, section 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SIGMA_PX = 10.0
"""Of the Gaussian that softens the hole."""


def soft_mask(hole: Tensor, size: tuple[int, int], sigma: float = SIGMA_PX) -> Tensor:
    """How much of each patch was made: the hole, blurred and in the size of the scores.

    Args:
        hole: `[N, 1, H, W]` in {0, 1}, 1 = hole.
        size: height and width of the scores.
        sigma: standard deviation of the Gaussian, px; the hole goes on beyond the border as at it.

    Returns:
        `[N, 1, h, w]` in [0, 1].
    """
    reach = min(math.ceil(3.5 * sigma), *(side - 1 for side in hole.shape[-2:]))
    places = torch.arange(-reach, reach + 1, device=hole.device, dtype=hole.dtype)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    weights = weights / weights.sum()
    padded = F.pad(hole, (reach,) * 4, mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return F.interpolate(blurred, size=size, mode="area").clamp(0, 1)


def soft_mask_discriminator(real: Tensor, made: Tensor, hole: Tensor, sigma: float = SIGMA_PX) -> Tensor:
    """(D(x) - 1)² + (D(z) - (1 - blurred hole))², means over patches.

    Args:
        real: scores of true pictures, `[N, 1, h, w]`.
        made: scores of composites.
        hole: of the composites, `[N, 1, H, W]`.
        sigma: see `soft_mask`.
    """
    known = 1 - soft_mask(hole, (made.shape[-2], made.shape[-1]), sigma)
    return (real - 1).square().mean() + (made - known).square().mean()


def soft_mask_generator(made: Tensor, hole: Tensor) -> Tensor:
    """(D(z) - 1)² where patches lie in the hole, mean over all patches.

    Args:
        made: scores of composites, `[N, 1, h, w]`.
        hole: `[N, 1, H, W]`; its share of a patch is the patch's weight.
    """
    inside = F.interpolate(hole, size=(made.shape[-2], made.shape[-1]), mode="area")
    return ((made - 1).square() * inside).mean()

"""Differences of pixels: absolute and squared, over all of a picture, its hole or what is known."""

from __future__ import annotations

import torch
from scipy.ndimage import distance_transform_cdt
from torch import Tensor
from torch.nn import functional as F

DISCOUNT = 0.99
"""gamma of Yu et al. 2018, section 3.1."""


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference over all pixels."""
    return F.l1_loss(output, target)


def l2(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference over all pixels."""
    return F.mse_loss(output, target)


def masked_l1(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference where `mask` `[N, 1, H, W]` is 1, of each picture, then over pictures."""
    return _over((output - target).abs(), mask)


def masked_l2(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference over the pixels where `mask` is 1, of each picture, then over pictures."""
    return _over((output - target).square(), mask)


def hole_l1(output: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute difference over the pixels of the hole."""
    return masked_l1(output, target, hole)


def _over(difference: Tensor, mask: Tensor) -> Tensor:
    count = (mask.sum((1, 2, 3)) * difference.shape[1]).clamp_min(1)
    return ((difference * mask).sum((1, 2, 3)) / count).mean()


def partial_l1(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Absolute difference where `mask` is 1, over *all* pixels: L_hole and L_valid of Liu et al. 2018, section 3.3.

    There both are divided by the number of all elements of the picture, so a small hole weighs little.
    """
    return ((output - target).abs() * mask).mean()


def discount(hole: Tensor, gamma: float = DISCOUNT) -> Tensor:
    """Weights gamma^d (Yu et al. 2018, section 3.1), d = steps to the nearest known pixel.

    Steps go to the eight neighbours. A picture of which nothing is known has the weight 1 everywhere.
    """
    weights = torch.ones_like(hole)
    for index, one in enumerate(hole[:, 0].detach().cpu().numpy() > 0.5):
        if not one.all():
            distance = torch.from_numpy(distance_transform_cdt(one, metric="chessboard")).to(weights)
            weights[index, 0] = gamma**distance
    return weights


def discounted_l1(output: Tensor, target: Tensor, hole: Tensor, gamma: float = DISCOUNT) -> Tensor:
    """Spatially discounted absolute difference in the hole (Yu et al. 2018, section 3.1), mean over its pixels.

    What lies deep in the hole is less determined by its surroundings, and costs less.
    """
    return _over((output - target).abs() * discount(hole, gamma), hole)

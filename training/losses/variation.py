"""Total variation."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, across plus down (Rudin et al. 1992, anisotropic)."""
    across = (image[..., :, 1:] - image[..., :, :-1]).abs().mean()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().mean()
    return across + down


def hole_variation(composite: Tensor, hole: Tensor) -> Tensor:
    """L_tv of Liu et al. 2018, eq. 6: differences of neighbours that both lie in the hole grown by one pixel.

    Args:
        composite: `[N, 3, H, W]`, the picture with the hole filled.
        hole: `[N, 1, H, W]`, 1 = hole.

    Returns:
        The sum of both directions over the number of all elements of the picture, a scalar.
    """
    grown = F.max_pool2d(hole, 3, 1, 1)
    across = (composite[..., :, 1:] - composite[..., :, :-1]).abs() * grown[..., :, 1:] * grown[..., :, :-1]
    down = (composite[..., 1:, :] - composite[..., :-1, :]).abs() * grown[..., 1:, :] * grown[..., :-1, :]
    return (across.sum() + down.sum()) / composite.numel()

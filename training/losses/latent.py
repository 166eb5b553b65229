"""A loss on what two encoders say of one picture."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def latent_l1(features: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of features; gradients flow to the first only.

    Args:
        features: `[N, C, h, w]` of the encoder that learns.
        wanted: like `features`, of the one that is followed.
    """
    return F.l1_loss(features.float(), wanted.detach().float())

"""Losses on what a discriminator sees in pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def feature_matching(made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a discriminator's features, averaged over layers (Wang et al. 2018, eq. 3).

    Args:
        made: features of made pictures, one `[N, C, h, w]` for each layer; gradients flow to these only.
        real: features of the real ones.
    """
    return torch.stack([F.l1_loss(a.float(), b.detach().float()) for a, b in zip(made, real, strict=True)]).mean()

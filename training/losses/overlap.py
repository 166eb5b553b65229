"""The reconstruction loss of Context Encoder, which weighs where the output overlaps the known part."""

from __future__ import annotations

import torch
from torch import Tensor

OVERLAP_WEIGHT = 10.0
"""Of what is known (Pathak et al. 2016, section 5.1)."""


def overlap_l2(output: Tensor, target: Tensor, border: int, weight: float = OVERLAP_WEIGHT) -> Tensor:
    """Mean squared difference, a ring of `border` pixels weighed more (Pathak et al. 2016, eq. 1 and section 5.1).

    Args:
        output: `[N, C, H, W]`, the centre and a ring of the known part around it.
        target: like `output`.
        border: width of the ring, px.
        weight: of the ring; the rest has 1.
    """
    weights = torch.full_like(output[:1, :1], weight)
    weights[..., border : output.shape[-2] - border, border : output.shape[-1] - border] = 1
    return ((output - target).square() * weights).mean()

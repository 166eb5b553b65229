"""Running averages of weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .recipes.protocol import bare


class Averages:
    """Exponential running averages of some networks: `average += (1 - decay) * (weights - average)` at each step.

    In the first steps the decay is smaller, (1 + step) / (10 + step), so that the first weights are soon forgotten.

    Args:
        networks: all networks of a recipe.
        names: those to average.
        decay: 0 = the last weights, towards 1 = longer.
    """

    def __init__(self, networks: Mapping[str, nn.Module], names: Sequence[str], decay: float) -> None:
        self.decay = decay
        self.networks = {name: copy.deepcopy(bare(networks[name])).eval().requires_grad_(False) for name in names}

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Move towards the weights after `step` (from 0); whole numbers are copied."""
        follow = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
        for name, average in self.networks.items():
            own, new = average.state_dict(), bare(networks[name]).state_dict()
            # A tensor with two names moves once.
            floats = {value.data_ptr(): key for key, value in own.items() if value.is_floating_point()}.values()
            follow([own[key] for key in floats], [new[key] for key in floats], None)
            for key, value in own.items():
                if not value.is_floating_point():
                    value.copy_(new[key])

"""Optimisers and learning rates as the section `[optimiser]` says."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from .config import OptimiserSettings


def make_optimiser(
    parameters: Iterable[nn.Parameter], settings: OptimiserSettings, rate_factor: float = 1.0
) -> Optimizer:
    """The optimiser of one network; its rate is `rate_factor` times that of the settings."""
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    rate = settings.rate * rate_factor
    return kind(wanted, lr=rate, betas=settings.betas, weight_decay=settings.weight_decay)


def rate_share(step: int, steps: int, settings: OptimiserSettings) -> float:
    """Share of the full learning rate at a step.

    Args:
        step: from 0.
        steps: of the whole run.
        settings: warming up and schedule; the cosine is that of Loshchilov and Hutter 2017, eq. 5, without restarts.
    """
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    if settings.schedule == "constant":
        return warm
    cosine = 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
    return warm * (settings.final + (1 - settings.final) * cosine)


def set_rate(optimiser: Optimizer, share: float) -> None:
    """Set the rate of each group to a share of what the group was made with."""
    for group in optimiser.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * share

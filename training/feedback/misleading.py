"""Pictures that mislead the second model as far as a few grey levels can, for it to learn to look past that.

A restoration network that is paid by a judge finds the faint patterns that the judge falls for. A judge that is trained
on them (Goodfellow et al. 2015, section 5; Wong et al. 2020, algorithm 3: one step from a random start) leaves only the
way that people see too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..recipes.protocol import Batch

REACH = 4 / 255
"""Largest change of a pixel."""
STEP = 1.25
"""Length of the step as a share of the reach (Wong et al. 2020, section 4.2)."""


def misleading(network: nn.Module, batch: Batch, loss: Callable[[Tensor, Batch], Tensor]) -> Tensor:
    """The pictures of a batch, of which about every second firm one was changed to make the loss larger.

    Args:
        network: the second model, without a wrapper.
        batch: `image` `[N, 3, S, S]`, `numbers`, `label`, `firm` `[N]`, 1 = a faint change leaves the class as it is,
            and `draw` `[N]`, which seeds where each begins.
        loss: from logits and the batch to a scalar.

    Returns:
        `[N, 3, S, S]` in [0, 1]; no gradient.
    """
    seeds = batch["draw"].tolist()
    chosen = [index for index, firm in enumerate(batch["firm"].tolist()) if firm and seeds[index] % 2]
    if not chosen:
        return batch["image"]
    some = {name: value[chosen] for name, value in batch.items()}
    image = some["image"]
    starts = [torch.rand(image.shape[1:], generator=torch.Generator().manual_seed(seeds[index])) for index in chosen]
    change = (REACH * (2 * torch.stack(starts).to(image) - 1)).requires_grad_()
    _, logit = network(image + change, some["numbers"])
    (slope,) = torch.autograd.grad(loss(logit, some), change)
    moved = (change.detach() + STEP * REACH * slope.sign()).clamp(-REACH, REACH)
    changed = batch["image"].clone()
    changed[chosen] = (image + moved).clamp(0, 1)
    return changed

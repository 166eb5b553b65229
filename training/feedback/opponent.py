"""A network that tries to please the second model by whatever it can draw, for the second model to learn to resist it.

It does to the second model of now what the second training will do to the finished one, as the generator of a pair of
adversaries does (Goodfellow et al. 2014, section 3). What it makes is called better only as far as it is nearer to the
good picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...backends.nets.nafnet import NafNet
from ..recipes.protocol import Batch

WIDTH = 6
PIXEL_WEIGHT = 1.0
"""Of the distance from the good picture; small, for the opponent to go further than the second training would."""
IMAGE, LABEL = "opposed_image", "opposed_label"
"""What the opponent adds to a batch."""


def make_opponent() -> NafNet:
    """A fresh opponent."""
    return NafNet(WIDTH, (1, 1), 1, (1, 1))


def oppose(opponent: nn.Module, words: nn.Module, batch: Batch) -> Tensor:
    """Let the opponent change about every second faulty picture; the batch gets `IMAGE` and `LABEL` of all pictures.

    Args:
        opponent: maybe in the wrapper of several devices.
        words: the second model, to which no gradients are added.
        batch: `image` and `better` `[N, 3, S, S]`, `numbers`, `label`, `faulty` `[N]`, 1 = as it was, with a fault that
            `better` has not, and `draw` `[N]`.

    Returns:
        The loss of the opponent.
    """
    seeds = batch["draw"].tolist()
    chosen = [index for index, faulty in enumerate(batch["faulty"].tolist()) if faulty and not seeds[index] % 2]
    some = {name: value[chosen or [0]] for name, value in batch.items()}
    made = opponent(some["image"])
    _, logit = words(made, some["numbers"])
    pleased = F.binary_cross_entropy_with_logits(logit, 1 - some["label"], reduction="none")
    far = (made - some["better"]).abs().mean((1, 2, 3))
    # By the whole batch, so that each changed picture counts the same in whichever process it is.
    loss = (pleased + PIXEL_WEIGHT * far).sum() / len(seeds)
    image, label = batch["image"].clone(), batch["label"].clone()
    if chosen:
        image[chosen] = made.detach().clamp(0, 1).to(image)
        label[chosen] = _fair(image[chosen], some)
    batch[IMAGE], batch[LABEL] = image, label
    # All processes have to come here, also those without a faulty picture.
    return loss if chosen else 0 * loss


def _fair(made: Tensor, batch: Batch) -> Tensor:
    """Class of the texts of changed pictures `[N]`: as far towards the other class as the good picture is nearer."""
    before, after = ((one - batch["better"]).square().mean((1, 2, 3)) for one in (batch["image"], made))
    share = (1 - (after / before.clamp_min(1e-8)).sqrt()).clamp(0, 1)
    return torch.lerp(batch["label"], 1 - batch["label"], share)

"""What recipes of published methods share: pictures, weights of losses, what is shown, measured and kept."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...imaging.errors import InputError
from ..config import Config
from ..generators import load_exactly
from ..holes import check_kinds
from ..losses.pixel import masked_l1
from ..optimisers import make_optimiser
from ..pictures import fixed_crops, random_crops
from .protocol import Batch, Phase, Samples, bare

Loss = tuple[Tensor, dict[str, Tensor]]
"""What is minimised, and its terms for the log."""


class PublishedRecipe:
    """A generator, and networks that judge what it fills.

    A method has a class of its own, which names its losses and says what its phases are. Its generator is called with a
    picture that is black in the hole, and the hole; inside of it, at `network`, is what the backend loads.

    Args:
        config: of the run.
        networks: by name; `generator` is among them.
        rates: learning rates of networks as multiples of that of `[optimiser]`; 1 where none is named.

    Raises:
        InputError: `[losses]` names a loss that the method does not have, or gives none a weight.
    """

    name = ""
    losses: Sequence[str] = ()

    def __init__(
        self, config: Config, networks: Mapping[str, nn.Module], rates: Mapping[str, float] | None = None
    ) -> None:
        self.config = config
        check_kinds(config.holes.kinds)
        self.weights = loss_weights(config.losses, self.losses, self.name)
        self.networks: dict[str, nn.Module] = dict(networks)
        self.frozen: Sequence[nn.Module] = ()
        self.averaged: Sequence[str] = ("generator",)
        self.optimisers: dict[str, Optimizer] = {
            name: make_optimiser(network.parameters(), config.optimiser, (rates or {}).get(name, 1.0))
            for name, network in self.networks.items()
        }

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Crops with holes."""
        return fixed_crops(self.config, files) if held_out else random_crops(self.config, files)

    def phases(self, step: int) -> Sequence[Phase]:
        """See the protocol."""
        raise NotImplementedError

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """What a generator makes of a batch, `[N, 3, S, S]`, about [0, 1], not pasted into the picture."""
        return network(batch["image"] * (1 - batch["hole"]), batch["hole"])

    def fake(self, batch: Batch) -> Tensor:
        """The picture filled by the generator, without gradient; made anew where no phase before has left it."""
        if "fake" not in batch:
            with torch.no_grad():
                batch["fake"] = pasted(self.fill(bare(self.networks["generator"]), batch), batch)
        return batch["fake"]

    def weighted(self, losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> Loss:
        """The sum of losses times their weights, those of `[losses]` by default, and the losses for the log."""
        weights = self.weights if weights is None else weights
        total = torch.stack([weights[name] * loss for name, loss in losses.items() if name in weights]).sum()
        return total, {name: loss.detach() for name, loss in losses.items()}

    def sample(self, batch: Batch, averages: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
        """The picture with its hole, the fill of the weights of now and of the averaged ones, and the original."""
        image, hole = batch["image"], batch["hole"]
        columns = [("hole", image * (1 - hole) + 0.5 * hole)]
        for caption, network in (("now", bare(self.networks["generator"])), ("average", averages["generator"])):
            columns.append((caption, pasted(self.fill(network, batch), batch)))
        return [*columns, ("original", image)]

    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """L1 and PSNR in the hole, of the averaged weights; means over the pictures."""
        image, hole = batch["image"], batch["hole"]
        output = self.fill(averages["generator"], batch).clamp(0, 1)
        error = ((output - image).square() * hole).sum((1, 2, 3)) / (3 * hole.sum((1, 2, 3)).clamp_min(1))
        psnr = (-10 * error.clamp_min(1e-10).log10()).mean()
        return {"l1_hole": masked_l1(output, image, hole), "psnr_hole": psnr}

    def export(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The generator's own weights, as its backend loads them."""
        return averages["generator"].get_submodule("network").state_dict()

    def start_from(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take weights of a generator of the same settings."""
        load_exactly(self.networks["generator"].get_submodule("network"), state, name)


def loss_weights(given: Mapping[str, float], known: Sequence[str], recipe: str) -> dict[str, float]:
    """Weights above 0 of the losses that a method has.

    Raises:
        InputError: a loss that it does not have, or none with a weight.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(known)}."
            raise InputError(f"[losses] {recipe} has no loss '{name}': {hint}")
    weights = {name: weight for name, weight in given.items() if weight}
    if not weights:
        raise InputError(f"[losses] give one of {', '.join(known)} a weight above 0.")
    return weights


def pasted(output: Tensor, batch: Batch) -> Tensor:
    """The picture with its hole filled by `output`."""
    return batch["image"] * (1 - batch["hole"]) + output * batch["hole"]


def signed(image: Tensor) -> Tensor:
    """From [0, 1] to [-1, 1], in which most methods were published and their losses are weighed."""
    return 2 * image - 1


def unsigned(image: Tensor) -> Tensor:
    """From [-1, 1] to [0, 1]."""
    return (image + 1) / 2

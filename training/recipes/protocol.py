"""What the trainer asks of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

Batch = dict[str, Tensor]
"""Tensors whose first dimension is the pictures: `image` `[N, 3, S, S]` in [0, 1], `hole` `[N, 1, S, S]` in {0, 1}.

A phase may add tensors for the phases after it."""


@dataclass(frozen=True)
class Phase:
    """One update of one network, a part of a step.

    Attributes:
        network: which one is updated.
        loss: from (a part of) the batch to the loss, and terms for the log, none of which need a gradient.
    """

    network: str
    loss: Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]


class Samples(Protocol):
    """What a recipe trains on.

    Attributes:
        broken: bool, one for each file, shared by processes: marked where a file could not be read.
    """

    broken: Tensor

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Sample `index`, which depends on the seed and this number alone; a bool becomes {0, 1}, bytes [0, 1].

        Those to train on go on without an end; of held-out ones there is one for each file.
        """
        ...


class Recipe(Protocol):
    """What the trainer asks of a recipe.

    Attributes:
        name: in the registry.
        networks: what is trained, by name. The trainer may put wrappers of its own in their places; `bare` undoes it.
        frozen: what is moved to the device and not trained.
        optimisers: one for each network.
        averaged: networks of which a running average is kept.
    """

    name: str
    networks: dict[str, nn.Module]
    frozen: Sequence[nn.Module]
    optimisers: dict[str, Optimizer]
    averaged: Sequence[str]

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Samples of pictures to train on, or of those that are held out."""
        ...

    def phases(self, step: int) -> Sequence[Phase]:
        """Updates of a step, counted from 0, in their order."""
        ...

    def sample(self, batch: Batch, averages: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
        """Columns of a sheet: a caption and pictures `[N, 3, H, W]`; called in evaluation mode without gradients."""
        ...

    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Numbers of held-out pictures, each a scalar; called as `sample`."""
        ...

    def export(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The weights that are the result of the run, by key."""
        ...

    def start_from(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take weights of a file; raises `WeightsError` where they do not fit. `name` stands in messages."""
        ...


def bare(network: nn.Module) -> nn.Module:
    """A network without the wrapper that runs it on several devices."""
    return network.module if isinstance(network, DistributedDataParallel) else network


@contextmanager
def held(network: nn.Module) -> Iterator[nn.Module]:
    """The bare network, to which no gradients are added inside."""
    plain = bare(network)
    wanting = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    for parameter in wanting:
        parameter.requires_grad_(False)
    try:
        yield plain
    finally:
        for parameter in wanting:
            parameter.requires_grad_(True)

"""One step of a run: its phases, each on parts of the batch that fit into memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor

from ..imaging.errors import LensError
from .config import TrainerSettings
from .recipes.protocol import Batch, Phase, Recipe, bare


class Stepper:
    """Runs the phases of a recipe.

    Args:
        recipe: its networks in the wrappers of the accelerator.
        accelerator: precision and gathering of gradients.
        optimisers: of the recipe, in the wrappers of the accelerator.
        settings: of the trainer.
        part: pictures that go through the networks at once; it halves when memory runs out.
        say: told a sentence when that happens.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator,
        optimisers: dict[str, AcceleratedOptimizer],
        settings: TrainerSettings,
        part: int,
        say: Callable[[str], None],
    ) -> None:
        self.recipe, self.accelerator, self.optimisers = recipe, accelerator, optimisers
        self.settings, self.part, self.say = settings, part, say

    def run(self, step: int, batch: Batch) -> dict[str, Tensor]:
        """All phases of a step, counted from 0; returns the terms of the losses, means over the batch.

        What is drawn depends on the seed and the step alone.

        Raises:
            LensError: one picture at a time is still too much for the memory.
        """
        losses: dict[str, Tensor] = {}
        for index, phase in enumerate(self.recipe.phases(step)):
            while True:
                self._seed(step, index)
                found = self._attempt(phase, batch)
                if found is not None:
                    losses |= found
                    break
                self._halve()
        return losses

    def _seed(self, step: int, phase: int) -> None:
        sequence = np.random.SeedSequence([self.settings.seed, step, phase, self.accelerator.process_index])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def _attempt(self, phase: Phase, batch: Batch) -> dict[str, Tensor] | None:
        """One update; None where there was not enough memory, and nothing has changed then."""
        try:
            return self._update(phase, batch)
        except (RuntimeError, MemoryError) as error:
            short = isinstance(error, torch.OutOfMemoryError | MemoryError) or should_reduce_batch_size(error)
            if not short or self.accelerator.num_processes > 1:
                raise
        return None

    def _update(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        optimiser, network = self.optimisers[phase.network], self.recipe.networks[phase.network]
        optimiser.zero_grad()
        parts, losses = split(batch, self.part), {}
        for index, part in enumerate(parts):
            share = size_of(part) / size_of(batch)
            last = index == len(parts) - 1
            with nullcontext() if last else self.accelerator.no_sync(network):
                with self.accelerator.autocast():
                    loss, terms = phase.loss(part)
                self.accelerator.backward(loss * share)
            for name, value in terms.items():
                losses[name] = losses.get(name, 0) + share * value.detach()
        if self.settings.clip:
            self.accelerator.unscale_gradients(optimiser)
            torch.nn.utils.clip_grad_norm_(bare(network).parameters(), self.settings.clip)
        optimiser.step()
        optimiser.zero_grad()
        join(parts, batch)
        return losses

    def _halve(self) -> None:
        """Make parts half as large."""
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        if self.part == 1:
            raise LensError(
                "There is not enough memory for a single picture: make [data] side or the network smaller, or set "
                '[trainer] precision to "bf16".'
            )
        self.part = (self.part + 1) // 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.say(f"There was not enough memory: batches now go through the network in parts of {self.part}.")


def size_of(batch: Batch) -> int:
    """How many pictures."""
    return len(next(iter(batch.values())))


def split(batch: Batch, part: int) -> list[Batch]:
    """Parts of at most `part` pictures."""
    return [
        {name: value[start : start + part] for name, value in batch.items()} for start in range(0, size_of(batch), part)
    ]


def join(parts: list[Batch], batch: Batch) -> None:
    """Take into the batch what a phase has added to its parts."""
    for name in parts[0].keys() - batch.keys():
        batch[name] = torch.cat([part[name] for part in parts])

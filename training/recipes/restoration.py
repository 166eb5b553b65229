"""First training of a feedback task: the restoration network alone, by the error over channels and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...backends.restoration import restore
from ..config import Config
from ..feedback.configuration import TaskSettings, read_task
from ..feedback.manifest import read_manifest
from ..feedback.models import attempt, make_first
from ..feedback.samples import Order, PairCrops
from ..feedback.sharpness import measured
from ..generators import load_exactly
from ..optimisers import make_optimiser
from ..settings import read_settings
from .protocol import Batch, Phase, Samples, bare

NETWORK = "restoration"


@dataclass(frozen=True)
class FeedbackSettings:
    """Section `[recipe]` of the stages of a feedback task.

    Attributes:
        name: of the recipe.
        task: folder of the task, which has all other settings.
    """

    name: str
    task: Path


def pixel_loss(kind: str, output: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute (`mae`) or mean squared (`mse`) error over pictures, channels and pixels."""
    return F.l1_loss(output, wanted) if kind == "mae" else F.mse_loss(output, wanted)


class RestorationRecipe:
    """The first model of a task on its pairs."""

    name = "restoration"
    stage = "first"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = read_settings(FeedbackSettings, config.recipe, "recipe").task
        self.task: TaskSettings = read_task(self.folder)
        self.manifest = read_manifest(self.folder, self.stage)
        self.networks: dict[str, nn.Module] = {NETWORK: make_first(self.task.first_model)}
        self.frozen: Sequence[nn.Module] = ()
        self.averaged: Sequence[str] = (NETWORK,)
        self.optimisers = {NETWORK: make_optimiser(self.networks[NETWORK].parameters(), config.optimiser)}
        self.current: list[int] = []

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Crops of pairs; those to train on where none are held out."""
        items = (self.manifest["held_out"] if held_out else []) or self.manifest["train"]
        order = Order(len(items), self.manifest["leading"], self._passes(), self.config.trainer.seed)
        return PairCrops(
            self.folder, items, order, self.config.data.side, self.config.trainer.seed, held_out, len(files)
        )

    def _passes(self) -> int:
        return 1

    def phases(self, step: int) -> Sequence[Phase]:
        """One update."""
        return [Phase(NETWORK, self._loss)]

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        self.current = batch["pair"].tolist()
        made = attempt(self.networks[NETWORK], batch)
        loss = pixel_loss(self.task.loss, made.output, made.wanted)
        return loss, {"loss": loss.detach()}

    def sample(self, batch: Batch, averages: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
        """The faulty picture, what is made of it by the weights of now and the averaged ones, and the good one."""
        now, average = (restore(net, batch["first"]) for net in (bare(self.networks[NETWORK]), averages[NETWORK]))
        return [("first sample", batch["first"]), ("now", now), ("prediction", average), ("second", batch["second"])]

    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Error, PSNR and sharpness of the averaged weights."""
        return measured(restore(averages[NETWORK], batch["first"]), batch["second"])

    def export(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The weights of the network, as the backend `restore` loads them."""
        return averages[NETWORK].state_dict()

    def start_from(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take weights of a network of the same structure."""
        load_exactly(self.networks[NETWORK], state, name)

    @torch.no_grad()
    def predict(self, network: nn.Module, first: Tensor) -> Tensor:
        """What a network makes of whole pictures `[N, 3, H, W]` in [0, 1]."""
        return restore(network, first).clamp(0, 1)

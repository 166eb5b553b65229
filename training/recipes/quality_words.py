"""Third training of a feedback task: the second model alone learns which texts are true of which pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...imaging.errors import InputError
from ..config import Config
from ..feedback.configuration import read_task
from ..feedback.manifest import read_manifest
from ..feedback.misleading import misleading
from ..feedback.models import make_second
from ..feedback.opponent import IMAGE, LABEL, make_opponent, oppose
from ..feedback.samples import TextCrops
from ..generators import load_exactly
from ..optimisers import make_optimiser
from ..settings import read_settings
from .protocol import Batch, Phase, Samples, bare, held
from .restoration import FeedbackSettings

NETWORK, OPPONENT = "words", "opponent"


def judged_loss(logit: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of what the similarity says of each text against its class, the mean over the batch."""
    return F.binary_cross_entropy_with_logits(logit, batch["label"])


class QualityWordsRecipe:
    """The second model of a task on third samples and their texts; the first model is not touched."""

    name = "quality_words"
    stage = "third"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = read_settings(FeedbackSettings, config.recipe, "recipe").task
        self.task = read_task(self.folder)
        self.manifest = read_manifest(self.folder, self.stage)
        model = make_second(self.task.second_model)
        self.encode = model.encode
        self.networks: dict[str, nn.Module] = {NETWORK: model, OPPONENT: make_opponent()}
        self.frozen: Sequence[nn.Module] = ()
        self.averaged: Sequence[str] = (NETWORK,)
        self.optimisers = {
            name: make_optimiser(network.parameters(), config.optimiser) for name, network in self.networks.items()
        }
        self.current: list[int] = []
        labels = {item["label"] for item in self.manifest["train"]}
        if labels != {0, 1}:
            raise InputError(
                "All texts are of one class: label at least one that is true of its picture and one that is not."
            )

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Crops of third samples with texts; those to train on where none are held out."""
        items = (self.manifest["held_out"] if held_out else []) or self.manifest["train"]
        data, seed = self.config.data, self.config.trainer.seed
        return TextCrops(self.folder, items, self.encode, data.side, seed, held_out, len(files))

    def phases(self, step: int) -> Sequence[Phase]:
        """First the opponent, then the second model on what it made."""
        return [Phase(OPPONENT, self._opposed), Phase(NETWORK, self._loss)]

    def _opposed(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with held(self.networks[NETWORK]) as words:
            return oppose(self.networks[OPPONENT], words, batch), {}

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        network = self.networks[NETWORK]
        batch = {**batch, "image": batch[IMAGE], "label": batch[LABEL]}
        return self._judged(network, {**batch, "image": misleading(bare(network), batch, judged_loss)})

    def _judged(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy of what the similarity says against the class; share of right answers."""
        cosine, logit = network(batch["image"], batch["numbers"])
        loss = judged_loss(logit, batch)
        right = ((logit > 0) == (batch["label"] > 0.5)).float().mean()
        return loss, {"loss": loss.detach(), "accuracy": right, "similarity": cosine.detach().mean()}

    def sample(self, batch: Batch, averages: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
        """The pictures; what is said of them is in the numbers."""
        return [("third sample", batch["image"])]

    @torch.no_grad()
    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Loss and accuracy of the averaged weights."""
        _, terms = self._judged(averages[NETWORK], batch)
        return {"loss": terms["loss"], "accuracy": terms["accuracy"]}

    def export(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The weights of the model."""
        return averages[NETWORK].state_dict()

    def start_from(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take weights of a model of the same structure."""
        load_exactly(self.networks[NETWORK], state, name)

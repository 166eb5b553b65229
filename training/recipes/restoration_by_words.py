"""Second training of a feedback task: the restoration network goes on, drawn towards texts by a frozen second model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from ...backends.restoration import restore
from ..config import Config
from ..feedback.board import Board
from ..feedback.labels import Labels
from ..feedback.library import Library
from ..feedback.models import attempt, load_model, make_second
from ..feedback.prompts import Prompts
from ..feedback.sharpness import measured
from ..feedback.similarity import similarity
from ..feedback.texts import preset_target
from .protocol import Batch
from .restoration import NETWORK, RestorationRecipe, pixel_loss


class RestorationByWordsRecipe(RestorationRecipe):
    """Pixel loss + weight * (1 - similarity of the prediction with its target text); labelled pairs come first."""

    name = "restoration_by_words"
    stage = "second"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        load_model(self.networks[NETWORK], self.folder / "models" / "first.safetensors")
        self.words = make_second(self.task.second_model)
        load_model(self.words, self.folder / "models" / "third.safetensors")
        self.words.eval().requires_grad_(False)
        self.frozen: Sequence[nn.Module] = (self.words,)
        self.encode: Callable[[str], Tensor] = lru_cache(maxsize=1024)(self.words.encode)
        library = Library(self.folder, self.task.database, self.task.key)
        self.board, labels = Board(library), Labels(library, self.task.language)
        self.prompts = Prompts(self.board, labels, self.task.countdown_seconds, self.encode, self._stopping)

    def _stopping(self) -> bool:
        return self.board.read(self.stage).command in ("stop", "end")

    def _passes(self) -> int:
        return self.task.passes

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        self.current = batch["pair"].tolist()
        targets = self.prompts.words(self.current)
        numbers = torch.stack([self.encode(words) for words in targets]).to(batch["first"].device)
        made = attempt(self.networks[NETWORK], batch, clear=True)
        pixels = pixel_loss(self.task.loss, made.output, made.wanted)
        fit = similarity(self.words, made.picture, numbers, batch["draw"], self.task.views).mean()
        total = self.task.pixel_weight * pixels + self.task.similarity_weight * (1 - fit)
        return total, {"loss": total.detach(), self.task.loss: pixels.detach(), "similarity": fit.detach()}

    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Error, PSNR and sharpness of the averaged weights, and the similarity with the preset target text."""
        made = restore(averages[NETWORK], batch["first"])
        target = self.encode(preset_target(self.task.language)).to(made.device).expand(len(made), -1)
        fit, _ = self.words(made.clamp(0, 1), target)
        return {**measured(made, batch["second"]), "similarity": fit.mean()}

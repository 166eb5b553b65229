"""DeepFill v2: Yu et al. 2019, "Free-Form Image Inpainting with Gated Convolution" (ICCV)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...backends.nets.deepfill_v1 import CHANNELS_WITH_SKETCH, PICTURE_CHANNELS
from ...backends.nets.deepfill_v2 import DeepFillV2Pt
from ...backends.nets.deepfill_v2_discriminators import DeepFillV2Discriminator
from ...imaging.errors import InputError
from ..config import Config
from ..losses.adversarial import GAMES
from ..losses.pixel import l1
from ..settings import number, read_settings
from .edges import EdgeCrops
from .protocol import Batch, Phase, Samples, held
from .published import Loss, PublishedRecipe, pasted, signed
from .stages import TwoStages

MULTIPLE = 64
"""The discriminator halves the picture six times."""
GAME = GAMES["hinge"]


@dataclass(frozen=True)
class DeepFillV2Settings:
    """Section `[recipe]`.

    Attributes:
        width: of the generators.
        critic_width: of the discriminator.
        sketch: give both networks a channel for lines (section 3.5).
        sketched: share of the pictures that have lines; the others are filled without.
        sigma: smoothing before edges are looked for, whose lines are the sketch, px.
    """

    name: str
    width: int = number(24, 2, 1024)
    critic_width: int = number(64, 1, 1024)
    sketch: bool = False
    sketched: float = number(0.5, 0, 1)
    sigma: float = number(2.0, 0, 20)


class DeepFillV2Recipe(PublishedRecipe):
    """L1 of both generators and the hinge losses of SN-PatchGAN (section 3.2), one to one, in [-1, 1]."""

    name = "deepfill_v2"
    losses = ("l1_coarse", "l1_fine", "adversarial")

    def __init__(self, config: Config) -> None:
        self.settings = read_settings(DeepFillV2Settings, config.recipe, "recipe")
        if config.data.side % MULTIPLE:
            raise InputError(f"[data] side is {config.data.side}: deepfill_v2 takes multiples of {MULTIPLE}.")
        channels = CHANNELS_WITH_SKETCH if self.settings.sketch else PICTURE_CHANNELS
        networks: dict[str, nn.Module] = {
            "generator": TwoStages(DeepFillV2Pt(self.settings.width, channels)),
            "discriminator": DeepFillV2Discriminator(self.settings.critic_width, channels - 1),
        }
        super().__init__(config, networks)

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Crops with holes, and with edges where there is a sketch."""
        crops = super().dataset(files, held_out)
        return EdgeCrops(crops, self.settings.sigma) if self.settings.sketch else crops

    def phases(self, step: int) -> Sequence[Phase]:
        """The generators, then the discriminator on what they have just made."""
        phases = [Phase("generator", self._generator_loss)]
        return [*phases, Phase("discriminator", self._judge_loss)] if "adversarial" in self.weights else phases

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The refined picture; lines are followed where the batch has been given some."""
        hole = batch["hole"]
        return network(batch["image"] * (1 - hole), hole, batch.get("sketch"))[1]

    def seen(self, picture: Tensor, batch: Batch) -> Tensor:
        """What the discriminator sees: the picture in [-1, 1], the hole, and the sketch."""
        sketch = [batch["sketch"]] if self.settings.sketch else []
        return torch.cat([signed(picture), batch["hole"], *sketch], 1)

    def _generator_loss(self, batch: Batch) -> Loss:
        image, hole = batch["image"], batch["hole"]
        if self.settings.sketch:
            batch["sketch"] = self.drawn(batch)
        outputs = self.networks["generator"](image * (1 - hole), hole, batch.get("sketch"))
        stages = zip(("coarse", "fine"), outputs, strict=True)
        losses = {f"l1_{stage}": l1(signed(output), signed(image)) for stage, output in stages}
        if "adversarial" in self.weights:
            composite = pasted(outputs[1], batch)
            batch["fake"] = composite.detach()
            with held(self.networks["discriminator"]) as discriminator:
                losses["adversarial"] = GAME.generator(discriminator(self.seen(composite, batch)))
        return self.weighted(losses)

    def drawn(self, batch: Batch) -> Tensor:
        """The edges in the holes of some of the pictures, `[N, 1, S, S]`; no line in the others."""
        edges = batch["edges"] * batch["hole"]
        chosen = torch.rand(len(edges), 1, 1, 1, device=edges.device) < self.settings.sketched
        return edges * chosen

    def _judge_loss(self, batch: Batch) -> Loss:
        both = torch.cat([self.seen(batch["image"], batch), self.seen(self.fake(batch), batch)])
        real, made = self.networks["discriminator"](both).chunk(2)
        loss = GAME.discriminator(real, made)
        return loss, {"discriminator": loss.detach()}

"""AOT-GAN: Zeng et al. 2022, "Aggregated Contextual Transformations for High-Resolution Image Inpainting" (TVCG)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ...backends.aot_gan import CONVENTION
from ...backends.nets.aot_gan import AOTDiscriminator, AOTGenerator
from ...imaging.errors import InputError
from ..config import Config
from ..generators import Inpainter
from ..losses.pixel import l1
from ..losses.soft_mask import SIGMA_PX, soft_mask_discriminator, soft_mask_generator
from ..losses.vgg19 import LOSSES as OF_VGG
from ..losses.vgg19 import Vgg19Losses
from ..settings import number, read_settings
from .protocol import Batch, Phase, held
from .published import Loss, PublishedRecipe, pasted, signed

SMALLEST = 36
"""Reflections of the largest dilation need as much."""


@dataclass(frozen=True)
class AotGanSettings:
    """Section `[recipe]`.

    Attributes:
        width: of generator and discriminator.
        blocks: AOT blocks of the generator.
        sigma: of the Gaussian that softens the hole for the discriminator, px.
    """

    name: str
    width: int = number(64, 4, 1024)
    blocks: int = number(8, 1, 100)
    sigma: float = number(SIGMA_PX, 0.1, 1000)


class AotGanRecipe(PublishedRecipe):
    """L1 in [-1, 1], perceptual and style loss, and the soft-mask discriminator (section 3.3)."""

    name = "aot_gan"
    losses = ("l1", "adversarial", *OF_VGG)

    def __init__(self, config: Config) -> None:
        self.settings = read_settings(AotGanSettings, config.recipe, "recipe")
        side = config.data.side
        if side % 4 or side < SMALLEST:
            raise InputError(f"[data] side is {side}: aot_gan takes multiples of 4 from {SMALLEST} on.")
        networks: dict[str, nn.Module] = {
            "generator": Inpainter(AOTGenerator(self.settings.width, self.settings.blocks), CONVENTION),
            "discriminator": AOTDiscriminator(self.settings.width),
        }
        super().__init__(config, networks)
        self.features = Vgg19Losses(tuple(name for name in OF_VGG if name in self.weights), config.vgg.weights)
        self.frozen = (self.features,)

    def phases(self, step: int) -> Sequence[Phase]:
        """The generator, then the discriminator on what the generator has just made."""
        phases = [Phase("generator", self._generator_loss)]
        return [*phases, Phase("discriminator", self._judge_loss)] if "adversarial" in self.weights else phases

    def _generator_loss(self, batch: Batch) -> Loss:
        image, hole = batch["image"], batch["hole"]
        output = self.fill(self.networks["generator"], batch)
        losses = {"l1": l1(signed(output), signed(image)), **self.features(output, image, torch.ones_like(hole))}
        if "adversarial" in self.weights:
            composite = pasted(output, batch)
            batch["fake"] = composite.detach()
            with held(self.networks["discriminator"]) as discriminator:
                losses["adversarial"] = soft_mask_generator(discriminator(signed(composite)), hole)
        return self.weighted(losses)

    def _judge_loss(self, batch: Batch) -> Loss:
        both = signed(torch.cat([batch["image"], self.fake(batch)]))
        real, made = self.networks["discriminator"](both).chunk(2)
        loss = soft_mask_discriminator(real, made, batch["hole"], self.settings.sigma)
        return loss, {"discriminator": loss.detach()}

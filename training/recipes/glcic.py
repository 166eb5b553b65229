"""GLCIC: Iizuka et al. 2017, "Globally and Locally Consistent Image Completion" (SIGGRAPH)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...backends.glcic import CELEBA_MEAN, MeanFilled
from ...backends.nets.glcic import WIDTHS, CompletionNetwork, ContextDiscriminator, Discriminator
from ...imaging.errors import InputError
from ..config import Config
from ..losses.adversarial import GAMES
from ..losses.pixel import masked_l2
from ..settings import number, one_of, read_settings
from .protocol import Batch, Phase, held
from .published import Loss, PublishedRecipe, pasted
from .windows import around

SMALLEST_PX = 5
"""Convolutions of a discriminator halve the picture until its side is not larger than this."""
DEEPEST = 8
"""Channels of a discriminator's layers at most, as a multiple of its first."""


@dataclass(frozen=True)
class GlcicSettings:
    """Section `[recipe]`; the schedule is that of algorithm 1.

    Attributes:
        width: channels of the first layer of all networks.
        features: length of the vector of each discriminator.
        local: side of the square around the hole that the local discriminator sees, px; 0 = half of the picture's.
        completion_steps: T_C, steps with the reconstruction loss alone.
        discriminator_steps: T_D, steps after these in which the discriminators learn alone.
        mean: what hidden pixels show; red, green, blue in [0, 1].
        solver: `adadelta` as published, or `configured`, what `[optimiser]` says.
    """

    name: str
    width: int = number(64, 4, 1024)
    features: int = number(1024, 1, 65_536)
    local: int = number(0, 0, 4096)
    completion_steps: int = number(90_000, 0)
    discriminator_steps: int = number(10_000, 0)
    mean: tuple[float, float, float] = number(CELEBA_MEAN, 0, 1)
    solver: str = one_of("adadelta", "configured")


class Scores(nn.Module):
    """Both discriminators and what joins them, without the logistic function, which the losses have inside."""

    def __init__(self, network: ContextDiscriminator) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop: Tensor, image: Tensor) -> Tensor:
        """Scores `[N, 1]` of squares around the hole and whole pictures in [0, 1]."""
        features = torch.cat([self.network.model_ld(crop), self.network.model_gd(image)], 1)
        return self.network.linear1(features)


class GlcicRecipe(PublishedRecipe):
    """Squared error in the hole (eq. 2), then discriminators alone, then both (eq. 4 with alpha = 0.0004)."""

    name = "glcic"
    losses = ("l2_hole", "adversarial")

    def __init__(self, config: Config) -> None:
        self.settings = read_settings(GlcicSettings, config.recipe, "recipe")
        self.local = self.settings.local or config.data.side // 2
        if config.data.side % 4 or self.local > config.data.side:
            raise InputError(
                f"[data] side is {config.data.side}: glcic takes multiples of 4, and no larger [recipe] local."
            )
        width = self.settings.width
        completion = CompletionNetwork((*(one * width // WIDTHS[0] for one in WIDTHS[:-1]), WIDTHS[-1]))
        near, whole = (discriminator(side, self.settings) for side in (self.local, config.data.side))
        networks: dict[str, nn.Module] = {
            "generator": MeanFilled(completion, self.settings.mean),
            "discriminator": Scores(ContextDiscriminator(near, whole)),
        }
        super().__init__(config, networks)
        self.game = GAMES["non_saturating"]
        if self.settings.solver == "adadelta":
            rate = config.optimiser.rate
            self.optimisers = {name: torch.optim.Adadelta(one.parameters(), lr=rate) for name, one in networks.items()}

    def phases(self, step: int) -> Sequence[Phase]:
        """Algorithm 1: completion alone, discriminators alone, then discriminators and completion."""
        judged = "adversarial" in self.weights
        judging = Phase("discriminator", self._discriminator_loss)
        if not judged or step < self.settings.completion_steps:
            return [Phase("generator", lambda batch: self._generator_loss(batch, judged=False))]
        if step < self.settings.completion_steps + self.settings.discriminator_steps:
            return [judging]
        return [judging, Phase("generator", lambda batch: self._generator_loss(batch, judged=True))]

    def _generator_loss(self, batch: Batch, judged: bool) -> Loss:
        output = self.fill(self.networks["generator"], batch)
        losses = {"l2_hole": masked_l2(output, batch["image"], batch["hole"])}
        if judged:
            composite = pasted(output, batch)
            with held(self.networks["discriminator"]) as network:
                scores = network(around(composite, batch["hole"], self.local), composite)
                losses["adversarial"] = self.game.generator(scores)
        return self.weighted(losses)

    def _discriminator_loss(self, batch: Batch) -> Loss:
        network, fake, hole = self.networks["discriminator"], self.fake(batch), batch["hole"]
        # A true picture is seen around a hole that has nothing to do with it: the next picture's.
        elsewhere = hole.roll(1, 0)
        real = network(around(batch["image"], elsewhere, self.local), batch["image"])
        made = network(around(fake, hole, self.local), fake)
        loss = self.game.discriminator(real, made)
        return loss, {"discriminator": loss.detach()}


def discriminator(side: int, settings: GlcicSettings) -> Discriminator:
    """The discriminator of pictures of `side` px, as deep as the published ones (table 2) are at their sizes."""
    widths, left = [], side
    while left > SMALLEST_PX:
        if left % 2:
            raise InputError(
                f"[recipe] local or [data] side is {side}: give a size that can be halved to 3, 4 or 5 px."
            )
        left //= 2
        widths.append(settings.width * min(DEEPEST, 2 ** len(widths)))
    return Discriminator(side, tuple(widths), settings.features)

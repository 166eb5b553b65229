"""Context Encoder: Pathak et al. 2016, "Context Encoders: Feature Learning by Inpainting" (CVPR)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...backends.nets.context_encoder import CENTRE, HIDDEN, SIDE, ContextDiscriminator, ContextEncoder, hide
from ...imaging.errors import InputError
from ..config import Config
from ..losses.adversarial import GAMES
from ..losses.overlap import overlap_l2
from ..settings import number, read_settings
from .protocol import Batch, Phase, bare, held
from .published import Loss, PublishedRecipe, signed, unsigned

BORDER = HIDDEN.start - CENTRE.start
"""Pixels of the output that overlap the known part, on each side."""
COVERAGE = ((HIDDEN.stop - HIDDEN.start) / SIDE) ** 2


@dataclass(frozen=True)
class ContextEncoderSettings:
    """Section `[recipe]`.

    Attributes:
        encoder, bottleneck, decoder: widths of the generator.
        width: of the discriminator.
        rate: learning rate of the discriminator as a multiple of the generator's (section 5.1: a tenth).
    """

    name: str
    encoder: int = number(64, 1, 1024)
    bottleneck: int = number(4000, 1, 100_000)
    decoder: int = number(64, 1, 1024)
    width: int = number(64, 1, 1024)
    rate: float = number(0.1, 0, 100)


class Centre(nn.Module):
    """The generator behind pictures in [0, 1]: the centre of a picture from what surrounds it."""

    def __init__(self, network: ContextEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """`[N, 3, 128, 128]` in [0, 1] and its hole to the pixels `CENTRE`, `[N, 3, 64, 64]` in [0, 1]."""
        return unsigned(self.network(signed(hide(image, hole))))


class CentreScores(nn.Module):
    """The discriminator without its logistic function, which the losses have inside."""

    def __init__(self, network: ContextDiscriminator) -> None:
        super().__init__()
        self.network = network

    def forward(self, centre: Tensor) -> Tensor:
        """Scores `[N, 1]` of centres `[N, 3, 64, 64]` in [-1, 1]."""
        return self.network.main[:-1](centre).flatten(1)


class ContextEncoderRecipe(PublishedRecipe):
    """L2 with the weight 0.999 and the adversarial loss with 0.001 (eq. 1 to 3), both in [-1, 1]."""

    name = "context_encoder"
    losses = ("l2", "adversarial")

    def __init__(self, config: Config) -> None:
        settings = read_settings(ContextEncoderSettings, config.recipe, "recipe")
        _check_hole(config)
        generator = ContextEncoder(settings.encoder, settings.bottleneck, settings.decoder)
        networks = {"generator": Centre(generator), "discriminator": CentreScores(ContextDiscriminator(settings.width))}
        super().__init__(config, networks, {"discriminator": settings.rate})
        self.game = GAMES["non_saturating"]

    def phases(self, step: int) -> Sequence[Phase]:
        """The discriminator, then the generator."""
        generator = Phase("generator", self._generator_loss)
        judged = "adversarial" in self.weights
        return [Phase("discriminator", self._discriminator_loss), generator] if judged else [generator]

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The picture with the centre that the network makes."""
        output = batch["image"].clone()
        output[..., CENTRE, CENTRE] = self._centre(network, batch).to(output)
        return output

    def _centre(self, network: nn.Module, batch: Batch) -> Tensor:
        return network(batch["image"] * (1 - batch["hole"]), batch["hole"])

    def _generator_loss(self, batch: Batch) -> Loss:
        centre, wanted = signed(self._centre(self.networks["generator"], batch)), signed(_true_centre(batch))
        losses = {"l2": overlap_l2(centre, wanted, BORDER)}
        if "adversarial" in self.weights:
            with held(self.networks["discriminator"]) as discriminator:
                losses["adversarial"] = self.game.generator(discriminator(centre))
        return self.weighted(losses)

    def _discriminator_loss(self, batch: Batch) -> Loss:
        discriminator = self.networks["discriminator"]
        fake = self.fake(batch)[..., CENTRE, CENTRE]
        # Apart, for each kind is normalised by its own mean, as in DCGAN.
        real, made = discriminator(signed(_true_centre(batch))), discriminator(signed(fake))
        loss = self.game.discriminator(real, made)
        return loss, {"discriminator": loss.detach()}

    def fake(self, batch: Batch) -> Tensor:
        """The picture with the centre that the generator makes; its ring overlaps what is known."""
        with torch.no_grad():
            return self.fill(bare(self.networks["generator"]), batch)


def _true_centre(batch: Batch) -> Tensor:
    return batch["image"][..., CENTRE, CENTRE]


def _check_hole(config: Config) -> None:
    """The hole is a part of this network."""
    kinds = {name for name, weight in config.holes.kinds.items() if weight}
    exact = all(abs(share - COVERAGE) < 1e-4 for share in config.holes.coverage)
    if config.data.side != SIDE or kinds != {"centre"} or not exact:
        raise InputError(
            f"context_encoder has one hole: set [data] side = {SIDE}, [holes] kinds = {{centre = 1}} and "
            f"coverage = [{COVERAGE:.6f}, {COVERAGE:.6f}]."
        )

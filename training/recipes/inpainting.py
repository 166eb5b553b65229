"""Train any generator to fill holes, by losses on pixels and features, with a discriminator if one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...imaging.errors import InputError
from ..config import Config
from ..discriminators import PatchDiscriminator
from ..generators import load_exactly, make_generator
from ..holes import check_kinds
from ..losses import adversarial
from ..losses.features import feature_matching
from ..losses.pixel import masked_l1
from ..losses.registry import Terms, check_names
from ..optimisers import make_optimiser
from ..pictures import fixed_crops, random_crops
from ..settings import number, one_of, read_settings
from .protocol import Batch, Phase, Samples, bare, held

OF_DISCRIMINATOR = ("adversarial", "feature_matching")
"""Losses that a discriminator brings."""


@dataclass(frozen=True)
class DiscriminatorSettings:
    """Section `[recipe.discriminator]`.

    Attributes:
        game: what both networks minimise.
        width: channels of the first layer.
        layers: convolutions of stride 2.
        normalise: spectral normalisation.
        r1: weight of the R1 penalty; 0 = none.
        gradient_penalty: weight of the WGAN-GP penalty; 0 = none.
        rate: learning rate, as a multiple of the generator's.
        every: the penalties are computed at every so many steps, with as many times the weight (lazy regularisation,
            Karras et al. 2020, section 3.1).
        start: step from which the discriminator takes part.
    """

    game: str = one_of("hinge", "vanilla", "non_saturating", "least_squares", "wasserstein")
    width: int = number(64, 1, 1024)
    layers: int = number(3, 1, 8)
    normalise: bool = True
    r1: float = number(0.0, 0)
    gradient_penalty: float = number(0.0, 0)
    rate: float = number(1.0, 0, 100)
    every: int = number(1, 1, 1000)
    start: int = number(0, 0)


@dataclass(frozen=True)
class InpaintingSettings:
    """Section `[recipe]`: the generator's name with its own settings, and a discriminator if there is to be one."""

    name: str = "inpainting"
    generator: dict[str, Any] = field(default_factory=lambda: {"name": "lens-small"})
    discriminator: DiscriminatorSettings | None = None


class InpaintingRecipe:
    """A generator, losses on what it fills, and an optional discriminator that sees the filled picture and the hole."""

    name = "inpainting"

    def __init__(self, config: Config) -> None:
        self.config = config
        check_kinds(config.holes.kinds)
        self.settings = read_settings(InpaintingSettings, config.recipe, "recipe")
        check_names(config.losses, OF_DISCRIMINATOR)
        self.weights = {name: weight for name, weight in config.losses.items() if weight}
        terms = {name: weight for name, weight in self.weights.items() if name not in OF_DISCRIMINATOR}
        if not terms:
            raise InputError("[losses] must have a loss of pixels or features with a weight above 0, such as l1_hole.")
        self.terms = Terms(terms, config.vgg)
        self.frozen: Sequence[nn.Module] = (self.terms,)
        of_generator = dict(self.settings.generator)
        kind = str(of_generator.pop("name", "lens-small"))
        self.networks: dict[str, nn.Module] = {"generator": make_generator(kind, of_generator, config.data.side)}
        self.averaged: Sequence[str] = ("generator",)
        self._add_discriminator()
        rates = {"generator": 1.0, "discriminator": self.judge.rate if self.judge else 1.0}
        self.optimisers = {
            name: make_optimiser(network.parameters(), config.optimiser, rates[name])
            for name, network in self.networks.items()
        }

    def _add_discriminator(self) -> None:
        self.judge = self.settings.discriminator
        asked = [name for name in OF_DISCRIMINATOR if name in self.weights]
        if asked and self.judge is None:
            raise InputError(f"[losses] {asked[0]} needs a discriminator: add the section [recipe.discriminator].")
        if self.judge is None:
            return
        if not asked:
            raise InputError("[recipe.discriminator] is of no use without a weight for adversarial in [losses].")
        self.game = adversarial.GAMES[self.judge.game]
        self.networks["discriminator"] = PatchDiscriminator(
            4, self.judge.width, self.judge.layers, self.judge.normalise
        )

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Crops with holes."""
        return fixed_crops(self.config, files) if held_out else random_crops(self.config, files)

    def phases(self, step: int) -> Sequence[Phase]:
        """The generator, then the discriminator on what the generator has just made."""
        playing = self.judge is not None and step >= self.judge.start
        phases = [Phase("generator", lambda batch: self._generator_loss(batch, playing))]
        if self.judge is not None and playing:
            penalised = step % self.judge.every == 0
            phases.append(Phase("discriminator", lambda batch: self._discriminator_loss(batch, penalised)))
        return phases

    def _generator_loss(self, batch: Batch, playing: bool) -> tuple[Tensor, dict[str, Tensor]]:
        image, hole = batch["image"], batch["hole"]
        output = self.networks["generator"](image * (1 - hole), hole)
        losses = self.terms(output, image, hole)
        total = self.terms.total(losses)
        if playing:
            composite = image * (1 - hole) + output * hole
            batch["fake"] = composite.detach()
            played = self._played(composite, image, hole)
            total = total + torch.stack([self.weights[name] * loss for name, loss in played.items()]).sum()
            losses |= played
        return total, {name: loss.detach() for name, loss in losses.items()}

    def _played(self, composite: Tensor, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """What the discriminator says of the fill."""
        losses = {}
        with held(self.networks["discriminator"]) as discriminator:
            scores, features = discriminator(composite, hole)
            if "adversarial" in self.weights:
                losses["adversarial"] = self.game.generator(scores)
            if "feature_matching" in self.weights:
                with torch.no_grad():
                    _, wanted = discriminator(image, hole)
                losses["feature_matching"] = feature_matching(features, wanted)
        return losses

    def _discriminator_loss(self, batch: Batch, penalised: bool) -> tuple[Tensor, dict[str, Tensor]]:
        image, hole, fake = batch["image"], batch["hole"], batch["fake"]
        discriminator = self.networks["discriminator"]
        # Both in one call, for one pass to go through the wrapper of several devices.
        real, made = discriminator(torch.cat([image, fake]), torch.cat([hole, hole]))[0].chunk(2)
        loss = self.game.discriminator(real, made)
        losses = {"discriminator": loss.detach()}
        if penalised:
            for name, weight, penalty in self._penalties(image, hole, fake):
                loss = loss + weight * penalty
                losses[name] = penalty.detach()
        return loss, losses

    def _penalties(self, image: Tensor, hole: Tensor, fake: Tensor) -> list[tuple[str, float, Tensor]]:
        """Name, weight and value of what is asked for."""
        assert self.judge is not None
        found, discriminator = [], self.networks["discriminator"]
        if self.judge.r1:
            real = image.detach().clone().requires_grad_()
            scores = discriminator(real, hole)[0]
            found.append(("r1", self.judge.r1 * self.judge.every, adversarial.r1_penalty(scores, real)))
        if self.judge.gradient_penalty:
            penalty = adversarial.gradient_penalty(lambda x: discriminator(x, hole)[0], image, fake)
            found.append(("gradient_penalty", self.judge.gradient_penalty * self.judge.every, penalty))
        return found

    def sample(self, batch: Batch, averages: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
        """The picture with its hole, the fill of the weights of now and of the averaged ones, and the original."""
        image, hole = batch["image"], batch["hole"]
        columns = [("hole", image * (1 - hole) + 0.5 * hole)]
        for caption, network in (("now", bare(self.networks["generator"])), ("average", averages["generator"])):
            columns.append((caption, image * (1 - hole) + network(image * (1 - hole), hole) * hole))
        return [*columns, ("original", image)]

    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """L1 and PSNR in the hole and the terms of the loss, of the averaged weights; means over the pictures."""
        image, hole = batch["image"], batch["hole"]
        output = averages["generator"](image * (1 - hole), hole).clamp(0, 1)
        error = ((output - image).square() * hole).sum((1, 2, 3)) / (3 * hole.sum((1, 2, 3)).clamp_min(1))
        psnr = (-10 * error.clamp_min(1e-10).log10()).mean()
        return {"l1_hole": masked_l1(output, image, hole), "psnr_hole": psnr} | self.terms(output, image, hole)

    def export(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The generator's own weights, as its backend loads them."""
        return averages["generator"].get_submodule("network").state_dict()

    def start_from(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take weights of a generator of the same kind and settings."""
        load_exactly(self.networks["generator"].get_submodule("network"), state, name)

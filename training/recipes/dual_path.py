"""Dual-path residual network (Zhao and Zhao): a reconstruction and a generation path on complementary pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...backends.nets.dual_path import MULTIPLE, ResidualPath
from ...imaging.errors import InputError
from ..config import Config
from ..discriminators import PatchDiscriminator
from ..losses.adversarial import GAMES, gradient_penalty
from ..losses.latent import latent_l1
from ..losses.pixel import l1, masked_l1
from ..settings import number, read_settings
from .protocol import Batch, Phase, held
from .published import Loss, PublishedRecipe, pasted, signed, unsigned

GAME = GAMES["wasserstein"]
FIVE_LAYERS = 3
"""Convolutions of stride 2; with two of stride 1 after them a discriminator has five layers."""


@dataclass(frozen=True)
class DualPathSettings:
    """Section `[recipe]`.

    Attributes:
        width: of both paths.
        critic_width: of both discriminators.
        normalise: spectral normalisation of the discriminators.
        penalty: lambda, the weight of the gradient penalty (Gulrajani et al. 2017, section 4).
        critic_steps: updates of the discriminators for each of the paths.
    """

    name: str
    width: int = number(32, 4, 1024)
    critic_width: int = number(64, 1, 1024)
    normalise: bool = True
    penalty: float = number(10.0, 0)
    critic_steps: int = number(1, 1, 100)


class Path(nn.Module):
    """One path behind pictures in [0, 1]; gives its encoder's last features too."""

    def __init__(self, network: ResidualPath) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """`[N, 3, S, S]` in [0, 1], and features `[N, C, S/32, S/32]`."""
        output, features = self.network.traced(signed(image), hidden)
        return unsigned(output), features


class DualPathRecipe(PublishedRecipe):
    """L1 and WGAN-GP for either path, and what draws the features of the generation path to the reconstruction's.

    The reconstruction path (`reconstruction`) sees the hole's own pixels and is to give these back, the generation path
    (`generator`) sees the known ones and is to paint all of the picture; losses are taken in [-1, 1].
    """

    name = "dual_path"
    losses = ("l1_reconstruction", "l1_generation", "wgan_reconstruction", "wgan_generation", "latent")

    def __init__(self, config: Config) -> None:
        self.settings = read_settings(DualPathSettings, config.recipe, "recipe")
        if config.data.side % MULTIPLE or config.data.side < 2 * MULTIPLE:
            raise InputError(f"[data] side is {config.data.side}: dual_path takes multiples of {MULTIPLE} from 64 on.")
        width, normalise = self.settings.critic_width, self.settings.normalise
        networks: dict[str, nn.Module] = {
            "generator": Path(ResidualPath(self.settings.width)),
            "reconstruction": Path(ResidualPath(self.settings.width)),
            "critic_generation": PatchDiscriminator(4, width, FIVE_LAYERS, normalise),
            "critic_reconstruction": PatchDiscriminator(4, width, FIVE_LAYERS, normalise),
        }
        super().__init__(config, networks)

    def phases(self, step: int) -> Sequence[Phase]:
        """Both paths, the reconstruction first, for the generation follows it; then what judges them."""
        phases = []
        if (step + 1) % self.settings.critic_steps == 0:
            phases = [Phase("reconstruction", self._reconstruction_loss), Phase("generator", self._generation_loss)]
        judged = [name for name in ("reconstruction", "generation") if f"wgan_{name}" in self.weights]
        critics = [Phase(f"critic_{name}", lambda batch, name=name: self._critic_loss(name, batch)) for name in judged]
        return [*phases, *critics] or [Phase("generator", self._generation_loss)]

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The picture of the generation path."""
        return super().fill(network, batch)[0]

    def _reconstruction_loss(self, batch: Batch) -> Loss:
        output, features = self._reconstructed(batch)
        composite = pasted(output, batch)
        batch["features"], batch["rebuilt"] = features.detach(), composite.detach()
        error = masked_l1(signed(output), signed(batch["image"]), batch["hole"])
        return self.weighted({"l1_reconstruction": error, **self._played("reconstruction", composite, batch)})

    def _generation_loss(self, batch: Batch) -> Loss:
        image, hole = batch["image"], batch["hole"]
        output, features = self.networks["generator"](image * (1 - hole), hole)
        composite = pasted(output, batch)
        batch["fake"] = composite.detach()
        error = l1(signed(output), signed(image))
        losses = {"l1_generation": error, **self._played("generation", composite, batch)}
        if "latent" in self.weights:
            losses["latent"] = latent_l1(features, batch["features"])
        return self.weighted(losses)

    def _reconstructed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        hole = batch["hole"]
        return self.networks["reconstruction"](batch["image"] * hole, 1 - hole)

    def _played(self, path: str, composite: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What the path's discriminator says."""
        if f"wgan_{path}" not in self.weights:
            return {}
        with held(self.networks[f"critic_{path}"]) as critic:
            return {f"wgan_{path}": GAME.generator(critic(composite, batch["hole"])[0])}

    def _critic_loss(self, path: str, batch: Batch) -> Loss:
        critic, hole = self.networks[f"critic_{path}"], batch["hole"]
        fake = self.fake(batch) if path == "generation" else self._rebuilt(batch)
        both = critic(torch.cat([batch["image"], fake]), torch.cat([hole, hole]))[0]
        loss = GAME.discriminator(*both.chunk(2))
        # The discriminator sees pictures in [-1, 1]; the penalty is on its gradient there.
        penalty = gradient_penalty(lambda x: critic(unsigned(x), hole)[0], signed(batch["image"]), signed(fake))
        terms = {f"critic_{path}": loss.detach(), f"penalty_{path}": penalty.detach()}
        return loss + self.settings.penalty * penalty, terms

    def _rebuilt(self, batch: Batch) -> Tensor:
        if "rebuilt" not in batch:
            batch["rebuilt"] = pasted(self._reconstructed(batch)[0].detach(), batch)
        return batch["rebuilt"]

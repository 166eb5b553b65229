"""DeepFill v1: Yu et al. 2018, "Generative Image Inpainting with Contextual Attention" (CVPR)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...backends.nets.deepfill_v1 import Critic, DeepFillV1
from ...imaging.errors import InputError
from ..config import Config
from ..losses.adversarial import GAMES, gradient_penalty
from ..losses.pixel import discounted_l1, masked_l1
from ..settings import number, read_settings
from .protocol import Batch, Phase, held
from .published import Loss, PublishedRecipe, pasted, signed
from .stages import TwoStages
from .windows import around

MULTIPLE = 16
"""Critics halve the picture four times."""
GAME = GAMES["wasserstein"]


@dataclass(frozen=True)
class DeepFillV1Settings:
    """Section `[recipe]`.

    Attributes:
        width: of the generators.
        critic_width: of both critics.
        local: side of the square around the hole that the local critic sees, px; 0 = half of the picture's.
        penalty: lambda, the weight of the gradient penalty (Gulrajani et al. 2017, section 4).
        critic_steps: updates of the critics for each of the generators (algorithm 1).
    """

    name: str
    width: int = number(32, 2, 1024)
    critic_width: int = number(64, 1, 1024)
    local: int = number(0, 0, 4096)
    penalty: float = number(10.0, 0)
    critic_steps: int = number(5, 1, 100)


class DeepFillV1Recipe(PublishedRecipe):
    """Spatially discounted L1 for both generators (section 3.1), WGAN-GP on the whole picture and around the hole.

    All losses are taken in [-1, 1], as published. Critics are penalised where the hole is (eq. 4).
    """

    name = "deepfill_v1"
    losses = ("discounted_coarse", "discounted_fine", "valid_coarse", "valid_fine", "wgan_global", "wgan_local")

    def __init__(self, config: Config) -> None:
        self.settings = read_settings(DeepFillV1Settings, config.recipe, "recipe")
        side = config.data.side
        self.local = self.settings.local or side // 2
        if side % MULTIPLE or self.local % MULTIPLE or self.local > side:
            raise InputError(
                f"[data] side is {side} and [recipe] local {self.local}: give multiples of {MULTIPLE}, the first the "
                "larger."
            )
        networks: dict[str, nn.Module] = {
            "generator": TwoStages(DeepFillV1(self.settings.width)),
            "global": Critic(self.settings.critic_width, side),
            "local": Critic(self.settings.critic_width, self.local),
        }
        super().__init__(config, networks)

    def phases(self, step: int) -> Sequence[Phase]:
        """The critics at every step, the generators at every `critic_steps`-th."""
        phases = [
            Phase(name, lambda batch, name=name: self._critic_loss(name, batch))
            for name in ("global", "local")
            if f"wgan_{name}" in self.weights
        ]
        if not phases or (step + 1) % self.settings.critic_steps == 0:
            phases.append(Phase("generator", self._generator_loss))
        return phases

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The refined picture."""
        return super().fill(network, batch)[1]

    def seen(self, name: str, hole: Tensor) -> Callable[[Tensor], Tensor]:
        """What the critic `name` sees of pictures: all of them, or a square around the hole."""
        return (lambda picture: picture) if name == "global" else lambda picture: around(picture, hole, self.local)

    def _critic_loss(self, name: str, batch: Batch) -> Loss:
        critic, see = self.networks[name], self.seen(name, batch["hole"])
        real, fake = see(signed(batch["image"])), see(signed(self.fake(batch)))
        loss = GAME.discriminator(*critic(torch.cat([real, fake])).chunk(2))
        penalty = gradient_penalty(critic, real, fake, see(batch["hole"]))
        terms = {f"critic_{name}": loss.detach(), f"penalty_{name}": penalty.detach()}
        return loss + self.settings.penalty * penalty, terms

    def _generator_loss(self, batch: Batch) -> Loss:
        image, hole = signed(batch["image"]), batch["hole"]
        outputs = self.networks["generator"](batch["image"] * (1 - hole), hole)
        losses = {}
        for stage, output in zip(("coarse", "fine"), outputs, strict=True):
            losses[f"discounted_{stage}"] = discounted_l1(signed(output), image, hole)
            losses[f"valid_{stage}"] = masked_l1(signed(output), image, 1 - hole)
        composite = signed(pasted(outputs[1], batch))
        for name in ("global", "local"):
            if f"wgan_{name}" in self.weights:
                with held(self.networks[name]) as critic:
                    losses[f"wgan_{name}"] = GAME.generator(critic(self.seen(name, hole)(composite)))
        return self.weighted(losses)

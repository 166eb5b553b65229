"""Partial convolutions: Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ...backends.nets.pconv import PUBLISHED, PartialBlock, PartialUNet, Stage
from ...backends.pconv import Normalised
from ...imaging.errors import InputError
from ..config import Config
from ..losses.registry import Terms
from ..settings import number, read_settings
from .protocol import Batch, Phase, bare
from .published import Loss, PublishedRecipe


@dataclass(frozen=True)
class PconvSettings:
    """Section `[recipe]`.

    Attributes:
        width: channels of the first layer.
        stages: layers of the encoder, each of which halves the picture.
        fine_tuning: hold the encoder's batch normalisation (section 4.2, "Training"); for a second run from the
            weights of a first one.
    """

    name: str
    width: int = number(64, 1, 1024)
    stages: int = number(7, 1, 7)
    fine_tuning: bool = False


class PconvRecipe(PublishedRecipe):
    """L1 in the hole and outside, perceptual, style and total variation loss (section 3.3); no discriminator.

    The loss `style` is the sum of L_style_out and L_style_comp, which have the same weight in eq. 7.
    """

    name = "pconv"
    losses = ("partial_valid", "partial_hole", "perceptual", "style", "hole_variation")

    def __init__(self, config: Config) -> None:
        self.settings = read_settings(PconvSettings, config.recipe, "recipe")
        step = 2**self.settings.stages
        if config.data.side % step:
            raise InputError(
                f"[data] side is {config.data.side}: {self.settings.stages} stages take multiples of {step}."
            )
        shares = PUBLISHED[: self.settings.stages]
        stages = tuple(
            Stage(max(1, one.width * self.settings.width // PUBLISHED[0].width), one.kernel) for one in shares
        )
        super().__init__(config, {"generator": Normalised(PartialUNet(stages))})
        self.terms = Terms(self.weights, config.vgg)
        self.frozen = (self.terms,)

    def phases(self, step: int) -> Sequence[Phase]:
        """One update."""
        if self.settings.fine_tuning:
            hold_encoder(bare(self.networks["generator"]).get_submodule("network"))
        return [Phase("generator", self._loss)]

    def _loss(self, batch: Batch) -> Loss:
        output = self.fill(self.networks["generator"], batch)
        return self.weighted(self.terms(output, batch["image"], batch["hole"]))


def hold_encoder(network: nn.Module) -> None:
    """Batch normalisation of the encoder neither learns nor follows the batches; to be called at every step."""
    for name, block in network.named_children():
        if name.startswith("enc_") and isinstance(block, PartialBlock):
            block.bn.eval().requires_grad_(False)

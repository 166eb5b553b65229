"""EdgeConnect: Nazeri et al. 2019, "Structure Guided Image Inpainting using Edge Prediction" (ICCV workshops).

The edge generator and its discriminator are one run (`edgeconnect_edges`), the completion network and its discriminator
another (`edgeconnect`), each with weights of its own; see `edgeconnect_joint` for both together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...backends.architectures import fitted
from ...backends.edgeconnect import CompletionInput, EdgeInput, grey
from ...backends.nets.edgeconnect import Discriminator, EdgeGenerator, InpaintGenerator
from ...imaging.errors import InputError
from ...weights_registry.formats import load_state_dict
from ..checkpoints import Checkpoints
from ..config import Config
from ..generators import load_exactly
from ..losses.adversarial import GAMES
from ..losses.features import feature_matching
from ..losses.pixel import partial_l1
from ..losses.variation import total_variation
from ..losses.vgg19 import LOSSES as OF_VGG
from ..losses.vgg19 import Vgg19Losses
from ..settings import number, one_of, read_settings
from .edges import EdgeCrops
from .protocol import Batch, Phase, Samples, bare, held
from .published import Loss, PublishedRecipe, pasted

BUILDER = "inpaint_lens.backends.nets.edgeconnect:edge_generator"


@dataclass(frozen=True)
class EdgeConnectSettings:
    """Section `[recipe]`.

    Attributes:
        width: of generator and discriminator.
        blocks: residual blocks of the generator.
        sigma: smoothing before edges are looked for, px.
        game: `non_saturating`, of the logarithmic game in the paper, or `hinge`.
        rate: learning rate of the discriminator as a multiple of the generator's.
    """

    name: str
    width: int = number(64, 1, 1024)
    blocks: int = number(8, 1, 100)
    sigma: float = number(2.0, 0, 20)
    game: str = one_of("non_saturating", "hinge")
    rate: float = number(0.1, 0, 100)


@dataclass(frozen=True)
class CompletionSettings(EdgeConnectSettings):
    """Section `[recipe]` of the completion network.

    Attributes:
        edges: weights of an edge generator, whose edges it learns to follow; without them it follows the true ones.
        judge: folder of the run whose discriminator this one begins as.
    """

    edges: Path | None = None
    judge: Path | None = None


class EdgeStage(nn.Module):
    """The edge generator behind a picture in [0, 1], its hole and the edges of its known part."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, hole: Tensor, edges: Tensor) -> Tensor:
        """`[N, 1, H, W]` in (0, 1): how likely each pixel is an edge; what lies in the hole is not looked at."""
        return self.network(*EdgeInput().pack(torch.cat([grey(image), edges], 1), hole))


class CompletionStage(nn.Module):
    """The completion network behind a picture in [0, 1], its hole and the edges of the whole picture."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, hole: Tensor, edges: Tensor) -> Tensor:
        """`[N, 3, H, W]` in (0, 1), the known part repainted as well."""
        return self.network(*CompletionInput().pack(torch.cat([image, edges], 1), hole))


class _EdgeConnectRecipe(PublishedRecipe):
    """What both stages share: crops with edges, a game of logits, and a discriminator that gives its features."""

    def __init__(self, config: Config, settings: EdgeConnectSettings, generator: nn.Module, channels: int) -> None:
        self.settings = settings
        judge = Discriminator(channels, settings.width)
        # Its first layer has a second name in published weights, for which training has no use.
        del judge.features
        super().__init__(config, {"generator": generator, "discriminator": judge}, {"discriminator": settings.rate})
        self.game = GAMES[settings.game]

    def dataset(self, files: Sequence[Path], held_out: bool) -> Samples:
        """Crops with holes and edges."""
        return EdgeCrops(super().dataset(files, held_out), self.settings.sigma)

    def phases(self, step: int) -> Sequence[Phase]:
        """The generator, then the discriminator on what the generator has just made."""
        judged = {"adversarial", "feature_matching"} & self.weights.keys()
        phases = [Phase("generator", self._generator_loss)]
        return [*phases, Phase("discriminator", self._discriminator_loss)] if judged else phases

    def seen(self, picture: Tensor, batch: Batch) -> Tensor:
        """What the discriminator sees of a true or made picture or edge map."""
        raise NotImplementedError

    def true(self, batch: Batch) -> Tensor:
        """What the generator is to make."""
        raise NotImplementedError

    def _generator_loss(self, batch: Batch) -> Loss:
        raise NotImplementedError

    def _played(self, made: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The losses that the discriminator brings; leaves what was made for its own phase."""
        batch["made"] = made.detach()
        losses = {}
        with held(self.networks["discriminator"]) as discriminator:
            features = discriminator(self.seen(made, batch))[1]
            if "adversarial" in self.weights:
                losses["adversarial"] = self.game.generator(features[-1])
            if "feature_matching" in self.weights:
                with torch.no_grad():
                    wanted = discriminator(self.seen(self.true(batch), batch))[1]
                losses["feature_matching"] = feature_matching(features, wanted)
        return losses

    def _discriminator_loss(self, batch: Batch) -> Loss:
        both = torch.cat([self.seen(self.true(batch), batch), self.seen(batch["made"], batch)])
        real, made = self.networks["discriminator"](both)[1][-1].chunk(2)
        loss = self.game.discriminator(real, made)
        return loss, {"discriminator": loss.detach()}


class EdgeRecipe(_EdgeConnectRecipe):
    """Step 1: edges of the whole picture from those of its known part (section 3.1).

    Adversarial and feature-matching loss.
    """

    name = "edgeconnect_edges"
    losses = ("adversarial", "feature_matching")

    def __init__(self, config: Config) -> None:
        settings = read_settings(EdgeConnectSettings, config.recipe, "recipe")
        generator = EdgeGenerator(width=settings.width, blocks=settings.blocks)
        super().__init__(config, settings, EdgeStage(generator), channels=2)

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The edges of the whole picture, `[N, 1, S, S]`."""
        return network(batch["image"], batch["hole"], batch["edges"])

    def seen(self, picture: Tensor, batch: Batch) -> Tensor:
        """The grey picture and the edges, `[N, 2, S, S]`."""
        return torch.cat([grey(batch["image"]), picture], 1)

    def true(self, batch: Batch) -> Tensor:
        """The true edges."""
        return batch["edges"]

    def _generator_loss(self, batch: Batch) -> Loss:
        made = self.fill(self.networks["generator"], batch)
        total, terms = self.weighted(self._played(made, batch))
        return total, {**terms, "edge_error": partial_l1(made.detach(), batch["edges"], batch["hole"])}

    def sample(self, batch: Batch, averages: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
        """The picture with its hole, the edges of the weights of now and of the averaged ones, and the true ones."""
        image, hole = batch["image"], batch["hole"]
        columns = [("hole", image * (1 - hole) + 0.5 * hole)]
        for caption, network in (("now", bare(self.networks["generator"])), ("average", averages["generator"])):
            columns.append((caption, composed(self.fill(network, batch), batch).expand_as(image)))
        return [*columns, ("original", batch["edges"].expand_as(image))]

    def measure(self, batch: Batch, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Precision and recall of edges in the hole, of the averaged weights, at a likelihood of a half."""
        found = (self.fill(averages["generator"], batch) > 0.5).float() * batch["hole"]
        true = batch["edges"] * batch["hole"]
        hits = (found * true).sum()
        return {"precision": hits / found.sum().clamp_min(1), "recall": hits / true.sum().clamp_min(1)}


class CompletionRecipe(_EdgeConnectRecipe):
    """Step 3: the picture that has given edges (section 3.2).

    L1, adversarial, perceptual and style loss, and the total variation of the patent application CN 110689495 A.
    """

    name = "edgeconnect"
    losses = ("l1", "adversarial", *OF_VGG, "total_variation")

    def __init__(self, config: Config) -> None:
        settings = read_settings(CompletionSettings, config.recipe, "recipe")
        generator = InpaintGenerator(width=settings.width, blocks=settings.blocks)
        super().__init__(config, settings, CompletionStage(generator), channels=3)
        self.features = Vgg19Losses(tuple(name for name in OF_VGG if name in self.weights), config.vgg.weights)
        self.frozen = (self.features,)
        self.edges: EdgeStage | None = None
        if settings.judge is not None:
            state = {key: value for key, value in judge_weights(settings.judge).items() if "features." not in key}
            load_exactly(self.networks["discriminator"], state, f"The discriminator of {settings.judge}")
        if settings.edges is not None:
            state = load_state_dict(settings.edges)
            self.edges = EdgeStage(fitted(BUILDER, state, "edgeconnect-edge").requires_grad_(False))
            self.frozen = (self.features, self.edges)

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The picture painted along the edges."""
        return network(batch["image"], batch["hole"], self.followed(batch))

    @torch.no_grad()
    def followed(self, batch: Batch) -> Tensor:
        """The edges to follow: the true ones, inside of the hole those of the edge generator where there is one."""
        if self.edges is None:
            return batch["edges"]
        return composed(self.edges(batch["image"], batch["hole"], batch["edges"]), batch)

    def seen(self, picture: Tensor, batch: Batch) -> Tensor:
        """The picture."""
        return picture

    def true(self, batch: Batch) -> Tensor:
        """The true picture."""
        return batch["image"]

    def _generator_loss(self, batch: Batch) -> Loss:
        image, hole = batch["image"], batch["hole"]
        output = self.fill(self.networks["generator"], batch)
        losses = {"l1": l1_by_hole(output, image, hole), **self.features(output, image, hole)}
        if "total_variation" in self.weights:
            losses["total_variation"] = total_variation(pasted(output, batch))
        if "adversarial" in self.weights:
            losses |= self._played(output, batch)
        return self.weighted(losses)


def judge_weights(run: Path) -> dict[str, Tensor]:
    """The discriminator of a run of either stage, as the checks at inference load it.

    Args:
        run: folder of the run.

    Raises:
        InputError: it has no checkpoint that can be read.
    """
    checkpoint, _ = Checkpoints(run / "checkpoints").latest()
    if checkpoint is None:
        raise InputError(f"{run} has no checkpoint: give the folder of a run of edgeconnect or edgeconnect_edges.")
    state = checkpoint.group("networks", "discriminator")
    again = {key.replace("conv1.", "features.", 1): value.clone() for key, value in state.items() if "conv1." in key}
    return state | again


def composed(edges: Tensor, batch: Batch) -> Tensor:
    """True edges where the picture is known, `edges` in the hole."""
    return batch["edges"] * (1 - batch["hole"]) + edges * batch["hole"]


def l1_by_hole(output: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute difference of each picture over the share that its hole covers (Nazeri et al. 2019, section 3.2).

    Args:
        output, target: `[N, 3, H, W]`.
        hole: `[N, 1, H, W]`, 1 = hole.
    """
    each = (output - target).abs().mean((1, 2, 3))
    return (each / hole.mean((1, 2, 3)).clamp_min(1 / hole[0].numel())).mean()

"""EdgeConnect, both generators end to end: the last stage of Nazeri et al. 2019 (section 4.2), without D1."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ...backends.architectures import part_of
from ...backends.nets.edgeconnect import EdgeGenerator
from ..config import Config
from ..generators import load_exactly
from ..optimisers import make_optimiser
from .edgeconnect import CompletionRecipe, CompletionStage, EdgeStage
from .protocol import Batch

ENTRIES = {"edgeconnect-edge": "edges.network", "edgeconnect-inpaint": "network"}
"""Where the network of each catalog entry lies."""


class JointStage(CompletionStage):
    """The edge generator and the completion network behind a picture in [0, 1], its hole and its edges."""

    def __init__(self, edges: EdgeStage, network: nn.Module) -> None:
        super().__init__(network)
        self.edges = edges

    def forward(self, image: Tensor, hole: Tensor, edges: Tensor) -> Tensor:
        """`[N, 3, H, W]` in (0, 1); of picture and edges, what lies in the hole is not looked at."""
        likely = self.edges(image, hole, edges)
        return super().forward(image, hole, edges * (1 - hole) + likely * hole)


class JointRecipe(CompletionRecipe):
    """Both generators by the losses of the completion network, whose gradients reach the edge generator.

    `[recipe] edges` are the weights that the edge generator begins with, `[init] weights` those of the completion
    network, or of both.
    """

    name = "edgeconnect_joint"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        settings, completion = self.settings, self.networks["generator"].get_submodule("network")
        edges = self.edges or EdgeStage(EdgeGenerator(width=settings.width, blocks=settings.blocks))
        self.edges, self.frozen = None, (self.features,)
        generator = JointStage(edges.requires_grad_(True), completion)
        self.networks["generator"] = generator
        self.optimisers["generator"] = make_optimiser(generator.parameters(), config.optimiser)

    def fill(self, network: nn.Module, batch: Batch) -> Tensor:
        """The picture painted along the edges of the generator."""
        return network(batch["image"], batch["hole"], batch["edges"])

    def export(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Both networks in one file, each under the name of its catalog entry."""
        return {
            f"{name}.{key}": value
            for name, place in ENTRIES.items()
            for key, value in averages["generator"].get_submodule(place).state_dict().items()
        }

    def start_from(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take weights of a completion network, or of both as `export` gives them."""
        both = any(key.startswith("edgeconnect-edge.") for key in state)
        for entry, place in ENTRIES.items() if both else [("edgeconnect-inpaint", "network")]:
            load_exactly(self.networks["generator"].get_submodule(place), part_of(state, entry), name)

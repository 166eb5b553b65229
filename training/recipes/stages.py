"""The two generators of DeepFill behind pictures in [0, 1]."""

from __future__ import annotations

from torch import Tensor, nn

from ...backends.nets.deepfill_v1 import CoarseToFine
from .published import signed, unsigned


class TwoStages(nn.Module):
    """Gives what both generators paint, for losses on either."""

    def __init__(self, network: CoarseToFine) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, hole: Tensor, sketch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The coarse and the refined picture, each `[N, 3, S, S]` in [0, 1].

        Args:
            image: `[N, 3, S, S]` in [0, 1].
            hole: `[N, 1, S, S]` in {0, 1}, 1 = hole.
            sketch: `[N, 1, S, S]` in {0, 1}, 1 = a line in the hole.
        """
        coarse, fine = self.network.stages(signed(image), hole, sketch)
        return unsigned(coarse), unsigned(fine)

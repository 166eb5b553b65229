"""Crops with the edges of the whole picture, for networks that continue or follow edges."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from ...backends.edgeconnect import canny_edges
from ...imaging.errors import MissingError
from .protocol import Samples


class EdgeCrops:
    """Crops with holes and `edges`, bool `[1, S, S]`: those of Canny 1986 in the whole crop, hole included.

    Args:
        crops: with `image` uint8 `[3, S, S]`.
        sigma: standard deviation of the smoothing before edges are looked for, px.

    Raises:
        MissingError: scikit-image is not installed.
    """

    def __init__(self, crops: Samples, sigma: float) -> None:
        if importlib.util.find_spec("skimage") is None:
            raise MissingError("Edges need a package: pip install 'inpaint-lens[classical]'")
        self.crops, self.sigma = crops, sigma
        self.broken = crops.broken

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Sample `index`."""
        item = self.crops[index]
        image = item["image"][None].float() / 255
        edges = canny_edges(image, torch.zeros_like(image[:, :1]), self.sigma)[0] > 0.5
        return {**item, "edges": edges}

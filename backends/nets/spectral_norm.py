"""Spectral normalisation of convolutions (Miyato et al. 2018, eq. 8 and algorithm 1), as published weights store it.

Two families of weights need more than torch's own spectral norm: those whose layers keep `weight_bar`, `weight_u` and
`weight_v` under `module.` and estimate the norm anew at every call (`SpectralNorm`), and those that torch before 1.0
wrote (`with_right_vectors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TINY = 1e-12
"""Added to a length before dividing by it."""


class SpectralNorm(nn.Module):
    """A convolution whose weight is divided by an estimate of its largest singular value.

    The weight is seen as a matrix whose rows are its first dimension, for transposed convolutions too. Each call does
    one power iteration from the stored vectors. In training mode the vectors are stored back; in evaluation mode
    nothing is, so every call gives what the first one after loading gives.

    State: `module.bias` (where the layer has one), `module.weight_u` `[rows]`, `module.weight_v` `[columns]`,
    `module.weight_bar` in the layer's own shape.

    Args:
        layer: the convolution, with zero padding.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.module = _NormalisedConvolution(layer)

    def forward(self, features: Tensor) -> Tensor:
        """What the layer does, with the normalised weight."""
        return self.module(features)


class _NormalisedConvolution(nn.Module):
    """The convolution inside of `SpectralNorm`, which gives its state the prefix `module.`."""

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        weight = layer.weight.detach()
        rows = weight.shape[0]
        # The vectors are parameters without gradient, not buffers: the order of the published keys is so.
        self.bias = layer.bias
        self.weight_u = nn.Parameter(_unit(weight.new_empty(rows).normal_()), requires_grad=False)
        self.weight_v = nn.Parameter(_unit(weight.new_empty(weight.numel() // rows).normal_()), requires_grad=False)
        self.weight_bar = nn.Parameter(weight)
        self.transposed = isinstance(layer, nn.ConvTranspose2d)
        self.geometry: dict[str, Any] = {
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "groups": layer.groups,
        }
        if self.transposed:
            self.geometry["output_padding"] = layer.output_padding

    def normalised_weight(self) -> Tensor:
        """The weight over its estimated largest singular value; gradients flow through both."""
        matrix = self.weight_bar.flatten(1)
        with torch.no_grad():
            right = _unit(matrix.t().mv(self.weight_u))
            left = _unit(matrix.mv(right))
            if self.training:
                self.weight_u.copy_(left)
                self.weight_v.copy_(right)
        return self.weight_bar / left.dot(matrix.mv(right))

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to what the layer's geometry gives."""
        convolve = F.conv_transpose2d if self.transposed else F.conv2d
        return convolve(features, self.normalised_weight(), self.bias, **self.geometry)


def _unit(vector: Tensor) -> Tensor:
    return vector / (vector.norm() + TINY)


def with_right_vectors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torch's own spectral norm as torch since 1.0 writes it.

    Before 1.0 torch stored the last normalised `weight` beside `weight_orig` and `weight_u`, and no `weight_v`. The
    `weight_v` given here brings back the same normalised weight. Other keys stay as they are.

    Args:
        state: parameters by key, of any age.
    """
    renewed = dict(state)
    for key, weight in state.items():
        prefix = key.removesuffix("weight_orig")
        left = state.get(f"{prefix}weight_u")
        if prefix == key or left is None or f"{prefix}weight_v" in state:
            continue
        along = 1 if left.numel() != weight.shape[0] else 0
        matrix = weight.movedim(along, 0).flatten(1)
        right = matrix.t().mv(left)
        normalised = renewed.pop(f"{prefix}weight", None)
        norm = right.norm() if normalised is None else (weight * normalised).sum() / normalised.square().sum()
        renewed[f"{prefix}weight_v"] = right * norm / right.dot(right)
    return renewed

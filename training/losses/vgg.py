"""Losses on features of VGG16 (Simonyan and Zisserman 2015): perceptual, style, and LPIPS as a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...imaging.errors import WeightsError
from ...weights_registry.formats import load_state_dict

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEVELS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Convolutions between two poolings, by their numbers in torchvision's VGG16."""
POOLS = ("pool1", "pool2", "pool3")
"""Layers of Liu et al. 2018, section 3.3."""
LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
"""Layers of LPIPS on VGG16 (Zhang et al. 2018, section 3)."""

Features = Mapping[str, Tensor]
"""Feature maps `[N, C, h, w]` by layer."""


class Vgg16(nn.Module):
    """The convolutions of VGG16, frozen, as far as the deepest of the `layers` asked for.

    Layers are named `reluL_I`, the I-th rectifier of level L, and `poolL`, both counted from 1.

    Args:
        weights: file with torchvision's keys `features.N.weight` and `features.N.bias`, in any precision.
        layers: whose features to give.

    Raises:
        WeightsError: the file cannot be read or does not hold these convolutions.
    """

    def __init__(self, weights: Path, layers: Sequence[str]) -> None:
        super().__init__()
        state = load_state_dict(weights)
        self.layers = frozenset(layers)
        self.steps: list[str] = []
        self.convolutions = nn.ModuleDict()
        try:
            for step, index in _sequence(self.layers):
                self.steps.append(step)
                if index is not None:
                    self.convolutions[step] = _convolution(state, index)
        except KeyError as error:
            raise WeightsError(
                f"{weights} lacks {error}: give a file with the convolutions of torchvision's VGG16."
            ) from None
        self.register_buffer("mean", torch.tensor(MEAN)[None, :, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[None, :, None, None], persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Features of an image `[N, 3, H, W]` in [0, 1]."""
        x, found = (image - self.get_buffer("mean")) / self.get_buffer("std"), {}
        for step in self.steps:
            x = F.relu(self.convolutions[step](x)) if step in self.convolutions else F.max_pool2d(x, 2)
            if step in self.layers:
                found[step] = x
        return found


def _sequence(layers: frozenset[str]) -> list[tuple[str, int | None]]:
    """Steps to the deepest of the layers, each with the number of its convolution; poolings have none."""
    steps: list[tuple[str, int | None]] = []
    for level, indices in enumerate(LEVELS, 1):
        steps += [(f"relu{level}_{place}", index) for place, index in enumerate(indices, 1)]
        steps.append((f"pool{level}", None))
    names = [name for name, _ in steps]
    return steps[: 1 + max(names.index(layer) for layer in layers)]


def _convolution(state: Mapping[str, Tensor], index: int) -> nn.Conv2d:
    weight, bias = state[f"features.{index}.weight"].float(), state[f"features.{index}.bias"].float()
    with torch.device("meta"):
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
    return convolution


def perceptual(output: Features, target: Features, layers: Sequence[str] = POOLS) -> Tensor:
    """Mean absolute difference of features, summed over layers: one term of Liu et al. 2018, eq. 3."""
    return torch.stack([F.l1_loss(output[layer].float(), target[layer].float()) for layer in layers]).sum()


def gram(features: Tensor) -> Tensor:
    """Products of channels, summed over positions and divided by C · h · w: `[N, C, C]` (Gatys et al. 2016, eq. 3)."""
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style(output: Features, target: Features, layers: Sequence[str] = POOLS) -> Tensor:
    """Mean absolute difference of Gram matrices, summed over layers: Liu et al. 2018, eq. 4 and 5."""
    return torch.stack([F.l1_loss(gram(output[layer]), gram(target[layer])) for layer in layers]).sum()


class LpipsHeads(nn.Module):
    """LPIPS (Zhang et al. 2018, eq. 1) of features that are there already.

    Args:
        weights: file with the heads as `linK.model.1.weight`, K from 0.
        levels: how many of the five layers, from the first.

    Raises:
        WeightsError: the file lacks the heads.
    """

    def __init__(self, weights: Path, levels: int = 5) -> None:
        super().__init__()
        state = load_state_dict(weights)
        self.layers = LPIPS_LAYERS[:levels]
        for level, layer in enumerate(self.layers):
            key = f"lin{level}.model.1.weight"
            if key not in state:
                raise WeightsError(f"{weights} lacks '{key}', a head of LPIPS: give a file that has them.")
            self.register_buffer(layer, state[key].float(), persistent=False)

    def forward(self, output: Features, target: Features) -> Tensor:
        """Distance of each picture `[N]`."""
        total: Tensor | float = 0.0
        for layer in self.layers:
            a, b = (F.normalize(one[layer].float(), dim=1, eps=1e-6) for one in (output, target))
            total = total + ((a - b).square() * self.get_buffer(layer)).sum(1).mean((1, 2))
        return torch.as_tensor(total)

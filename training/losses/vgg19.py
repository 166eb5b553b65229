"""Losses on features of VGG19 (Simonyan and Zisserman 2015), as EdgeConnect and AOT-GAN take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...imaging.errors import MissingError, WeightsError
from ...weights_registry.formats import load_state_dict
from .vgg import MEAN, STD, Features, perceptual, style

CONVOLUTIONS = {
    1: (0, 2),
    2: (5, 7),
    3: (10, 12, 14, 16),
    4: (19, 21, 23, 25),
    5: (28, 30, 32, 34),
}
"""Convolutions of each level, by their numbers in torchvision's VGG19."""
PERCEPTUAL = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
STYLE = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
"""Layers of Nazeri et al. 2019, section 3.2, and of Zeng et al. 2022."""
DEEPEST = (5, 2)
"""Level and place of the last layer that is needed."""
LOSSES = ("perceptual", "style")


class Vgg19(nn.Module):
    """The convolutions of VGG19 as far as the losses need them, frozen.

    Args:
        weights: file with torchvision's keys `features.N.weight` and `features.N.bias`, in any precision.

    Raises:
        WeightsError: the file cannot be read or does not hold these convolutions.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        state = load_state_dict(weights)
        self.layers = nn.ModuleDict()
        for level, numbers in CONVOLUTIONS.items():
            for place, number in enumerate(numbers, 1):
                if (level, place) <= DEEPEST:
                    self.layers[f"relu{level}_{place}"] = _convolution(state, number, weights)
        self.register_buffer("mean", torch.tensor(MEAN)[None, :, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[None, :, None, None], persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> Features:
        """Features of all layers of an image `[N, 3, H, W]` in [0, 1]."""
        x, found = (image - self.get_buffer("mean")) / self.get_buffer("std"), {}
        for name, layer in self.layers.items():
            if name.endswith("_1") and found:
                x = F.max_pool2d(x, 2)
            x = found[name] = F.relu(layer(x))
        return found


def _convolution(state: Mapping[str, Tensor], number: int, path: Path) -> nn.Conv2d:
    try:
        weight, bias = state[f"features.{number}.weight"].float(), state[f"features.{number}.bias"].float()
    except KeyError as error:
        raise WeightsError(f"{path} lacks {error}: give a file with the convolutions of torchvision's VGG19.") from None
    with torch.device("meta"):
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
    return convolution


class Vgg19Losses(nn.Module):
    """The perceptual and the style loss of a fill.

    Args:
        names: which of `LOSSES` are asked for; without any, nothing is loaded.
        weights: file of VGG19.

    Raises:
        MissingError: a loss needs the weights and none are named.
        WeightsError: the weights are not those of VGG19.
    """

    def __init__(self, names: tuple[str, ...], weights: Path | None) -> None:
        super().__init__()
        self.names = names
        if names and weights is None:
            raise MissingError(
                f"[losses] {names[0]} needs the weights of VGG19: set [vgg] weights to a file with torchvision's "
                "convolutions, or leave this loss away."
            )
        self.vgg = Vgg19(weights) if names and weights is not None else None

    def forward(self, output: Tensor, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The losses that are asked for, by name, not yet weighted.

        `perceptual` is the mean absolute difference of features, summed over `PERCEPTUAL`; `style` that of the Gram
        matrices of what lies in the hole, summed over `STYLE` (Nazeri et al. 2019, section 3.2).

        Args:
            output: what the generator gave, `[N, 3, H, W]`, about [0, 1].
            image: the true picture, likewise.
            hole: `[N, 1, H, W]`, 1 = hole.
        """
        losses: dict[str, Tensor] = {}
        if self.vgg is None:
            return losses
        if "perceptual" in self.names:
            losses["perceptual"] = perceptual(self.vgg(output), self._wanted(image), PERCEPTUAL)
        if "style" in self.names:
            losses["style"] = style(self.vgg(output * hole), self._wanted(image * hole), STYLE)
        return losses

    @torch.no_grad()
    def _wanted(self, image: Tensor) -> Features:
        assert self.vgg is not None
        return self.vgg(image)

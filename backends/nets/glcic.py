"""GLCIC: globally and locally consistent image completion; the completion network and its discriminators.

Iizuka, Simo-Serra, Ishikawa 2017, "Globally and Locally Consistent Image Completion" (ACM Transactions on Graphics
36 (4), SIGGRAPH). The completion network (table 1) is fully convolutional; dilated convolutions (eq. 1) in its middle
let each pixel see a wide surrounding. Two discriminators (tables 2a, 2b), one for the whole picture and one for a
crop around the hole, are joined by one layer (table 2c). The losses are eq. 2 to 4 of the paper.

In the published PyTorch weights each activation comes before its batch normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 128, *(256,) * 9, 128, 128, 64, 32, 3)
"""Output channels of the 17 layers of the completion network."""
HALVING = (2, 4)
"""Layers, counted from 1, that halve height and width; the same number of `DOUBLING` layers undo it."""
DOUBLING = (13, 15)
DILATION = {7: 2, 8: 4, 9: 8, 10: 16}
"""Spacing of the kernel's pixels in the dilated layers."""
DISCRIMINATOR_WIDTHS = (64, 128, 256, 512, 512)
FEATURES = 1024
"""Length of the vector that each discriminator gives."""


class CompletionNetwork(nn.Module):
    """The completion network (table 1).

    Args:
        widths: output channels of its layers.
        channels: of the input: those of the picture and one for the mask.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, channels: int = 4) -> None:
        super().__init__()
        for index, (inputs, outputs) in enumerate(zip((channels, *widths), widths, strict=False), 1):
            name = f"deconv{index}" if index in DOUBLING else f"conv{index}"
            self.add_module(name, _completion_layer(index, inputs, outputs))
            if index < len(widths):
                self.add_module(f"bn{index}", nn.BatchNorm2d(outputs))

    def forward(self, image: Tensor) -> Tensor:
        """The completed picture.

        Args:
            image: `[N, 4, H, W]`: the picture in [0, 1] with the training set's mean colour in the hole, then the mask,
                1 = hole. Height and width are multiples of 4.

        Returns:
            `[N, 3, H, W]` in (0, 1).
        """
        *layers, last = (layer for name, layer in self.named_children() if "conv" in name)
        norms = (norm for name, norm in self.named_children() if name.startswith("bn"))
        for layer, norm in zip(layers, norms, strict=True):
            image = norm(F.relu(layer(image)))
        return torch.sigmoid(last(image))


def _completion_layer(index: int, inputs: int, outputs: int) -> nn.Module:
    if index in DOUBLING:
        return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
    kernel, dilation = (5 if index == 1 else 3), DILATION.get(index, 1)
    return nn.Conv2d(
        inputs, outputs, kernel, 2 if index in HALVING else 1, padding=kernel // 2 * dilation, dilation=dilation
    )


class Discriminator(nn.Module):
    """One discriminator (table 2a or 2b): picture to a vector of features.

    Args:
        side: height and width of the input, px; its layers halve it `len(widths)` times.
        widths: output channels of the convolutions.
        features: length of the vector.
        colours: channels of the input.
    """

    def __init__(self, side: int, widths: tuple[int, ...], features: int = FEATURES, colours: int = 3) -> None:
        super().__init__()
        self.side = side
        self.features = features
        for index, (inputs, outputs) in enumerate(zip((colours, *widths), widths, strict=False), 1):
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 5, 2, 2))
            self.add_module(f"bn{index}", nn.BatchNorm2d(outputs))
        least = side >> len(widths)
        self.add_module(f"linear{len(widths) + 1}", nn.Linear(widths[-1] * least**2, features))

    def forward(self, image: Tensor) -> Tensor:
        """Features `[N, F]` of `[N, 3, side, side]` in [0, 1]."""
        *layers, last = (layer for name, layer in self.named_children() if not name.startswith("bn"))
        norms = (norm for name, norm in self.named_children() if name.startswith("bn"))
        for layer, norm in zip(layers, norms, strict=True):
            image = norm(F.relu(layer(image)))
        return F.relu(last(image.flatten(1)))


class ContextDiscriminator(nn.Module):
    """Both discriminators and the layer that joins them (table 2c).

    Args:
        near: the discriminator of a crop around the hole.
        whole: the discriminator of the whole picture.
    """

    def __init__(self, near: Discriminator, whole: Discriminator) -> None:
        super().__init__()
        self.model_ld = near
        self.model_gd = whole
        self.linear1 = nn.Linear(near.features + whole.features, 1)

    def forward(self, crop: Tensor, image: Tensor) -> Tensor:
        """Probability `[N, 1]` that a picture is true.

        Args:
            crop: `[N, 3, h, w]` in [0, 1], cut out around the hole, of the size `model_ld.side`.
            image: `[N, 3, H, W]` in [0, 1], the whole picture, of the size `model_gd.side`.
        """
        features = torch.cat([self.model_ld(crop), self.model_gd(image)], 1)
        return torch.sigmoid(self.linear1(features))


def glcic_completion(shapes: Mapping[str, tuple[int, ...]]) -> CompletionNetwork:
    """The completion network that a state dict of `shapes` is of; the published one for an empty mapping."""
    if not shapes:
        return CompletionNetwork()
    widths = tuple(shapes[f"{'deconv' if n in DOUBLING else 'conv'}{n}.bias"][0] for n in range(1, len(WIDTHS) + 1))
    return CompletionNetwork(widths, shapes["conv1.weight"][1])


def glcic_discriminator_celeba(shapes: Mapping[str, tuple[int, ...]]) -> ContextDiscriminator:
    """Discriminators of pictures of 160 px with crops of 96 px, or what a state dict of `shapes` is of."""
    if shapes:
        return _discriminator(shapes)
    return ContextDiscriminator(Discriminator(96, DISCRIMINATOR_WIDTHS), Discriminator(160, DISCRIMINATOR_WIDTHS))


def glcic_discriminator_places2(shapes: Mapping[str, tuple[int, ...]]) -> ContextDiscriminator:
    """Discriminators of pictures of 256 px with crops of 128 px, or what a state dict of `shapes` is of."""
    if shapes:
        return _discriminator(shapes)
    deeper = (*DISCRIMINATOR_WIDTHS, DISCRIMINATOR_WIDTHS[-1])
    return ContextDiscriminator(Discriminator(128, DISCRIMINATOR_WIDTHS), Discriminator(256, deeper))


def _discriminator(shapes: Mapping[str, tuple[int, ...]]) -> ContextDiscriminator:
    return ContextDiscriminator(_branch(shapes, "model_ld."), _branch(shapes, "model_gd."))


def _branch(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> Discriminator:
    """A discriminator by its shapes; its input is square, so the last layer tells the size."""
    keys = takewhile(shapes.__contains__, (f"{prefix}conv{n}.weight" for n in count(1)))
    widths = tuple(shapes[key][0] for key in keys)
    features, inputs = shapes[f"{prefix}linear{len(widths) + 1}.weight"]
    side = isqrt(inputs // widths[-1]) << len(widths)
    return Discriminator(side, widths, features, shapes[f"{prefix}conv1.weight"][1])

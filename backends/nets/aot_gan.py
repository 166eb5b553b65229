"""AOT-GAN: Zeng et al., Aggregated Contextual Transformations for High-Resolution Image Inpainting (TVCG 2022).

The generator is an encoder, blocks that look at several distances at once (the paper's AOT block), and a decoder. The
discriminator is a spectrally normalised patch discriminator whose score map is compared with the blurred hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm

RATES = (1, 2, 4, 8)
"""Dilations of the branches of a block as published; weights do not show them."""
GATE_EPSILON = 1e-9
SLOPE = 0.2


class AOTBlock(nn.Module):
    """Split, transform by convolutions of different dilation, aggregate; a gate chooses between that and the input.

    `x (1 - g) + fuse(concat(x_1, x_2, ...)) g`, where `g` is the sigmoid of the gate's features, normalised over the
    picture.

    Args:
        channels: width of the features.
        rates: dilation of each branch; every branch has `channels / len(rates)` channels.
    """

    def __init__(self, channels: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.branches = len(rates)
        for index, rate in enumerate(rates):
            convolution = nn.Conv2d(channels, channels // self.branches, 3, dilation=rate)
            branch = nn.Sequential(nn.ReflectionPad2d(rate), convolution, nn.ReLU())
            self.add_module(f"block{index:02d}", branch)
        self.fuse = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.gate = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to the same shape; h and w exceed the largest dilation."""
        seen = [self.get_submodule(f"block{index:02d}")(features) for index in range(self.branches)]
        gate = torch.sigmoid(_normalised(self.gate(features)))
        return features * (1 - gate) + self.fuse(torch.cat(seen, 1)) * gate


def _normalised(features: Tensor) -> Tensor:
    """Standard scores over height and width, spread so that the gate is mostly shut: `5 (2 z - 1)`."""
    mean = features.mean((2, 3), keepdim=True)
    deviation = features.std((2, 3), keepdim=True) + GATE_EPSILON
    return 5 * (2 * (features - mean) / deviation - 1)


class UpConv(nn.Module):
    """Enlargement by two, corners aligned, and a convolution."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, out, 2 h, 2 w]`."""
        return self.conv(F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True))


class AOTGenerator(nn.Module):
    """The generator of AOT-GAN; 15.2 million parameters as published.

    Args:
        width: channels at full size; four times as many in the blocks.
        blocks: number of AOT blocks.
        rates: dilations of their branches.
    """

    def __init__(self, width: int = 64, blocks: int = 8, rates: Sequence[int] = RATES) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(4, width, 7),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.ReLU(),
        )
        self.middle = nn.Sequential(*(AOTBlock(4 * width, rates) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            UpConv(4 * width, 2 * width),
            nn.ReLU(),
            UpConv(2 * width, width),
            nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Raw output of the network, not pasted into the picture.

        Args:
            image: `[N, 3, H, W]` in [-1, 1], the hole white (1). H and W are multiples of 4 and at least 36.
            hole: `[N, 1, H, W]` in {0, 1}, 1 = hole.

        Returns:
            `[N, 3, H, W]` in [-1, 1].
        """
        return torch.tanh(self.decoder(self.middle(self.encoder(torch.cat([image, hole], 1)))))


class AOTDiscriminator(nn.Module):
    """Patch discriminator with spectral norm (Miyato et al. 2018) on all convolutions but the last.

    Args:
        width: channels after the first convolution.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = []
        for index, stride in enumerate((2, 2, 2, 1)):
            convolution = nn.Conv2d(widths[index], widths[index + 1], 4, stride, 1, bias=False)
            layers += [spectral_norm(convolution), nn.LeakyReLU(SLOPE)]
        self.conv = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Score of each patch, not squashed: `[N, 3, H, W]` in [-1, 1] to `[N, 1, H / 8 - 2, W / 8 - 2]`."""
        return self.conv(image)


def generator(shapes: Mapping[str, tuple[int, ...]]) -> AOTGenerator:
    """The generator whose width, blocks and branches the shapes show; the published one for an empty mapping.

    Dilations double from branch to branch, beginning with 1, since weights do not show them.
    """
    if not shapes:
        return AOTGenerator()
    blocks = 1 + max(int(key.split(".")[1]) for key in shapes if key.startswith("middle."))
    branches = sum(key.startswith("middle.0.block") and key.endswith(".weight") for key in shapes)
    return AOTGenerator(shapes["encoder.1.weight"][0], blocks, [2**index for index in range(branches)])


def discriminator(shapes: Mapping[str, tuple[int, ...]]) -> AOTDiscriminator:
    """The discriminator whose width the shapes show; the published one for an empty mapping."""
    return AOTDiscriminator(shapes["conv.0.weight_orig"][0]) if shapes else AOTDiscriminator()

"""NAFNet (Chen et al. 2022, Simple Baselines for Image Restoration): a U-Net of blocks without activation functions.

Keys are those of the published weights, so that these can be loaded too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel (section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to the same shape."""
        centred = features - features.mean(1, keepdim=True)
        normed = centred * (centred.square().mean(1, keepdim=True) + EPSILON).rsqrt()
        return normed * self.weight[None, :, None, None] + self.bias[None, :, None, None]


def gate(features: Tensor) -> Tensor:
    """SimpleGate, eq. 4: the product of both halves of the channels."""
    first, second = features.chunk(2, 1)
    return first * second


class Block(nn.Module):
    """The block of figure 3c: depthwise convolution, gate and channel attention, then gated 1 x 1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.norm2 = ChannelNorm(channels)
        self.conv4 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to the same shape."""
        inner = gate(self.conv2(self.conv1(self.norm1(features))))
        # Simplified channel attention, eq. 6.
        features = features + self.beta * self.conv3(inner * self.sca(inner))
        return features + self.gamma * self.conv5(gate(self.conv4(self.norm2(features))))


class NafNet(nn.Module):
    """A picture in, the restored picture of the same size out.

    Args:
        width: channels at full resolution; they double at each level.
        encoder: blocks of each level on the way down.
        middle: blocks at the lowest resolution.
        decoder: blocks of each level on the way up, as many levels as `encoder` has.

    Raises:
        ValueError: the levels down and up differ in number, or there are none.
    """

    def __init__(
        self, width: int = 16, encoder: Sequence[int] = (1, 1), middle: int = 1, decoder: Sequence[int] = (1, 1)
    ) -> None:
        super().__init__()
        if len(encoder) != len(decoder) or not encoder:
            raise ValueError(f"it needs as many levels down as up, not {len(encoder)} and {len(decoder)}")
        self.multiple_of = 2 ** len(encoder)
        widths = [width * 2**level for level in range(len(encoder) + 1)]
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)
        self.encoders = nn.ModuleList(_blocks(*pair) for pair in zip(widths, encoder, strict=False))
        self.downs = nn.ModuleList(nn.Conv2d(one, 2 * one, 2, stride=2) for one in widths[:-1])
        self.middle_blks = _blocks(widths[-1], middle)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(one, 2 * one, 1, bias=False), nn.PixelShuffle(2)) for one in reversed(widths[1:])
        )
        self.decoders = nn.ModuleList(_blocks(*pair) for pair in zip(reversed(widths[:-1]), decoder, strict=True))

    def forward(self, image: Tensor) -> Tensor:
        """The restored picture.

        Args:
            image: `[N, 3, H, W]` in [0, 1], of any size.

        Returns:
            `[N, 3, H, W]`, about [0, 1].
        """
        height, width = image.shape[-2:]
        below, right = -height % self.multiple_of, -width % self.multiple_of
        padded = F.pad(image, (0, right, 0, below), mode="replicate")
        features, passed = self.intro(padded), []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            features = blocks(features)
            passed.append(features)
            features = down(features)
        features = self.middle_blks(features)
        for up, blocks in zip(self.ups, self.decoders, strict=True):
            features = blocks(up(features) + passed.pop())
        return (self.ending(features) + padded)[..., :height, :width]


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels) for _ in range(count)))


def nafnet(shapes: Mapping[str, tuple[int, ...]]) -> NafNet:
    """The network whose state dict has these shapes; the small default for none.

    Raises:
        KeyError: the shapes are of another network.
    """
    if not shapes:
        return NafNet()
    levels = _count(shapes, "downs.")
    return NafNet(
        width=shapes["intro.weight"][0],
        encoder=[_count(shapes, f"encoders.{level}.") for level in range(levels)],
        middle=_count(shapes, "middle_blks."),
        decoder=[_count(shapes, f"decoders.{level}.") for level in range(levels)],
    )


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in shapes if key.startswith(prefix)})

"""Blocks that the encoder, generator and discriminator of pluralistic image completion share (see `picnet`).

The published weights hold each convolution of a residual block twice: by its name and by its place in `model` or
`shortcut`. So do these blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .spectral_norm import SpectralNorm

SLOPE = 0.1
"""Of the leaky rectifiers, but for the attention's own block."""
ATTENTION_SLOPE = 0.01


def convolution(channels: int, out: int, kernel: int) -> SpectralNorm:
    """A spectral-normalised convolution that keeps the size."""
    return SpectralNorm(nn.Conv2d(channels, out, kernel, padding=kernel // 2))


def enlarging(channels: int, out: int) -> SpectralNorm:
    """A spectral-normalised transposed convolution that doubles the size."""
    return SpectralNorm(nn.ConvTranspose2d(channels, out, 3, stride=2, padding=1, output_padding=1))


class FirstBlock(nn.Module):
    """Residual block on the picture itself, to half the size: no rectifier before the first convolution."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, out, 3)
        self.conv2 = convolution(out, out, 3)
        self.bypass = convolution(channels, out, 1)
        self.model = nn.Sequential(self.conv1, nn.LeakyReLU(SLOPE), self.conv2, nn.AvgPool2d(2))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), self.bypass)

    def forward(self, picture: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, out, h/2, w/2]`."""
        return self.model(picture) + self.shortcut(picture)


class ResidualBlock(nn.Module):
    """Residual block with a convolved shortcut.

    Args:
        channels, hidden, out: before, between and after the two convolutions.
        halve: average the sum down to half the size.
        slope: of the leaky rectifiers.
    """

    def __init__(self, channels: int, out: int, hidden: int, halve: bool = False, slope: float = SLOPE) -> None:
        super().__init__()
        self.conv1 = convolution(channels, hidden, 3)
        self.conv2 = convolution(hidden, out, 3)
        self.bypass = convolution(channels, out, 1)
        self.model = nn.Sequential(nn.LeakyReLU(slope), self.conv1, nn.LeakyReLU(slope), self.conv2)
        self.shortcut = nn.Sequential(self.bypass)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, out, h, w]`, or half of that size."""
        return self.pool(self.model(features)) + self.pool(self.shortcut(features))


class EnlargingBlock(nn.Module):
    """Residual block of the decoder, to twice the size, with instance normalisation."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, out, 3)
        self.conv2 = enlarging(out, out)
        self.bypass = enlarging(channels, out)
        self.model = nn.Sequential(
            nn.InstanceNorm2d(channels, affine=True),
            nn.LeakyReLU(SLOPE),
            self.conv1,
            nn.InstanceNorm2d(out, affine=True),
            nn.LeakyReLU(SLOPE),
            self.conv2,
        )
        self.shortcut = nn.Sequential(self.bypass)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, out, 2h, 2w]`."""
        return self.model(features) + self.shortcut(features)


class ToPicture(nn.Module):
    """Features to an RGB picture in (-1, 1) of the same size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = SpectralNorm(nn.Conv2d(channels, 3, 3))
        self.model = nn.Sequential(nn.LeakyReLU(SLOPE), nn.ReflectionPad2d(1), self.conv1, nn.Tanh())

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, 3, h, w]`; h and w are at least 2."""
        return self.model(features)


class ShortLongAttention(nn.Module):
    """Attention within the decoder's features (short) and, by the same scores, to the encoder's (long).

    Zheng et al. 2019, the short+long term attention layer of section 3: scores are products of one projection of the
    decoder's features with itself, a softmax over the sources makes them weights; `gamma` and `alpha` are the learned
    shares of the two attended features. What is known keeps the encoder's features; the attended ones go into the hole.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.query_conv = nn.Conv2d(channels, channels // 4, 1)
        self.model = ResidualBlock(2 * channels, channels, channels, slope=ATTENTION_SLOPE)

    def forward(
        self, features: Tensor, encoded: Tensor | None = None, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attended features and the attention.

        Args:
            features: `[N, C, h, w]` of the decoder, or of a discriminator, which attends to nothing else.
            encoded: `[N, C, h, w]` of the encoder.
            known: `[N, 1, h, w]` in [0, 1], 1 = known; needed with `encoded`.

        Returns:
            `[N, C, h, w]`, and the weights `[N, h * w, h * w]`: for each target a row over sources that sums to 1.
        """
        query = self.query_conv(features).flatten(2)
        attention = (query.transpose(1, 2) @ query).softmax(-1)
        short = self.gamma * _gathered(features, attention) + features
        if encoded is None or known is None:
            return short, attention
        long = self.alpha * (1 - known) * _gathered(encoded, attention) + known * encoded
        return self.model(torch.cat([short, long], 1)), attention


def _gathered(values: Tensor, attention: Tensor) -> Tensor:
    """For each target the mean of `values` `[N, C, h, w]` over sources, weighted by the attention."""
    return (values.flatten(2) @ attention.transpose(1, 2)).view_as(values)

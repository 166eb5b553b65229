"""EdgeConnect: edges first, colours after (Nazeri et al. 2019, ICCV workshops; arXiv 1901.00212).

An edge generator continues the edges of the known part into the hole (eq. 1), and a completion network paints the
picture that has these edges (section 3.2). Both are the encoder, residual blocks and decoder of Johnson et al. 2016,
the blocks dilated; both are judged by 70 x 70 patch discriminators.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

Shapes = Mapping[str, tuple[int, ...]]


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, the first one dilated, added to the input; nothing after the sum."""

    def __init__(self, channels: int, spectral: bool, dilation: int = 2) -> None:
        super().__init__()
        first = nn.Conv2d(channels, channels, 3, dilation=dilation, bias=not spectral)
        second = nn.Conv2d(channels, channels, 3, bias=not spectral)
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(dilation),
            spectral_norm(first) if spectral else first,
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            spectral_norm(second) if spectral else second,
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to the same shape; h and w are at least 3."""
        return features + self.conv_block(features)


class Generator(nn.Module):
    """What both stages are made of: to a quarter of the size, residual blocks, and back.

    Args:
        in_channels: of the packed input.
        out_channels: of the output.
        width: channels at full size; twice and four times as many at a half and a quarter.
        blocks: number of residual blocks.
        spectral: spectral normalisation of all convolutions but the last.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, blocks: int, spectral: bool) -> None:
        super().__init__()
        stem = nn.Conv2d(in_channels, width, 7)
        down = [nn.Conv2d(size, 2 * size, 4, stride=2, padding=1) for size in (width, 2 * width)]
        up = [nn.ConvTranspose2d(2 * size, size, 4, stride=2, padding=1) for size in (2 * width, width)]
        if spectral:
            stem, down, up = spectral_norm(stem), [*map(spectral_norm, down)], [*map(spectral_norm, up)]
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3), *_normalised(stem), *_normalised(down[0]), *_normalised(down[1])
        )
        self.middle = nn.Sequential(*(ResidualBlock(4 * width, spectral) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            *_normalised(up[0]), *_normalised(up[1]), nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7)
        )

    def forward(self, packed: Tensor) -> Tensor:
        """`[N, C, H, W]` to `[N, C', H, W]` before the last activation; H and W are multiples of 4, at least 12."""
        return self.decoder(self.middle(self.encoder(packed)))


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()


class EdgeGenerator(Generator):
    """Edges of the whole picture from its known part (eq. 1)."""

    def __init__(self, in_channels: int = 3, width: int = 64, blocks: int = 8) -> None:
        super().__init__(in_channels, 1, width, blocks, spectral=True)

    def forward(self, packed: Tensor) -> Tensor:
        """How likely each pixel is an edge, also where that is known.

        Args:
            packed: `[N, 3, H, W]`: grey picture in [0, 1], 1 inside the hole; edges in {0, 1}, 0 inside the hole;
                mask, 1 = hole.

        Returns:
            `[N, 1, H, W]` in (0, 1).
        """
        return torch.sigmoid(super().forward(packed))


class InpaintGenerator(Generator):
    """The completion network: a picture with given edges (section 3.2)."""

    def __init__(self, in_channels: int = 4, width: int = 64, blocks: int = 8) -> None:
        super().__init__(in_channels, 3, width, blocks, spectral=False)

    def forward(self, packed: Tensor) -> Tensor:
        """The filled picture, known part repainted as well.

        Args:
            packed: `[N, 4, H, W]`: RGB picture in [0, 1], 1 inside the hole; edges in [0, 1] of the whole picture.

        Returns:
            `[N, 3, H, W]` in (0, 1).
        """
        return (torch.tanh(super().forward(packed)) + 1) / 2


class Discriminator(nn.Module):
    """Judges patches of 70 x 70 pixels: of a grey picture with its edges, or of an RGB picture.

    Args:
        in_channels: 2 for edges (grey in [0, 1], edges in [0, 1]), 3 for pictures in [0, 1].
        width: channels after the first convolution.
    """

    def __init__(self, in_channels: int, width: int = 64) -> None:
        super().__init__()
        self.conv1 = _judging(in_channels, width, 2)
        # The published weights hold the first layer under this second name too.
        self.features = self.conv1
        self.conv2 = _judging(width, 2 * width, 2)
        self.conv3 = _judging(2 * width, 4 * width, 2)
        self.conv4 = _judging(4 * width, 8 * width, 1)
        self.conv5 = _judging(8 * width, 1, 1)[:1]

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores, and the features of the feature-matching loss (eq. 5).

        Args:
            picture: `[N, C, H, W]`.

        Returns:
            `[N, 1, H/8 - 2, W/8 - 2]` in (0, 1), 1 = real; and the outputs of the five layers, the last one being the
            scores before the sigmoid.
        """
        features = []
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            picture = layer(picture)
            features.append(picture)
        return torch.sigmoid(picture), features


def _judging(channels: int, out: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, 4, stride=stride, padding=1, bias=False)
    return nn.Sequential(spectral_norm(convolution), nn.LeakyReLU(0.2))


def edge_generator(shapes: Shapes) -> EdgeGenerator:
    """The edge generator whose state dict has these shapes; the published one for an empty mapping."""
    if not shapes:
        return EdgeGenerator()
    width, in_channels = shapes["encoder.1.weight_orig"][:2]
    return EdgeGenerator(in_channels, width, _blocks(shapes))


def inpaint_generator(shapes: Shapes) -> InpaintGenerator:
    """The completion network whose state dict has these shapes; the published one for an empty mapping."""
    if not shapes:
        return InpaintGenerator()
    width, in_channels = shapes["encoder.1.weight"][:2]
    return InpaintGenerator(in_channels, width, _blocks(shapes))


def _blocks(shapes: Shapes) -> int:
    return len({key.split(".")[1] for key in shapes if key.startswith("middle.")})


def edge_discriminator(shapes: Shapes) -> Discriminator:
    """The discriminator of edges, for a grey picture and its edges; the published one for an empty mapping."""
    return _discriminator(shapes, in_channels=2)


def rgb_discriminator(shapes: Shapes) -> Discriminator:
    """The discriminator of pictures; the published one for an empty mapping."""
    return _discriminator(shapes, in_channels=3)


def _discriminator(shapes: Shapes, in_channels: int) -> Discriminator:
    if not shapes:
        return Discriminator(in_channels)
    width, in_channels = shapes["conv1.0.weight_orig"][:2]
    return Discriminator(in_channels, width)

"""Dual-path residual network: Zhao and Zhao's generative adversarial network of residual blocks with two paths.

While it is trained, a reconstruction path sees the hole's own pixels and a generation path what is known: complementary
pictures. Each has an encoder (E1, E2) of seven residual modules and a generator (G1, G2) of residual decoding blocks:
a 3 x 3 convolution and a 3 x 3 transposed convolution of stride 2, with a transposed convolution beside them. All have
spectral normalisation. Between two blocks lies attention, short within the decoder's features and long to the encoder's
(Zheng et al. 2019, section 3). To fill a hole the generation path is enough.

Channels, which modules halve the picture, norms, slopes and the place of the attention are not known from the paper;
here they are those of pluralistic image completion (`picnet`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .picnet_blocks import SLOPE, convolution, enlarging

Shapes = Mapping[str, tuple[int, ...]]

ENCODING = (1, 2, 4, 4, 4, 4, 4)
"""Channels of the encoder's seven modules, as multiples of the width."""
HALVING = 5
"""So many of them, the first ones, halve height and width."""
DECODING = (4, 4, 4, 2, 1)
"""Channels of the generator's blocks, likewise; each doubles height and width."""
ATTENDED = 3
"""After so many modules of the encoder lie the features that are attended to, at 1/8 of the size."""
MULTIPLE = 2**HALVING


class ResidualModule(nn.Module):
    """Two 3 x 3 convolutions and a 1 x 1 beside them.

    Args:
        channels, out: before and after; between the two there are the larger of both.
        halve: average the sum down to half the size.
        first: on the picture itself, without a rectifier before.
    """

    def __init__(self, channels: int, out: int, halve: bool = False, first: bool = False) -> None:
        super().__init__()
        hidden = max(channels, out)
        self.conv1 = convolution(channels, hidden, 3)
        self.conv2 = convolution(hidden, out, 3)
        self.bypass = convolution(channels, out, 1)
        self.halve, self.first = halve, first

    def forward(self, features: Tensor) -> Tensor:
        """`[N, channels, h, w]` to `[N, out, h, w]`, or half of that size."""
        active = features if self.first else F.leaky_relu(features, SLOPE)
        total = self.conv2(F.leaky_relu(self.conv1(active), SLOPE)) + self.bypass(features)
        return F.avg_pool2d(total, 2) if self.halve else total


class DecodingBlock(nn.Module):
    """A 3 x 3 convolution and a transposed one of stride 2, another transposed one beside them."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.norm1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv1 = convolution(channels, out, 3)
        self.norm2 = nn.InstanceNorm2d(out, affine=True)
        self.conv2 = enlarging(out, out)
        self.bypass = enlarging(channels, out)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, channels, h, w]` to `[N, out, 2 h, 2 w]`."""
        inner = self.conv1(F.leaky_relu(self.norm1(features), SLOPE))
        return self.conv2(F.leaky_relu(self.norm2(inner), SLOPE)) + self.bypass(features)


class Attention(nn.Module):
    """Short and long term attention by the same scores (Zheng et al. 2019, section 3).

    Places of the decoder's features are compared with each other; `gamma` and `alpha` are the learned shares of what is
    gathered from the decoder and from the encoder. What is known keeps the encoder's features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.query = nn.Conv2d(channels, max(1, channels // 4), 1)
        self.join = ResidualModule(2 * channels, channels)

    def forward(self, features: Tensor, encoded: Tensor, known: Tensor) -> Tensor:
        """`[N, C, h, w]` of the decoder's features, the encoder's, and `known` `[N, 1, h, w]`, 1 = known."""
        query = self.query(features).flatten(2)
        weights = (query.transpose(1, 2) @ query).softmax(-1).transpose(1, 2)
        short = self.gamma * (features.flatten(2) @ weights).view_as(features) + features
        gathered = (encoded.flatten(2) @ weights).view_as(encoded)
        long = self.alpha * (1 - known) * gathered + known * encoded
        return self.join(torch.cat([short, long], 1))


class Encoder(nn.Module):
    """Seven residual modules.

    Args:
        width: channels of the first.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [multiple * width for multiple in ENCODING]
        self.blocks = nn.ModuleList(
            ResidualModule(before, after, halve=index < HALVING, first=index == 0)
            for index, (before, after) in enumerate(pairwise((4, *widths)))
        )

    def forward(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """Features at 1/32 and at 1/8 of the size.

        Args:
            packed: `[N, 4, H, W]`: picture in [-1, 1], 0 where it is hidden, and mask, 1 = hidden.
        """
        features, attended = packed, packed
        for index, block in enumerate(self.blocks, 1):
            features = block(features)
            if index == ATTENDED:
                attended = features
        return features, attended


class Generator(nn.Module):
    """Residual decoding blocks with short and long term attention.

    Args:
        width: channels of the last block.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [ENCODING[-1] * width, *(multiple * width for multiple in DECODING)]
        self.blocks = nn.ModuleList(DecodingBlock(before, after) for before, after in pairwise(widths))
        self.attention = Attention(ENCODING[ATTENDED - 1] * width)
        self.to_picture = convolution(width, 3, 3)

    def forward(self, features: Tensor, attended: Tensor, known: Tensor) -> Tensor:
        """`[N, 3, H, W]` in (-1, 1) of what the encoder gave; `known` `[N, 1, H, W]`, 1 = known."""
        for index, block in enumerate(self.blocks, 1):
            features = block(features)
            if index == HALVING - ATTENDED:
                known = F.interpolate(known, size=features.shape[-2:], mode="bilinear", align_corners=True)
                features = self.attention(features, attended, known)
        return torch.tanh(self.to_picture(F.leaky_relu(features, SLOPE)))


class ResidualPath(nn.Module):
    """One of the two paths: an encoder and a generator; 4.1 million parameters by default.

    Args:
        width: base width.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        self.generator = Generator(width)

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """The whole picture, known part repainted as well.

        Args:
            image: `[N, 3, H, W]` in [-1, 1]; what is hidden is ignored. H and W are multiples of 32, at least 64.
            hidden: `[N, 1, H, W]` in {0, 1}, 1 = hidden.

        Returns:
            `[N, 3, H, W]` in (-1, 1).
        """
        return self.traced(image, hidden)[0]

    def traced(self, image: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The picture, and the encoder's last features `[N, C, H/32, W/32]`; arguments as for `forward`."""
        features, attended = self.encoder(torch.cat([image * (1 - hidden), hidden], 1))
        return self.generator(features, attended, 1 - hidden), features


def generation_path(shapes: Shapes) -> ResidualPath:
    """The path whose state dict has these shapes; that of the default width for an empty mapping."""
    return ResidualPath(shapes["encoder.blocks.0.conv2.module.weight_bar"][0]) if shapes else ResidualPath()

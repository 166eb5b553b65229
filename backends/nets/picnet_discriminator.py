"""The discriminator of pluralistic image completion (Zheng, Cham and Cai 2019, CVPR; see `picnet`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from .picnet_blocks import SLOPE, FirstBlock, ResidualBlock, ShortLongAttention
from .spectral_norm import SpectralNorm

Shapes = Mapping[str, tuple[int, ...]]


class Discriminator(nn.Module):
    """Residual blocks down to 1/32 of the size with self-attention between; scores are not bounded.

    Args:
        widths: channels at 1/2, 1/4, ... of the picture's size.
        attending: the halving before which it attends, counted from 0 after the first; -1 = none.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 128, 128), attending: int = 2) -> None:
        super().__init__()
        self.block0 = FirstBlock(3, widths[0])
        self.stages = ["block0"]
        for index, (before, after) in enumerate(pairwise(widths)):
            if index == attending:
                self.add_module(f"attn{index}", ShortLongAttention(before))
                self.stages.append(f"attn{index}")
            self.add_module(f"encoder{index}", ResidualBlock(before, after, before, halve=True))
            self.stages.append(f"encoder{index}")
        last = widths[-1]
        self.block1 = ResidualBlock(last, last, last)
        self.stages.append("block1")
        self.nonlinearity = nn.LeakyReLU(SLOPE)
        self.conv = SpectralNorm(nn.Conv2d(last, 1, 3))

    def forward(self, picture: Tensor) -> Tensor:
        """Scores of patches, higher = more like a real picture.

        Args:
            picture: `[N, 3, H, W]` in [-1, 1]; H and W are multiples of 32, at least 96, for five widths.

        Returns:
            `[N, 1, H/32 - 2, W/32 - 2]`.
        """
        features = picture
        for name in self.stages:
            stage = self.get_submodule(name)
            features = stage(features)[0] if isinstance(stage, ShortLongAttention) else stage(features)
        return self.conv(self.nonlinearity(features))


def discriminator(shapes: Shapes) -> Discriminator:
    """The discriminator whose state dict has these shapes; the published one for an empty mapping."""
    if not shapes:
        return Discriminator()
    names = [f"encoder{index}" for index in range(len(shapes)) if f"encoder{index}.conv2.module.weight_bar" in shapes]
    widths = [shapes[f"{name}.conv2.module.weight_bar"][0] for name in ("block0", *names)]
    attending = next((index for index in range(len(names)) if f"attn{index}.gamma" in shapes), -1)
    return Discriminator(widths, attending)

"""Discriminators of DeepFill v2's ports: every place of their output judges its surroundings.

Yu et al., Free-Form Image Inpainting with Gated Convolution, ICCV 2019, section 3.2 (SN-PatchGAN): strided convolutions
with spectral normalisation; the hinge loss is taken at each place and channel of the output.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .deepfill_v1 import Shapes
from .deepfill_v2_zhaoyuzhi import leaky
from .spectral_norm import SpectralNorm


class SpectralConvolution(nn.Conv2d):
    """A convolution with its weight divided by an estimate of its largest singular value (Miyato et al. 2018, alg. 1).

    Its state holds the left singular vector as a column, `weight_u` `[width, 1]`. Each call does one power iteration
    from it; only in training mode the new vector is kept. (The published code also divided the stored weight itself at
    every call, for good.)
    """

    weight_u: Tensor

    def __init__(self, channels: int, width: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__(channels, width, kernel, stride, padding)
        self.register_buffer("weight_u", F.normalize(torch.randn(width, 1), dim=0))

    def forward(self, input: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, width, h', w']`."""
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            right = F.normalize(matrix.t() @ self.weight_u, dim=0)
            left = F.normalize(matrix @ right, dim=0)
            if self.training:
                self.weight_u.copy_(left)
        return self._conv_forward(input, self.weight / (left * (matrix @ right)).sum(), self.bias)


class _Halving(nn.Module):
    """A spectral convolution of stride 2 and its activation."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv_sn = SpectralConvolution(channels, width, 5, 2, 2)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, width, h / 2, w / 2]`."""
        return leaky(self.conv_sn(features))


class DeepFillV2Discriminator(nn.Module):
    """Six halvings, as in the paper; 5.9 million parameters by default."""

    def __init__(self, width: int = 64, channels: int = 4) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, *[4 * width] * 4)
        for index, (before, after) in enumerate(pairwise(widths), 1):
            self.add_module(f"conv{index}", _Halving(before, after))

    def forward(self, image: Tensor) -> Tensor:
        """Picture in [-1, 1] and mask, 1 = hole, `[N, 4, H, W]`, to `[N, 4 * width * H / 64 * W / 64]`."""
        for halving in self.children():
            image = halving(image)
        return image.flatten(1)


class _Block(nn.Module):
    """A spectral convolution and what follows it, `[N, C, h, w]` to `[N, width, h', w']`.

    Args:
        layer: the convolution.
        normed: normalise by picture and channel.
        active: leaky rectification at the end.
    """

    def __init__(self, layer: nn.Conv2d, *, normed: bool = True, active: bool = True) -> None:
        super().__init__()
        self.normed, self.active = normed, active
        self.conv2d = SpectralNorm(layer)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        features = self.conv2d(features)
        features = F.instance_norm(features) if self.normed else features
        return leaky(features) if self.active else features


class DeepFillV2ZhaoyuzhiDiscriminator(nn.Module):
    """A first convolution and five halvings; 2.8 million parameters by default."""

    def __init__(self, width: int = 64, channels: int = 4) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 4 * width, 4 * width)
        self.block1 = _Block(nn.Conv2d(channels, width, 7, padding=3), normed=False)
        for index, (before, after) in enumerate(pairwise(widths), 2):
            self.add_module(f"block{index}", _Block(nn.Conv2d(before, after, 4, 2, 1)))
        self.block6 = _Block(nn.Conv2d(4 * width, 1, 4, 2, 1), normed=False, active=False)

    def forward(self, image: Tensor) -> Tensor:
        """Picture in [-1, 1] and mask, 1 = hole, `[N, 4, H, W]`, to `[N, 1, H / 32, W / 32]`."""
        for block in self.children():
            image = block(image)
        return image


def deepfill_v2_discriminator(shapes: Shapes) -> nn.Module:
    """The paper's discriminator whose state dict has these shapes; published, if there are none."""
    return DeepFillV2Discriminator(*shapes["conv1.conv_sn.weight"][:2]) if shapes else DeepFillV2Discriminator()


def deepfill_v2_zhaoyuzhi_discriminator(shapes: Shapes) -> nn.Module:
    """The simplified port's discriminator whose state dict has these shapes; published, if there are none."""
    if not shapes:
        return DeepFillV2ZhaoyuzhiDiscriminator()
    return DeepFillV2ZhaoyuzhiDiscriminator(*shapes["block1.conv2d.module.weight_bar"][:2])

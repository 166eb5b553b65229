"""A simplified DeepFill v2: two plain generators of gated convolutions, without contextual attention.

After Yu et al., Free-Form Image Inpainting with Gated Convolution, ICCV 2019, section 3.1, as reimplemented by Zhao
Yuzhi: separate convolutions for features and gate, the product normalised by picture and channel before its activation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .deepfill_v1 import Shapes, doubled
from .spectral_norm import SpectralNorm

leaky = partial(F.leaky_relu, negative_slope=0.2)


class Gated(nn.Module):
    """Features times gate, the activation after the product, `[N, C, h, w]` to `[N, width, h', w']`.

    Args:
        channels, width: in and out.
        kernel, stride, dilation: of both convolutions.
        normed: the product is normalised by picture and channel.
        spectral: the weights of both convolutions are divided by their largest singular values.
        activation: of the product.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        *,
        normed: bool = True,
        spectral: bool = False,
        activation: Callable[[Tensor], Tensor] = leaky,
    ) -> None:
        super().__init__()
        self.normed, self.activation = normed, activation

        def convolution() -> nn.Module:
            plain = nn.Conv2d(channels, width, kernel, stride, dilation * (kernel - 1) // 2, dilation)
            return SpectralNorm(plain) if spectral else plain

        self.conv2d = convolution()
        self.mask_conv2d = convolution()

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        features = self.conv2d(features) * torch.sigmoid(self.mask_conv2d(features))
        return self.activation(F.instance_norm(features) if self.normed else features)


class GatedEnlarging(nn.Module):
    """Height and width doubled, each pixel repeated, before a gated convolution with spectral normalisation."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.gated_conv2d = Gated(channels, width, spectral=True)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, width, 2 h, 2 w]`."""
        return self.gated_conv2d(doubled(features))


def _generator(width: int) -> nn.Sequential:
    """Picture and mask `[N, 4, H, W]` to a picture `[N, 3, H, W]`."""
    wide = 4 * width
    return nn.Sequential(
        Gated(4, width, 7, normed=False),
        Gated(width, 2 * width, 4, 2),
        Gated(2 * width, wide),
        Gated(wide, wide, 4, 2),
        Gated(wide, wide),
        Gated(wide, wide),
        *(Gated(wide, wide, dilation=2**power) for power in range(1, 5)),
        Gated(wide, wide),
        Gated(wide, wide),
        GatedEnlarging(wide, 2 * width),
        Gated(2 * width, 2 * width),
        GatedEnlarging(2 * width, width),
        Gated(width, 3, 7, normed=False, activation=torch.tanh),
    )


class DeepFillV2Zhaoyuzhi(nn.Module):
    """Two generators, one after the other; 27 million parameters by default.

    Picture in and out are in [-1, 1], 1 in the mask is the hole. Heights and widths are multiples of 4.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.coarse = _generator(width)
        self.refinement = _generator(width)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """The refined picture; arguments as for `stages`."""
        return self.stages(image, mask)[1]

    def stages(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the first and the second generator paint.

        Args:
            image: `[N, 3, H, W]` in [-1, 1]; what lies in the hole is ignored.
            mask: `[N, 1, H, W]` in {0, 1}, 1 = hole.

        Returns:
            Two pictures `[N, 3, H, W]` in [-1, 1], not pasted into the image.
        """
        known = image * (1 - mask)
        coarse = self.coarse(torch.cat([known + mask, mask], 1))
        return coarse, self.refinement(torch.cat([known + coarse * mask, mask], 1))


def deepfill_v2_zhaoyuzhi(shapes: Shapes) -> nn.Module:
    """The network for colour pictures whose state dict has these shapes; published, if there are none."""
    return DeepFillV2Zhaoyuzhi(shapes["coarse.0.conv2d.weight"][0] if shapes else 64)

"""A U-Net of partial convolutions, for holes of any form.

Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV). A partial convolution looks
at known pixels only. For a window of features X with the mask M, 1 = known, the paper has

    x' = W^T (X * M) sum(1) / sum(M) + b  where sum(M) > 0, else 0     (eq. 1)
    m' = 1  where sum(M) > 0, else 0                                   (eq. 2)

The published PyTorch weights were trained without the factor sum(1):

    x' = W^T (X * M) / sum(M) + b  where sum(M) > 0, else 0

with sum(M) over all input channels. The two differ by a constant for each layer, which the weights hold; so weights
trained by one rule do not work by the other. Implemented here: what the published weights need, and eq. 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

COLOURS = 3
SLOPE = 0.2
"""Of the leaky rectifiers in the decoder."""
OUTER = 4
"""The published code makes the decoder's layers for what lies deeper than this before the others."""


class MaskSum(nn.Module):
    """sum(M): how many known values each window of a mask holds.

    Its weight is 1 everywhere and never trained; it is there because published state dicts have it.
    """

    def __init__(self, shape: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape), requires_grad=False)
        self.stride = stride

    def forward(self, mask: Tensor) -> Tensor:
        """Counts `[N, 1, h, w]` of a mask `[N, C, H, W]` in {0, 1}, 1 = known.

        All output channels have the same count, so one is enough.
        """
        return F.conv2d(mask, self.weight[:1], None, self.stride, self.weight.shape[-1] // 2)


class PartialConv(nn.Module):
    """Partial convolution as the published weights need it; see the module's text.

    Args:
        shape: of the weight: output channels, input channels, odd kernel height and width.
        stride: 1 or 2.
        bias: whether a bias is added.
    """

    def __init__(self, shape: tuple[int, ...], stride: int, bias: bool = False) -> None:
        super().__init__()
        outputs, inputs, kernel, _ = shape
        self.input_conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)
        self.mask_conv = MaskSum(shape, stride)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """New features and their mask.

        Args:
            features: `[N, C, H, W]`.
            mask: of the same shape, in {0, 1}, 1 = known.

        Returns:
            Features `[N, D, h, w]`, 0 where nothing is known, and the mask of the same shape (eq. 2).
        """
        with torch.no_grad():
            known = self.mask_conv(mask)
            seen = (known > 0).to(features.dtype)
        bias = 0 if self.input_conv.bias is None else self.input_conv.bias.view(1, -1, 1, 1)
        summed = self.input_conv(features * mask) - bias
        result = (summed / known.clamp_min(1) + bias) * seen
        return result, seen.expand_as(result)


class PartialBlock(nn.Module):
    """A partial convolution, batch normalisation and an activation; its mask is that of the convolution."""

    def __init__(self, shape: tuple[int, ...], stride: int, activation: nn.Module, *, norm: bool = True) -> None:
        super().__init__()
        self.conv = PartialConv(shape, stride)
        self.bn = nn.BatchNorm2d(shape[0]) if norm else nn.Identity()
        self.activation = activation

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `PartialConv.forward`."""
        features, mask = self.conv(features, mask)
        return self.activation(self.bn(features)), mask


class PartialOutput(nn.Module):
    """The last layer: a partial convolution with a bias and nothing after it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.conv = PartialConv(shape, stride=1, bias=True)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `PartialConv.forward`."""
        return self.conv(features, mask)


@dataclass(frozen=True)
class Stage:
    """One layer of the encoder: output channels and side of the kernel."""

    width: int
    kernel: int


PUBLISHED = (Stage(64, 7), Stage(128, 5), Stage(256, 5), *(Stage(512, 3),) * 4)


class PartialUNet(nn.Module):
    """The U-Net (figure 2 and section 3.2 of the paper; seven stages in the published code).

    Args:
        stages: the layers of the encoder; each halves height and width, and the decoder has as many.
        kernel: side of the decoder's kernels.
    """

    def __init__(self, stages: tuple[Stage, ...] = PUBLISHED, kernel: int = 3) -> None:
        super().__init__()
        self.depth = len(stages)
        widths = [COLOURS, *(stage.width for stage in stages)]
        for level, stage in enumerate(stages, 1):
            shape = (stage.width, widths[level - 1], stage.kernel, stage.kernel)
            self.add_module(f"enc_{level}", PartialBlock(shape, 2, nn.ReLU(), norm=level > 1))
        for level in (*range(OUTER + 1, self.depth + 1), *range(min(OUTER, self.depth), 0, -1)):
            shape = (widths[level - 1], widths[level] + widths[level - 1], kernel, kernel)
            block = PartialBlock(shape, 1, nn.LeakyReLU(SLOPE)) if level > 1 else PartialOutput(shape)
            self.add_module(f"dec_{level}", block)

    def forward(self, image: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Fill a picture.

        Args:
            image: `[N, 3, H, W]`, normalised by ImageNet's mean and standard deviation, 0 in the hole. Height and width
                are multiples of 2 to the power of the number of stages.
            valid: mask of the same shape, 1 = known, 0 = hole.

        Returns:
            The picture `[N, 3, H, W]`, normalised likewise and without limits, and the mask of what could be filled.
        """
        features, mask = image, valid
        skips = []
        for level in range(1, self.depth + 1):
            skips.append((features, mask))
            features, mask = self.get_submodule(f"enc_{level}")(features, mask)
        for level in range(self.depth, 0, -1):
            near, near_mask = skips.pop()
            features = torch.cat([F.interpolate(features, scale_factor=2.0, mode="nearest"), near], 1)
            mask = torch.cat([F.interpolate(mask, scale_factor=2.0, mode="nearest"), near_mask], 1)
            features, mask = self.get_submodule(f"dec_{level}")(features, mask)
        return features, mask


def pconv_unet(shapes: Mapping[str, tuple[int, ...]]) -> PartialUNet:
    """The network that a state dict of `shapes` is of; the published one for an empty mapping."""
    if not shapes:
        return PartialUNet()
    depth = sum(bool(re.fullmatch(r"enc_\d+\.conv\.input_conv\.weight", key)) for key in shapes)
    weights = [shapes[f"enc_{level}.conv.input_conv.weight"] for level in range(1, depth + 1)]
    kernel = shapes["dec_1.conv.input_conv.weight"][-1]
    return PartialUNet(tuple(Stage(width, side) for width, _, side, _ in weights), kernel)

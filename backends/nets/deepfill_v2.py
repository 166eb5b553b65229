"""DeepFill v2: the two generators of DeepFill v1 with gated convolutions.

Yu et al., Free-Form Image Inpainting with Gated Convolution, ICCV 2019: gated convolution (section 3.1) and the
optional sketch channel (section 3.5). Two ports differ in names, in padding and in which pixels contextual attention
keeps: `deepfill_v2` is for weights converted from the authors' release for TensorFlow, `deepfill_v2_pt` for weights
trained anew in PyTorch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .contextual_attention import ContextualAttention
from .deepfill_v1 import CHANNELS_WITH_SKETCH, PICTURE_CHANNELS, CoarseToFine, Convolution, Layer, Names, Shapes, under


class GatedConvolution(Convolution):
    """Features weighed by a gate that is learned for every channel and place, as `Convolution` else.

    One convolution gives both: its first `width` channels are the features, the others the gate before its sigmoid.
    """

    def __init__(self, channels: int, width: int, layer: Layer, kind: type[nn.Conv2d] = nn.Conv2d) -> None:
        super().__init__(channels, 2 * width, layer, kind)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        features, gate = self.convolved(features).chunk(2, 1)
        return self.layer.activation(features) * torch.sigmoid(gate)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow pads: an odd pixel goes to the bottom and the right.

    Heights and widths are multiples of the stride; `padding` is not looked at.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
        super().__init__(channels, width, kernel, stride, 0, dilation)
        total = (kernel - 1) * dilation + 1 - stride
        self.sides = (total // 2, total - total // 2)

    def forward(self, input: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, width, h / stride, w / stride]`."""
        return super().forward(F.pad(input, self.sides * 2))


class DeepFillV2(CoarseToFine):
    """The generators as the authors published them for TensorFlow; 4.1 million parameters by default.

    Their code shrinks the mask for the attention in two steps, the port in one, as here: the pixels of the mask that
    are looked at lie two apart at most.
    """

    names = Names(
        coarse=under(
            "conv",
            "1 2_downsample 3 4_downsample 5 6 7_atrous 8_atrous 9_atrous 10_atrous 11 12 13_upsample.conv 14 "
            "15_upsample.conv 16",
        ),
        coarse_rgb="conv17",
        hallucinating=under("xconv", "1 2_downsample 3 4_downsample 5 6 7_atrous 8_atrous 9_atrous 10_atrous"),
        matching=under("pmconv", "1 2_downsample 3 4_downsample 5 6"),
        attention="contextual_attention",
        after_matching=under("pmconv", "9 10"),
        joining=under("allconv", "11 12 13_upsample.conv 14 15_upsample.conv 16"),
        fine_rgb="allconv17",
    )
    mask_seen_again = False

    def __init__(self, width: int = 24, channels: int = PICTURE_CHANNELS) -> None:
        super().__init__(width, channels, ContextualAttention("floored", "aligned"))

    def convolution(self, channels: int, width: int, layer: Layer) -> nn.Module:
        """A gated convolution."""
        return GatedConvolution(channels, width, layer, SameConv2d)

    def plain_convolution(self, channels: int, width: int, layer: Layer) -> nn.Module:
        """The layer that gives the picture."""
        return Convolution(channels, width, layer, SameConv2d)


class DeepFillV2Pt(CoarseToFine):
    """The generators as trained anew in PyTorch; 4.1 million parameters by default."""

    names = Names(
        coarse=under(
            "stage1.",
            "conv1 down_block1.conv1_downsample down_block1.conv2 down_block2.conv1_downsample down_block2.conv2 "
            "conv_bn1 conv_bn2 conv_bn3 conv_bn4 conv_bn5 conv_bn6 conv_bn7 up_block1.conv1_upsample.conv "
            "up_block1.conv2 up_block2.conv1_upsample.conv up_block2.conv2",
        ),
        coarse_rgb="stage1.conv_to_rgb",
        hallucinating=under(
            "stage2.conv_",
            "conv1 down_block1.conv1_downsample down_block1.conv2 down_block2.conv1_downsample down_block2.conv2 "
            "conv_bn1 conv_bn2 conv_bn3 conv_bn4 conv_bn5",
        ),
        matching=under(
            "stage2.ca_",
            "conv1 down_block1.conv1_downsample down_block1.conv2 down_block2.conv1_downsample down_block2.conv2 "
            "conv_bn1",
        ),
        attention="stage2.contextual_attention",
        after_matching=under("stage2.ca_conv_bn", "4 5"),
        joining=under(
            "stage2.",
            "conv_bn6 conv_bn7 up_block1.conv1_upsample.conv up_block1.conv2 up_block2.conv1_upsample.conv "
            "up_block2.conv2",
        ),
        fine_rgb="stage2.conv_to_rgb",
    )
    mask_seen_again = False

    def __init__(self, width: int = 24, channels: int = PICTURE_CHANNELS) -> None:
        super().__init__(width, channels, ContextualAttention("floored", "even", stored_kernel=True))

    def convolution(self, channels: int, width: int, layer: Layer) -> nn.Module:
        """A gated convolution."""
        return GatedConvolution(channels, width, layer)


def deepfill_v2(shapes: Shapes) -> nn.Module:
    """The TensorFlow port whose state dict has these shapes; published, if there are none.

    Raises:
        ValueError: neither five input channels nor, with a sketch, six.
    """
    return DeepFillV2(*_width_and_channels(shapes["conv1.conv.weight"])) if shapes else DeepFillV2()


def deepfill_v2_pt(shapes: Shapes) -> nn.Module:
    """The PyTorch port whose state dict has these shapes; published, if there are none.

    Raises:
        ValueError: neither five input channels nor, with a sketch, six.
    """
    return DeepFillV2Pt(*_width_and_channels(shapes["stage1.conv1.conv.weight"])) if shapes else DeepFillV2Pt()


def _width_and_channels(first: tuple[int, ...]) -> tuple[int, int]:
    """Base width and input channels by the shape of the first convolution's weight."""
    if first[1] not in (PICTURE_CHANNELS, CHANNELS_WITH_SKETCH):
        raise ValueError(f"{first[1]} input channels")
    return first[0] // 2, first[1]

"""DeepFill v1: a coarse and a refining generator with contextual attention, and its two critics.

Yu et al., Generative Image Inpainting with Contextual Attention, CVPR 2018, sections 3 and 4. The layout of the two
generators, `CoarseToFine`, is that of DeepFill v2 as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .contextual_attention import ContextualAttention

Shapes = Mapping[str, tuple[int, ...]]

PICTURE_CHANNELS, CHANNELS_WITH_SKETCH = 5, 6
"""Of the first input: picture, ones and mask; a sketch comes after the picture."""


@dataclass(frozen=True)
class Layer:
    """One convolution.

    Attributes:
        width: channels that it gives, as a multiple of the network's base width.
        kernel, stride, dilation: of the convolution.
        enlarge: its input is doubled in size first, each pixel repeated.
        activation: of the features.
    """

    width: float
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    enlarge: bool = False
    activation: Callable[[Tensor], Tensor] = F.elu

    @property
    def padding(self) -> int:
        """Pixels at each side that keep the size."""
        return self.kernel // 2 * self.dilation


_PLAIN = Layer(4)
_DILATED = tuple(Layer(4, dilation=2**power) for power in range(1, 5))
_DECODER = (_PLAIN, _PLAIN, Layer(2, enlarge=True), Layer(2), Layer(1, enlarge=True), Layer(0.5))
_SLIM_START = (Layer(1, kernel=5), Layer(1, stride=2), Layer(2))

COARSE = (Layer(1, kernel=5), Layer(2, stride=2), Layer(2), Layer(4, stride=2), _PLAIN, _PLAIN, *_DILATED, *_DECODER)
HALLUCINATING = (*_SLIM_START, Layer(2, stride=2), _PLAIN, _PLAIN, *_DILATED)
MATCHING = (*_SLIM_START, Layer(4, stride=2), _PLAIN, replace(_PLAIN, activation=F.relu))
AFTER_MATCHING = (_PLAIN, _PLAIN)
JOINING = _DECODER


@dataclass(frozen=True)
class Names:
    """What the layers of `CoarseToFine` are called in the state dict, one name for each `Layer` of a chain.

    Attributes:
        coarse, hallucinating, matching, after_matching, joining: the chains.
        coarse_rgb, fine_rgb: the convolutions that give the two pictures.
        attention: the contextual attention.
    """

    coarse: tuple[str, ...]
    coarse_rgb: str
    hallucinating: tuple[str, ...]
    matching: tuple[str, ...]
    attention: str
    after_matching: tuple[str, ...]
    joining: tuple[str, ...]
    fine_rgb: str


class Convolution(nn.Module):
    """A convolution and its activation, `[N, C, h, w]` to `[N, width, h', w']`.

    Args:
        channels: C.
        width: channels that it gives.
        layer: the rest; its own `width` is not looked at.
        kind: of convolution, called as `nn.Conv2d`.
    """

    def __init__(self, channels: int, width: int, layer: Layer, kind: type[nn.Conv2d] = nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self.conv = kind(channels, width, layer.kernel, layer.stride, layer.padding, layer.dilation)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return self.layer.activation(self.convolved(features))

    def convolved(self, features: Tensor) -> Tensor:
        """Before the activation."""
        return self.conv(doubled(features) if self.layer.enlarge else features)


class CoarseToFine(nn.Module):
    """Two generators: one fills coarsely, the next refines that in two branches, one with contextual attention.

    Picture in and out are in [-1, 1], 1 in the mask is the hole. Heights and widths are multiples of 8.

    Args:
        width: base width.
        channels: that the first generator is given: picture, sketch if there is one, ones, mask.
    """

    names: ClassVar[Names]
    mask_seen_again: ClassVar[bool]
    """The second generator too is given ones and the mask."""

    def __init__(self, width: int, channels: int, attention: ContextualAttention) -> None:
        super().__init__()
        self.with_sketch = channels == CHANNELS_WITH_SKETCH
        again = 5 if self.mask_seen_again else 3
        to_rgb, half = Layer(1, activation=_as_is), width // 2
        self._chain(self.names.coarse, COARSE, width, channels)
        self._attach(self.names.coarse_rgb, self.plain_convolution(half, 3, to_rgb))
        self._chain(self.names.hallucinating, HALLUCINATING, width, again)
        self._chain(self.names.matching, MATCHING, width, again)
        self._attach(self.names.attention, attention)
        self._chain(self.names.after_matching, AFTER_MATCHING, width, 4 * width)
        self._chain(self.names.joining, JOINING, width, 8 * width)
        self._attach(self.names.fine_rgb, self.plain_convolution(half, 3, to_rgb))

    def convolution(self, channels: int, width: int, layer: Layer) -> nn.Module:
        """One layer of a chain."""
        return Convolution(channels, width, layer)

    def plain_convolution(self, channels: int, width: int, layer: Layer) -> nn.Module:
        """The layer that gives the picture."""
        return Convolution(channels, width, layer)

    def squashed(self, picture: Tensor) -> Tensor:
        """Into [-1, 1]."""
        return torch.tanh(picture)

    def forward(self, image: Tensor, mask: Tensor, sketch: Tensor | None = None, fuse: bool = True) -> Tensor:
        """The refined picture; arguments as for `stages`."""
        return self.stages(image, mask, sketch, fuse)[1]

    def stages(
        self, image: Tensor, mask: Tensor, sketch: Tensor | None = None, fuse: bool = True
    ) -> tuple[Tensor, Tensor]:
        """What the first and the second generator paint.

        Args:
            image: `[N, 3, H, W]` in [-1, 1]; what lies in the hole is ignored.
            mask: `[N, 1, H, W]` in {0, 1}, 1 = hole.
            sketch: `[N, 1, H, W]` in {0, 1}, 1 = a line, zero outside of the hole; None = no lines. Only networks with
                six input channels look at it.
            fuse: propagate the scores of the contextual attention between neighbours.

        Returns:
            Two pictures `[N, 3, H, W]` in [-1, 1], not pasted into the image.
        """
        known, ones = image * (1 - mask), torch.ones_like(mask)
        drawn = [torch.zeros_like(mask) if sketch is None else sketch] if self.with_sketch else []
        coarse = self.squashed(
            self._run((*self.names.coarse, self.names.coarse_rgb), torch.cat([known, *drawn, ones, mask], 1))
        )
        merged = coarse * mask + known
        seen = torch.cat([merged, ones, mask], 1) if self.mask_seen_again else merged
        invented = self._run(self.names.hallucinating, seen)
        matched = self.get_submodule(self.names.attention)(self._run(self.names.matching, seen), mask, fuse)
        both = torch.cat([invented, self._run(self.names.after_matching, matched)], 1)
        return coarse, self.squashed(self._run((*self.names.joining, self.names.fine_rgb), both))

    def _chain(self, names: tuple[str, ...], layers: tuple[Layer, ...], width: int, channels: int) -> None:
        for name, layer in zip(names, layers, strict=True):
            given = int(layer.width * width)
            self._attach(name, self.convolution(channels, given, layer))
            channels = given

    def _attach(self, name: str, module: nn.Module) -> None:
        """Put a module at a dotted name."""
        *parents, own = name.split(".")
        place: nn.Module = self
        for parent in parents:
            if parent not in dict(place.named_children()):
                place.add_module(parent, nn.Module())
            place = place.get_submodule(parent)
        place.add_module(own, module)

    def _run(self, names: tuple[str, ...], features: Tensor) -> Tensor:
        for name in names:
            features = self.get_submodule(name)(features)
        return features


def _as_is(features: Tensor) -> Tensor:
    return features


def doubled(features: Tensor) -> Tensor:
    """Twice the height and width, each pixel repeated."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def under(prefix: str, text: str) -> tuple[str, ...]:
    """Each word of a text behind a prefix."""
    return tuple(prefix + name for name in text.split())


class DeepFillV1(CoarseToFine):
    """The generators of DeepFill v1; 3.6 million parameters by default, output clamped to [-1, 1]."""

    names = Names(
        coarse=under(
            "coarse_generator.",
            "conv1 conv2_downsample conv3 conv4_downsample conv5 conv6 conv7_atrous conv8_atrous conv9_atrous "
            "conv10_atrous conv11 conv12 conv13 conv14 conv15 conv16",
        ),
        coarse_rgb="coarse_generator.conv17",
        hallucinating=under(
            "fine_generator.",
            "conv1 conv2_downsample conv3 conv4_downsample conv5 conv6 conv7_atrous conv8_atrous conv9_atrous "
            "conv10_atrous",
        ),
        matching=under("fine_generator.pmconv", "1 2_downsample 3 4_downsample 5 6"),
        attention="fine_generator.contextul_attention",
        after_matching=under("fine_generator.pmconv", "9 10"),
        joining=under("fine_generator.allconv", "11 12 13 14 15 16"),
        fine_rgb="fine_generator.allconv17",
    )
    mask_seen_again = True

    def __init__(self, width: int = 32) -> None:
        super().__init__(width, PICTURE_CHANNELS, ContextualAttention("smoothed", "even"))

    def squashed(self, picture: Tensor) -> Tensor:
        """Into [-1, 1]; beyond it there is no gradient."""
        return picture.clamp(-1, 1)


class Critic(nn.Module):
    """Wasserstein critic (section 3.2): strided convolutions, then one linear layer over all of it.

    Args:
        width: of the first convolution.
        size: height and width of the pictures; the linear layer fixes it.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 4 * width)
        self.dis_conv_module = nn.Module()
        for index in range(4):
            layer = Layer(1, kernel=5, stride=2, activation=_leaky)
            self.dis_conv_module.add_module(f"conv{index + 1}", Convolution(widths[index], widths[index + 1], layer))
        self.linear = nn.Linear(widths[-1] * (size // 16) ** 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """`[N, 3, size, size]` in [-1, 1] to `[N, 1]`, higher = more like a real picture."""
        for convolution in self.dis_conv_module.children():
            image = convolution(image)
        return self.linear(image.flatten(1))


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, 0.2)


def deepfill_v1(shapes: Shapes) -> nn.Module:
    """The generators whose state dict has these shapes; published, if there are none."""
    return DeepFillV1(shapes["coarse_generator.conv1.conv.weight"][0] if shapes else 32)


def global_critic(shapes: Shapes) -> nn.Module:
    """The critic of whole pictures, 256 x 256 as published."""
    return _critic(shapes) if shapes else Critic(64, 256)


def local_critic(shapes: Shapes) -> nn.Module:
    """The critic of the surroundings of the hole, 128 x 128 as published."""
    return _critic(shapes) if shapes else Critic(64, 128)


def _critic(shapes: Shapes) -> nn.Module:
    width = shapes["dis_conv_module.conv1.conv.weight"][0]
    places = shapes["linear.weight"][1] // (4 * width)
    return Critic(width, 16 * math.isqrt(places))

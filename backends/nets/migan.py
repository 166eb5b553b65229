"""MI-GAN: Sargsyan et al., MI-GAN: A Simple Baseline for Image Inpainting on Mobile Devices (ICCV 2023).

The network for inference, its re-parametrised convolutions already merged: an encoder and a decoder of depthwise
separable convolutions, joined at every size, with StyleGAN2's filtered resampling and fixed noise. It has one size,
that of its noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE, GAIN, CLAMP = 0.2, math.sqrt(2), 256.0
TAPS = (1.0, 3.0, 3.0, 1.0)
"""Binomial low-pass filter, along each axis."""
SMALLEST = 4
RESOLUTION = 512


def _activated(features: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance, its values limited."""
    return (F.leaky_relu(features, SLOPE) * GAIN).clamp(-CLAMP, CLAMP)


class LowPass(nn.Module):
    """Depthwise 4 x 4 binomial filter of constant weights, no padding."""

    weight: Tensor

    def __init__(self, channels: int, gain: float, stride: int = 1) -> None:
        super().__init__()
        taps = torch.tensor(TAPS)
        kernel = torch.outer(taps, taps) * (gain / sum(TAPS) ** 2)
        self.stride = stride
        self.register_buffer("weight", kernel.repeat(channels, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, C, (h - 4) / stride + 1, (w - 4) / stride + 1]`."""
        return F.conv2d(features, self.weight, stride=self.stride, groups=len(self.weight))


class Downsample(nn.Module):
    """Half the size, filtered."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.filter = LowPass(channels, 1.0, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, 2 h, 2 w]` to `[N, C, h, w]`."""
        return self.filter(F.pad(features, (1, 1, 1, 1)))


class Upsample(nn.Module):
    """Twice the size: zeros between the values, then filtered.

    Args:
        channels: width of the features.
        resolution: side of the result.
    """

    filter_const: Tensor

    def __init__(self, channels: int, resolution: int) -> None:
        super().__init__()
        grid = torch.zeros(1, 1, resolution, resolution)
        grid[..., ::2, ::2] = 1
        self.register_buffer("filter_const", grid)
        self.filter = LowPass(channels, 4.0)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, resolution / 2, resolution / 2]` to `[N, C, resolution, resolution]`."""
        spread = F.interpolate(features, scale_factor=2, mode="nearest") * self.filter_const
        return self.filter(F.pad(spread, (2, 1, 2, 1)))


class SeparableConv(nn.Module):
    """Depthwise 3 x 3 and pointwise convolution, each followed by the activation.

    Args:
        channels, out: width before and after.
        noise: side of the fixed noise that is added before the second activation; 0 = none.
        down: halve the size between the convolutions.
        up: double the size after them.
    """

    noise_const: Tensor

    def __init__(self, channels: int, out: int, *, noise: int = 0, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.noisy = noise > 0
        if noise:
            self.noise_strength = nn.Parameter(torch.zeros(()))
            self.register_buffer("noise_const", torch.randn(noise, noise))
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.conv2 = nn.Conv2d(channels, out, 1, bias=False)
        self.downsample = Downsample(channels) if down else None
        self.upsample = Upsample(out, noise) if up else None

    def forward(self, features: Tensor) -> Tensor:
        """`[N, C, h, w]` to `[N, out, h, w]`, or half or twice that size."""
        features = _activated(self.conv1(features))
        if self.downsample is not None:
            features = self.downsample(features)
        features = self.conv2(features)
        if self.upsample is not None:
            features = self.upsample(features)
        if self.noisy:
            features = features + self.noise_const * self.noise_strength
        return _activated(features)


class EncoderBlock(nn.Module):
    """Two convolutions at one size; the second goes on to half of it."""

    def __init__(self, channels: int, out: int, *, inputs: int = 0, down: bool = True) -> None:
        super().__init__()
        self.fromrgb = nn.Conv2d(inputs, channels, 1) if inputs else None
        self.conv1 = SeparableConv(channels, channels)
        self.conv2 = SeparableConv(channels, out, down=down)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features for the next block, and those that the decoder gets at this size."""
        if self.fromrgb is not None:
            features = _activated(self.fromrgb(features))
        skip = self.conv1(features)
        return self.conv2(skip), skip


class DecoderBlock(nn.Module):
    """Two convolutions, the encoder's features added between them, and a picture that adds to the smaller one.

    Args:
        channels: width of the smaller block's features.
        out: width of this one's.
        resolution: side of this block; 0 = the first one, which enlarges nothing and has no noise.
    """

    def __init__(self, channels: int, out: int, resolution: int = 0) -> None:
        super().__init__()
        self.conv1 = SeparableConv(channels, out, noise=resolution, up=resolution > 0)
        self.conv2 = SeparableConv(out, out, noise=resolution)
        self.torgb = nn.Conv2d(out, 3, 1)
        self.upsample = Upsample(3, resolution) if resolution else None

    def forward(self, features: Tensor, skip: Tensor, image: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features and picture of this size."""
        features = self.conv2(self.conv1(features) + skip)
        addition = self.torgb(features)
        if self.upsample is None or image is None:
            return features, addition
        return features, self.upsample(image) + addition


class Encoder(nn.Module):
    """Features of the picture at every size.

    Args:
        widths: channels by resolution.
        inputs: channels of mask and picture.
    """

    def __init__(self, widths: Mapping[int, int], inputs: int) -> None:
        super().__init__()
        self.sizes = sorted(widths, reverse=True)
        for size in self.sizes:
            down = size > SMALLEST
            first = inputs if size == self.sizes[0] else 0
            block = EncoderBlock(widths[size], widths[size // 2 if down else size], inputs=first, down=down)
            self.add_module(f"b{size}", block)

    def forward(self, packed: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Features at the smallest size, and those for the decoder by resolution."""
        features, skips = packed, {}
        for size in self.sizes:
            features, skips[size] = self.get_submodule(f"b{size}")(features)
        return features, skips


class Synthesis(nn.Module):
    """The decoder: pictures of growing size, each adding to the one before.

    Args:
        widths: channels by resolution.
    """

    def __init__(self, widths: Mapping[int, int]) -> None:
        super().__init__()
        self.sizes = sorted(widths)
        for size in self.sizes:
            first = size == SMALLEST
            block = DecoderBlock(widths[size if first else size // 2], widths[size], 0 if first else size)
            self.add_module(f"b{size}", block)

    def forward(self, features: Tensor, skips: Mapping[int, Tensor]) -> Tensor:
        """The picture `[N, 3, R, R]` from what the encoder gives."""
        image: Tensor | None = None
        for size in self.sizes:
            features, image = self.get_submodule(f"b{size}")(features, skips[size], image)
        assert image is not None
        return image


class MIGAN(nn.Module):
    """The generator of MI-GAN for inference; 6.0 million parameters at 512.

    Args:
        widths: channels by resolution, from 4 to the side of the picture.
        inputs: channels of mask and picture together.
    """

    def __init__(self, widths: Mapping[int, int], inputs: int = 4) -> None:
        super().__init__()
        self.resolution = max(widths)
        self.synthesis = Synthesis(widths)
        self.encoder = Encoder(widths, inputs)

    def forward(self, packed: Tensor) -> Tensor:
        """Raw output of the network, not pasted into the picture.

        Args:
            packed: `[N, 4, R, R]`: mask (0.5 = known, -0.5 = hole), then the picture in [-1, 1], 0 inside the hole.

        Returns:
            `[N, 3, R, R]`, about [-1, 1], not clamped.
        """
        return self.synthesis(*self.encoder(packed))


def published_widths(resolution: int) -> dict[int, int]:
    """Channels by resolution as published: 64 at 512, doubling towards smaller sizes up to 512."""
    sizes = [2**power for power in range(2, resolution.bit_length())]
    return {size: min(32768 // size, 512) for size in sizes}


def generator(shapes: Mapping[str, tuple[int, ...]]) -> MIGAN:
    """The generator whose resolution and widths the shapes show; the published one of 512 for an empty mapping."""
    if not shapes:
        return MIGAN(published_widths(RESOLUTION))
    ending = ".conv1.conv2.weight"
    keys = [key for key in shapes if key.startswith("encoder.b") and key.endswith(ending)]
    widths = {int(key.removeprefix("encoder.b").removesuffix(ending)): shapes[key][0] for key in keys}
    return MIGAN(widths, shapes[f"encoder.b{max(widths)}.fromrgb.weight"][1])

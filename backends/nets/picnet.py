"""Pluralistic image completion: many fills of one hole (Zheng, Cham and Cai 2019, CVPR; arXiv 1903.04227).

The encoder gives features of the known part and a normal distribution of what may be missing; the generator turns
a sample of it and the features into a picture. While it is trained, a second path through the same encoder sees what
is missing, and its distribution is what the first one is drawn to (the dual pipeline of section 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .picnet_blocks import EnlargingBlock, FirstBlock, ResidualBlock, ShortLongAttention, ToPicture

Shapes = Mapping[str, tuple[int, ...]]
Normal = tuple[Tensor, Tensor]
"""Mean and standard deviation."""

ENCODER_WIDTHS = (32, 64, 128, 128, 128)
DECODER_WIDTHS = (128, 128, 128, 64, 32)


class Encoder(nn.Module):
    """Features of a picture, and the distribution of what is missing from it.

    Args:
        widths: channels at 1/2, 1/4, ... of the picture's size.
        latent: channels of the distribution.
        inference: residual blocks between the features and the prior.
    """

    def __init__(self, widths: Sequence[int] = ENCODER_WIDTHS, latent: int = 128, inference: int = 6) -> None:
        super().__init__()
        self.latent = latent
        self.block0 = FirstBlock(3, widths[0])
        for index, (before, after) in enumerate(pairwise(widths)):
            self.add_module(f"encoder{index}", ResidualBlock(before, after, before, halve=True))
        last = widths[-1]
        for index in range(inference):
            self.add_module(f"infer_prior{index}", ResidualBlock(last, last, last))
        self.posterior = ResidualBlock(last, 2 * latent, last)
        self.prior = ResidualBlock(last, 2 * latent, last)
        self.halvings = [f"encoder{index}" for index in range(len(widths) - 1)]
        self.inferring = [f"infer_prior{index}" for index in range(inference)]

    def forward(self, known: Tensor) -> tuple[Normal, list[Tensor]]:
        """The path that fills: what may be missing, by what is known.

        Args:
            known: `[N, 3, H, W]` in [-1, 1], 0 inside the hole; H and W are multiples of 32 for five widths.

        Returns:
            Mean and standard deviation, each `[N, latent, H/32, W/32]`, and the features at 1/2, 1/4, ... of the size.
        """
        features = self.features(known)
        return self._prior(features[-1]), features

    def two_paths(self, known: Tensor, missing: Tensor) -> tuple[Normal, Normal, list[Tensor]]:
        """Both paths, as in training.

        Args:
            known: as for `forward`.
            missing: `[N, 3, H, W]` in [-1, 1]: the hole's own pixels, 0 elsewhere.

        Returns:
            The posterior by what is missing, the prior by what is known, and the features of `known` and then
            `missing` along the batch.
        """
        features = self.features(torch.cat([known, missing]))
        of_known, of_missing = features[-1].chunk(2)
        return self._normal(self.posterior(of_missing)), self._prior(of_known), features

    def features(self, picture: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4, ... of the picture's size."""
        found = [self.block0(picture)]
        for name in self.halvings:
            found.append(self.get_submodule(name)(found[-1]))
        return found

    def _prior(self, features: Tensor) -> Normal:
        for name in self.inferring:
            features = self.get_submodule(name)(features)
        return self._normal(self.prior(features))

    def _normal(self, heads: Tensor) -> Normal:
        mean, spread = heads.split(self.latent, 1)
        return mean, F.softplus(spread)


class Generator(nn.Module):
    """A picture from features of its known part and a sample of what is missing.

    Args:
        widths: channels after each doubling of the size.
        features: channels of the encoder's last features.
        latent: channels of the sample.
        scales: how many pictures are made, the largest in full size; each is seen by the next doubling.
        attending: the doubling after which the decoder attends to the encoder, counted from 0; -1 = none.
    """

    def __init__(
        self,
        widths: Sequence[int] = DECODER_WIDTHS,
        features: int = 128,
        latent: int = 128,
        scales: int = 4,
        attending: int = 1,
    ) -> None:
        super().__init__()
        self.doublings, self.first_scale, self.attending = len(widths), len(widths) - scales, attending
        self.generator = ResidualBlock(latent, features, features)
        channels = features
        for index, width in enumerate(widths):
            self.add_module(f"decoder{index}", EnlargingBlock(channels, width))
            channels = width
            if index >= self.first_scale:
                self.add_module(f"out{index}", ToPicture(width))
                channels += 3
            if index == attending:
                self.add_module(f"attn{index}", ShortLongAttention(width))

    def forward(self, sample: Tensor, last: Tensor, attended: Tensor, known: Tensor) -> list[Tensor]:
        """Pictures in (-1, 1), the smallest first.

        Args:
            sample: `[N, latent, H/32, W/32]` of the encoder's distribution.
            last: `[N, C, H/32, W/32]`, the encoder's last features.
            attended: `[N, C, H/8, W/8]`, its features of the size of the attention.
            known: `[N, 1, H/8, W/8]` in [0, 1], 1 = known.

        Returns:
            `[N, 3, H/8, W/8]`, ..., `[N, 3, H, W]` for the published widths.
        """
        features = last + self.generator(sample)
        pictures = []
        for index in range(self.doublings):
            seen = torch.cat([features, pictures[-1]], 1) if pictures else features
            features = self.get_submodule(f"decoder{index}")(seen)
            if index == self.attending:
                features, _ = self.get_submodule(f"attn{index}")(features, attended, known)
            if index >= self.first_scale:
                pictures.append(self.get_submodule(f"out{index}")(features))
        return pictures


def scaled_known(known: Tensor, like: Tensor) -> Tensor:
    """The mask of known pixels `[N, 1, H, W]`, 1 = known, in the size of features, as the attention takes it."""
    return F.interpolate(known, size=like.shape[-2:], mode="bilinear", align_corners=True)


def encoder(shapes: Shapes) -> Encoder:
    """The encoder whose state dict has these shapes; the published one for an empty mapping."""
    if not shapes:
        return Encoder()
    first = shapes["block0.conv2.module.weight_bar"][0]
    widths = [shapes[f"encoder{index}.conv2.module.weight_bar"][0] for index in range(_count(shapes, "encoder"))]
    latent = shapes["prior.conv2.module.weight_bar"][0] // 2
    return Encoder((first, *widths), latent, _count(shapes, "infer_prior"))


def generator(shapes: Shapes) -> Generator:
    """The generator whose state dict has these shapes; the published one for an empty mapping."""
    if not shapes:
        return Generator()
    widths = [shapes[f"decoder{index}.conv1.module.weight_bar"][0] for index in range(_count(shapes, "decoder"))]
    features, latent = shapes["generator.bypass.module.weight_bar"][:2]
    attending = next((index for index in range(len(widths)) if f"attn{index}.gamma" in shapes), -1)
    return Generator(widths, features, latent, _count(shapes, "out"), attending)


def _count(shapes: Shapes, name: str) -> int:
    """How many submodules are called `name` and a number."""
    heads = {key.partition(".")[0] for key in shapes}
    return sum(head.removeprefix(name).isdigit() for head in heads if head.startswith(name))

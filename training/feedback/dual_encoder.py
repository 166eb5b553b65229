"""A small dual encoder that learns quality words from nothing: texts and pictures as vectors of one width.

The two encoders and the cosine are CLIP's (Radford et al. 2021, figure 3); similarity becomes a probability by a
learned scale and bias as in SigLIP (Zhai et al. 2023, section 3.2), since every text is true or false by itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import tokens

PIXELS = 24
"""Smallest side of a picture that it can judge."""
QUIET_PX = 8
"""Side of the places in which energy is looked at."""
FLOOR = 1e-4
"""Energy of the faintest detail that counts, about that of the rounding of 8 bits."""
USUAL = 1e-2
"""Energy of usual detail."""


class TextEncoder(nn.Module):
    """The mean of what tokens mean, then two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.meaning = nn.Embedding(tokens.VOCABULARY, width, padding_idx=0)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, numbers: Tensor) -> Tensor:
        """Tokens `[N, L]` to `[N, width]`."""
        present = (numbers > 0).float()[..., None]
        total = (self.meaning(numbers) * present).sum(1)
        return self.layers(total / present.sum(1).clamp_min(1).sqrt())


class ImageEncoder(nn.Module):
    """Looks at the finest detail: what two blurs leave over goes through convolutions without pooling before them.

    How strong detail is tells blur and noise, and how it is spread tells edges from patterns; so each level gives the
    mean of its channels and the logarithms of their second and fourth moments, the input its energy in quiet places.
    """

    def __init__(self, width: int, channels: int = 16) -> None:
        super().__init__()
        self.register_buffer("blur", _binomial(), persistent=False)
        self.fine = nn.Conv2d(9, channels, 3, padding=1)
        self.middle = nn.Conv2d(channels, channels, 3, padding=1)
        self.coarse = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out = nn.Sequential(nn.Linear(9 * channels + 27, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, image: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [0, 1] to `[N, width]`."""
        once = self._blurred(image)
        twice = self._blurred(self._blurred(once))
        # Detail is small; scaled up, it moves the layers as much as colours do.
        parts = torch.cat([image - 0.5, 4 * (image - once), 4 * (once - twice)], 1)
        fine = F.gelu(self.fine(parts))
        middle = F.gelu(self.middle(fine))
        coarse = F.gelu(self.coarse(middle))
        found = [statistic for level in (fine, middle, coarse) for statistic in _statistics(level)]
        quiet = _level(F.avg_pool2d(parts.square(), QUIET_PX, QUIET_PX // 2) + FLOOR).mean((2, 3))
        return self.out(torch.cat([*found, *_moments(parts), quiet], 1))

    def _blurred(self, image: Tensor) -> Tensor:
        return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="reflect"), self.get_buffer("blur"), groups=3)


def _binomial() -> Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    return torch.outer(row, row).expand(3, 1, 5, 5).contiguous()


def _statistics(features: Tensor) -> tuple[Tensor, ...]:
    return features.mean((2, 3)), *_moments(features)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    squared = features.square()
    second, fourth = squared.mean((2, 3)) + FLOOR, squared.square().mean((2, 3)) + FLOOR**2
    return _level(second), _level(fourth.sqrt())


def _level(energy: Tensor) -> Tensor:
    """The logarithm, about 0 and of about the same spread in all pictures, for all of them to be told apart soon."""
    return (energy / USUAL).log() / 2


class DualEncoder(nn.Module):
    """Text encoder, image encoder and similarity.

    Args:
        width: of the vectors.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.text, self.image = TextEncoder(width), ImageEncoder(width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, image: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Similarity `[N]` in [-1, 1] and the logit `[N]` of the text's being true.

        Args:
            image: `[N, 3, H, W]` in [0, 1].
            numbers: tokens of `encode`, `[N, L]`.
        """
        cosine = F.cosine_similarity(self.image(image), self.text(numbers))
        return cosine, self.log_scale.exp() * cosine + self.bias

    def encode(self, text: str) -> Tensor:
        """Tokens `[L]` of a text; raises `InputError` for one that is too long."""
        return tokens.encode(text)

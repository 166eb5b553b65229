"""Contextual attention: features in the hole are rebuilt from patches of the known features.

Yu et al., Generative Image Inpainting with Contextual Attention, CVPR 2018, section 4.1. Match and attend: every patch
is scored against every other divided by its norm. Attention propagation: scores are summed over neighbours that have
the same offset. A softmax over the known patches weighs what is pasted, and overlaps are averaged.

The published ports differ in the norm, in the pixels that are kept when features and mask shrink, and in whether scores
are propagated: those are the options here. All of them pad with zeros, evenly, and all set the scores of patches that
touch the hole to zero before the softmax and their weights to zero after it; the weight that these had is lost.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE = 2
"""Features are compared at this fraction of their size, and pasted at their full size."""
PATCH = 3
"""Side of the compared patches, at the reduced size."""
PASTED = 2 * RATE
"""Side of the pasted patches, at full size; with a stride of `RATE` each pixel is covered by four."""
SOFTMAX_SCALE = 10.0
SMALLEST_NORM = 1e-4
SCORES_AT_ONCE = 1 << 24
"""Pictures of a batch are taken together as long as their score matrices hold no more numbers than this."""

Norm = Literal["floored", "smoothed"]
Sampling = Literal["even", "aligned"]


class ContextualAttention(nn.Module):
    """The layer of section 4.1; it has no weights to train.

    Each picture of a batch has its own hole. The scores of one picture are a square matrix of h * w / 4 rows, so memory
    grows with the fourth power of its side; a batch is worked off so that few pictures' scores exist at once.

    Args:
        norm: `floored`: sqrt(sum w^2), at least 1e-4; `smoothed`: sqrt(sum (w^2 + 1e-4)).
        sampling: which pixels features and mask keep when they shrink: `even`, the first of each step; `aligned`, those
            nearest to an even spread from the first pixel to the last.
        stored_kernel: keep the identity matrix that propagation convolves with in the state dict, as `fuse_weight`.
    """

    def __init__(self, norm: Norm = "floored", sampling: Sampling = "even", *, stored_kernel: bool = False) -> None:
        super().__init__()
        self.norm: Norm = norm
        self.sampling: Sampling = sampling
        if stored_kernel:
            self.register_buffer("fuse_weight", torch.eye(3)[None, None])

    def forward(self, features: Tensor, hole: Tensor, fuse: bool = True) -> Tensor:
        """Features rebuilt from their known patches.

        Args:
            features: `[N, C, h, w]`, h and w even.
            hole: `[N, 1, H, W]` in {0, 1}, 1 = hole; H and W are multiples of h and w.
            fuse: propagate scores between neighbours.

        Returns:
            `[N, C, h, w]`; zero where no patch is known at all.
        """
        rows, columns = features.shape[-2] // RATE, features.shape[-1] // RATE
        small = _shrunk(features, rows, columns, self.sampling)
        known = 1 - F.max_pool2d(_shrunk(hole, rows, columns, self.sampling), PATCH, 1, PATCH // 2)
        at_once = max(1, SCORES_AT_ONCE // (rows * columns) ** 2)
        parts = zip(features.split(at_once), small.split(at_once), known.split(at_once), strict=True)
        return torch.cat([self._rebuilt(*part, fuse) for part in parts])

    def _rebuilt(self, features: Tensor, small: Tensor, known: Tensor, fuse: bool) -> Tensor:
        scores = self._scores(small)
        if fuse:
            scores = propagated(scores, small.shape[-2], small.shape[-1])
        known = known.flatten(2)
        weights = (scores * known * SOFTMAX_SCALE).softmax(-1) * known
        pasted = F.unfold(features, PASTED, padding=RATE // 2, stride=RATE) @ weights.transpose(1, 2)
        total = F.fold(pasted, features.shape[-2:], PASTED, padding=RATE // 2, stride=RATE)
        return total / (PASTED // RATE) ** 2

    def _scores(self, small: Tensor) -> Tensor:
        """`[N, L, L]`: each patch against each normalised patch; the last index is the source."""
        patches = F.unfold(small, PATCH, padding=PATCH // 2)
        square = patches.square().sum(1, keepdim=True)
        # The root is taken after the bound: a patch of zeros has a gradient of zero, not one that is no number.
        if self.norm == "floored":
            square = square.clamp_min(SMALLEST_NORM**2)
        else:
            square = square + patches.shape[1] * SMALLEST_NORM
        return patches.transpose(1, 2) @ (patches / square.sqrt())


def propagated(scores: Tensor, rows: int, columns: int) -> Tensor:
    """Attention propagation: scores summed over neighbours that have the same offset, first left and right, then above
    and below.

    As published, places are neighbours in the flat order of pixels, so the ends of successive lines are too.

    Args:
        scores: `[N, L, L]`, L = rows * columns, by target and source.
        rows, columns: of the places.
    """
    lying = _summed_along_diagonal(scores).unflatten(2, (rows, columns)).unflatten(1, (rows, columns))
    standing = lying.permute(0, 2, 1, 4, 3).reshape(scores.shape)
    standing = _summed_along_diagonal(standing).unflatten(2, (columns, rows)).unflatten(1, (columns, rows))
    return standing.permute(0, 2, 1, 4, 3).reshape(scores.shape)


def _summed_along_diagonal(scores: Tensor) -> Tensor:
    """Convolution of each matrix with the 3 x 3 identity matrix, zero outside."""
    total = scores.clone()
    total[:, 1:, 1:] += scores[:, :-1, :-1]
    total[:, :-1, :-1] += scores[:, 1:, 1:]
    return total


def _shrunk(image: Tensor, rows: int, columns: int, sampling: Sampling) -> Tensor:
    """`[N, C, H, W]` to `[N, C, rows, columns]` by leaving out pixels."""
    height, width = image.shape[-2:]
    if sampling == "even":
        return image[..., :: height // rows, :: width // columns]
    down, across = _spread(height, rows, image.device), _spread(width, columns, image.device)
    return image.index_select(-2, down).index_select(-1, across)


def _spread(size: int, count: int, device: torch.device) -> Tensor:
    """`count` places from 0 to `size` - 1, as far apart as can be; halves are rounded up."""
    steps = torch.arange(count, device=device)
    return (2 * steps * (size - 1) + count - 1) // max(1, 2 * (count - 1))

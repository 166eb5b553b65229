"""Gaussian blur that knows which pixels may be looked at.

A loop over the taps of a separable kernel, instead of a convolution of the library: the sums are plain float32 on every
device (convolutions on GPUs may round to 10 bits), a kernel that is a delta gives the image back bit for bit, each
image of a batch can have its own kernel, and the result doesn't depend on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["unknown", "reflect"]
"""What lies outside of the picture: nothing that counts, or the picture mirrored without repeating its edge."""

SIGMA_OFFSET = 1e-5
"""Added to every sigma, so that sigma 0 gives a delta (the same as in LAM by Gu & Dong)."""


def gaussian_taps(sigma: float, kernel: int) -> np.ndarray:
    """Weights of a Gaussian on integer offsets, float64 `[kernel]`, sum 1; `sigma` 0 gives a delta.

    Args:
        sigma: standard deviation in pixels.
        kernel: number of taps, odd.
    """
    offsets = np.arange(kernel, dtype=np.float64) - kernel // 2
    taps = np.exp(-(offsets**2) / (2 * (sigma + SIGMA_OFFSET) ** 2))
    return taps / taps.sum()


def blur(images: Tensor, sigmas: Sequence[float], kernel: int, border: Border = "unknown") -> Tensor:
    """Separable Gaussian blur, one sigma per image of the result.

    Args:
        images: float32 `[1, C, H, W]` or `[N, C, H, W]`.
        sigmas: N standard deviations in pixels.
        kernel: number of taps, odd.
        border: "unknown" takes zeros outside of the picture, "reflect" needs H and W above `kernel // 2`.

    Returns:
        float32 `[N, C, H, W]`.
    """
    taps = torch.from_numpy(np.stack([gaussian_taps(sigma, kernel) for sigma in sigmas]).astype(np.float32))
    taps = taps.to(images.device)
    return _along(_along(images, taps, 2, border), taps, 3, border)


def _along(images: Tensor, taps: Tensor, axis: int, border: Border) -> Tensor:
    radius, length = taps.shape[1] // 2, images.shape[axis]
    padding = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
    padded = F.pad(images, padding, mode="reflect" if border == "reflect" else "constant")
    weights = taps.view(*taps.shape, 1, 1, 1)
    result = weights[:, radius] * images
    for step in range(1, radius + 1):
        pair = padded.narrow(axis, radius - step, length) + padded.narrow(axis, radius + step, length)
        result = result + weights[:, radius + step] * pair
    return result


def masked_blur(
    image: Tensor, known: Tensor, sigmas: Sequence[float], kernel: int, border: Border = "unknown"
) -> Tensor:
    """Blur by normalised convolution: a blurred pixel is the weighted mean of the known pixels around it.

    What lies in the hole never bleeds out, whatever it is; the hole itself is 0 in the result.

    Args:
        image: float32 `[1, C, H, W]`.
        known: float32 `[1, 1, H, W]` in {0, 1}, 1 = may be looked at.
        sigmas: N standard deviations in pixels.
        kernel: number of taps, odd.
        border: see `blur`.

    Returns:
        float32 `[N, C, H, W]`.
    """
    visible = torch.where(known > 0, image, torch.zeros_like(image))
    both = blur(torch.cat([visible, known], 1), sigmas, kernel, border)
    colours, weight = both[:, :-1], both[:, -1:]
    return torch.where(known > 0, colours / weight.clamp_min(torch.finfo(weight.dtype).tiny), torch.zeros_like(colours))

"""The baseline picture: the known pixels, blurred just enough (US 2025/0265686 A1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..imaging.errors import InputError
from .blur import masked_blur

THRESHOLD_RANGE_PERCENT = (5.0, 20.0)

FLAT_VARIANCE = 1e-10
"""Below this grey variance (a deviation of 0.003 grey levels of 255) a picture is flat: rounding, no content."""

ONE_BY_ONE_UP_TO = 31
"""Kernels are tried one by one up to this size; beyond it by doubling and then halving the gap, which finds the same
kernel, because more blur removes more variance, in a few trials instead of hundreds."""


@dataclass(frozen=True)
class Baseline:
    """The blurred picture and how it was found.

    Attributes:
        image: float32 `[1, 3, H, W]`, 0 in the hole.
        kernel: kernel size in pixels, odd.
        sigma: standard deviation of the Gaussian in pixels.
        blurriness_percent: share of the grey variance over the known pixels that the blur removed.
        threshold_percent: what it had to pass.
        reached: whether it did; False for a flat picture, or where no kernel that fits the window is enough.
    """

    image: Tensor
    kernel: int
    sigma: float
    blurriness_percent: float
    threshold_percent: float
    reached: bool


def sigma_of(kernel: int) -> float:
    """Standard deviation in pixels that belongs to a kernel size: OpenCV's rule, `0.3 * ((k - 1) / 2 - 1) + 0.8`.

    A kernel of one pixel blurs nothing, so its sigma is 0.
    """
    return 0.3 * ((kernel - 1) / 2 - 1) + 0.8 if kernel > 1 else 0.0


def grey(image: Tensor) -> Tensor:
    """Luma (Rec. 601) of `[N, 3, H, W]` as `[N, 1, H, W]`."""
    weights = image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def grey_variance(grey_image: Tensor, known: Tensor) -> float:
    """Variance of the grey levels over the known pixels (patent eq. 1); 0 where there is none."""
    levels = grey_image[known > 0]
    return float((levels - levels.mean()).square().mean()) if levels.numel() else 0.0


def blurriness_percent(variance: float, blurred_variance: float) -> float:
    """Degree of blurriness: share of the variance that the blur removed, in percent (patent eq. 2); 0 if flat."""
    return 100.0 * (1.0 - blurred_variance / variance) if variance > FLAT_VARIANCE else 0.0


def find_baseline(image: Tensor, known: Tensor, threshold_percent: float = 10.0) -> Baseline:
    """Blur with kernels 3, 5, 7, ... until the degree of blurriness passes the threshold.

    Args:
        image: float32 `[1, 3, H, W]` in [0, 1]; what it holds where nothing is known doesn't matter.
        known: float32 `[1, 1, H, W]` in {0, 1}, 1 = outside of the hole.
        threshold_percent: 5 to 20.

    Raises:
        InputError: the threshold is out of range.
    """
    low, high = THRESHOLD_RANGE_PERCENT
    if not low <= threshold_percent <= high:
        raise InputError(
            f"The blur threshold is {threshold_percent:g} percent, but it must lie between {low:g} and {high:g}; "
            "10 suits most pictures."
        )
    visible = torch.where(known > 0, image, torch.zeros_like(image))
    levels = grey(visible)
    variance = grey_variance(levels, known)
    shorter = min(image.shape[-2:])
    largest = shorter if shorter % 2 else shorter - 1

    def degree(kernel: int) -> float:
        blurred = masked_blur(levels, known, [sigma_of(kernel)], kernel)
        return blurriness_percent(variance, grey_variance(blurred, known))

    kernel = min(3, max(1, largest)) if variance <= FLAT_VARIANCE else _grow(degree, threshold_percent, largest)
    reached_percent = degree(kernel)
    return Baseline(
        image=masked_blur(visible, known, [sigma_of(kernel)], kernel),
        kernel=kernel,
        sigma=sigma_of(kernel),
        blurriness_percent=reached_percent,
        threshold_percent=threshold_percent,
        reached=reached_percent >= threshold_percent,
    )


def _grow(degree: Callable[[int], float], threshold_percent: float, largest: int) -> int:
    """The first odd kernel whose degree of blurriness passes the threshold, else the largest that fits."""
    for kernel in range(3, min(ONE_BY_ONE_UP_TO, largest) + 1, 2):
        if degree(kernel) >= threshold_percent:
            return kernel
    if largest <= ONE_BY_ONE_UP_TO:
        return max(1, largest)
    short, enough = ONE_BY_ONE_UP_TO, ONE_BY_ONE_UP_TO
    while degree(enough) < threshold_percent:
        if enough == largest:
            return largest
        short, enough = enough, min(2 * enough + 1, largest)
    while enough - short > 2:
        middle = short + (enough - short) // 4 * 2
        short, enough = (short, middle) if degree(middle) >= threshold_percent else (middle, enough)
    return enough

"""How close a fill is to the original: PSNR, SSIM, L1 and LPIPS, inside the hole and over the whole picture.

Pictures are uint8, or float in 0 to 1, RGB `[H, W, 3]`; holes are bool `[H, W]`, True = was filled. All measures have
a data range of 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite, log10
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError
from .inputs import Mask, Picture, checked

if TYPE_CHECKING:
    from .perceptual import Lpips

SSIM_SIGMA_PX = 1.5
SSIM_RADIUS_PX = 5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
SMALLEST_SSIM_SIDE_PX = 2 * SSIM_RADIUS_PX + 1


@dataclass(frozen=True)
class Measures:
    """The scores of one area.

    Attributes:
        psnr: decibels, infinite for equal pictures; higher is better.
        ssim: at most 1; higher is better.
        l1: mean absolute difference, 0 to 1; lower is better.
        lpips: perceptual distance, 0 or more; lower is better; None where no LPIPS network was given.
    """

    psnr: float
    ssim: float
    l1: float
    lpips: float | None = None


@dataclass(frozen=True)
class Scores:
    """The scores of a fill: inside the hole, and over the whole picture."""

    inside: Measures
    whole: Measures

    def to_dict(self) -> dict[str, dict[str, float | None]]:
        """Plain numbers for JSON, which has no infinity: the PSNR of equal areas becomes None."""
        return {
            area: {name: value if value is not None and isfinite(value) else None for name, value in scores.items()}
            for area, scores in asdict(self).items()
        }


def psnr(result: Picture, original: Picture, hole: Mask | None = None) -> float:
    """Peak signal-to-noise ratio, `10 log10(1 / mean squared error)`.

    Args:
        result: see the module.
        original: like `result`.
        hole: only these pixels count; None means all.

    Returns:
        Decibels; infinite where the pixels are equal.

    Raises:
        InputError: sizes or types differ from the above, or the hole is empty.
    """
    first, second = checked(result, original, hole)
    error = float(np.square(first - second)[... if hole is None else hole].mean())
    return -10 * log10(error) if error else inf


def l1(result: Picture, original: Picture, hole: Mask | None = None) -> float:
    """Mean absolute difference, 0 to 1; arguments and errors as in `psnr`."""
    first, second = checked(result, original, hole)
    return float(np.abs(first - second)[... if hole is None else hole].mean())


def ssim(result: Picture, original: Picture, hole: Mask | None = None) -> float:
    """Structural similarity (Wang et al. 2004), Gaussian window with sigma 1.5 over 11 x 11 pixels, mean over channels.

    Inside the hole it is the mean of the SSIM map over the hole's pixels, whose windows reach 5 pixels beyond the hole
    and are reflected at the edge of the picture. Over the picture it is the mean over the pixels whose window lies
    inside of the picture, as in the paper's own code and scikit-image.

    Args:
        result: see the module; at least 11 pixels on each side.
        original: like `result`.
        hole: only these pixels count; None means the whole picture.

    Returns:
        -1 to 1.

    Raises:
        InputError: sizes or types differ from the above, or the hole is empty.
    """
    first, second = checked(result, original, hole)
    if min(first.shape[:2]) < SMALLEST_SSIM_SIDE_PX:
        raise InputError(
            f"SSIM needs pictures of at least {SMALLEST_SSIM_SIDE_PX} × {SMALLEST_SSIM_SIDE_PX} pixels, but this one "
            f"has {first.shape[1]} × {first.shape[0]}; leave SSIM out for it."
        )
    similarity = _ssim_map(first, second)
    return float(_inner(similarity).mean() if hole is None else similarity[hole].mean())


def _ssim_map(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """SSIM of each pixel, mean over channels, `[H, W]`: equation 13 of the paper with its K1 and K2."""
    mean_1, mean_2 = _local_mean(first), _local_mean(second)
    variance_1 = np.maximum(_local_mean(first * first) - mean_1 * mean_1, 0)
    variance_2 = np.maximum(_local_mean(second * second) - mean_2 * mean_2, 0)
    covariance = _local_mean(first * second) - mean_1 * mean_2
    above = (2 * mean_1 * mean_2 + SSIM_C1) * (2 * covariance + SSIM_C2)
    below = (mean_1 * mean_1 + mean_2 * mean_2 + SSIM_C1) * (variance_1 + variance_2 + SSIM_C2)
    return (above / below).mean(axis=2)


def _local_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    side = SMALLEST_SSIM_SIDE_PX
    blurred = cv2.GaussianBlur(values, (side, side), SSIM_SIGMA_PX, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, dtype=np.float64)


def _inner(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    return similarity[SSIM_RADIUS_PX:-SSIM_RADIUS_PX, SSIM_RADIUS_PX:-SSIM_RADIUS_PX]


def score(result: Picture, original: Picture, hole: Mask, lpips: Lpips | None = None) -> Scores:
    """All measures of a fill.

    Args:
        result: the filled picture, see the module; at least 11 pixels on each side, 32 with LPIPS.
        original: the picture before, like `result`.
        hole: bool `[H, W]`, at least one pixel.
        lpips: None leaves LPIPS out.

    Raises:
        InputError: sizes or types differ from the above, or the hole is empty.
    """
    inside, whole = lpips.measure(result, original, hole) if lpips else (None, None)
    return Scores(
        Measures(psnr(result, original, hole), ssim(result, original, hole), l1(result, original, hole), inside),
        Measures(psnr(result, original), ssim(result, original), l1(result, original), whole),
    )

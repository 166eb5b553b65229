"""How close a fill is to the original: PSNR, SSIM, L1 and LPIPS, inside the hole and over the whole picture.

The measures are those of torchmetrics and of the `lpips` package; here they are told where to look. torchmetrics takes
seconds to import, so that happens at the first measure.

Pictures are uint8, or float in 0 to 1, RGB `[H, W, 3]`; holes are bool `[H, W]`, True = was filled. All measures have
a data range of 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..imaging.errors import InputError
from .inputs import Mask, Picture, checked

if TYPE_CHECKING:
    from .perceptual import Lpips

SSIM_RADIUS_PX = 5
"""Reach of the Gaussian window of 11 x 11 pixels."""
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
    from torchmetrics.functional.image import peak_signal_noise_ratio

    first, second = _chosen(result, original, hole)
    return float(peak_signal_noise_ratio(first, second, data_range=1.0))


def l1(result: Picture, original: Picture, hole: Mask | None = None) -> float:
    """Mean absolute difference, 0 to 1; arguments and errors as in `psnr`."""
    from torchmetrics.functional import mean_absolute_error

    return float(mean_absolute_error(*_chosen(result, original, hole)))


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
    return _mean_similarity(_similarity(result, original, hole), hole)


def _chosen(result: Picture, original: Picture, hole: Mask | None) -> tuple[Tensor, Tensor]:
    """The values that count, float64 in 0 to 1, in any shape."""
    first, second = checked(result, original, hole)
    where = ... if hole is None else hole
    return torch.from_numpy(first[where]), torch.from_numpy(second[where])


def _similarity(result: Picture, original: Picture, hole: Mask | None) -> NDArray[np.float32]:
    """SSIM of each pixel, mean over channels, `[H, W]`: equation 13 of the paper."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    first, second = checked(result, original, hole)
    height, width = first.shape[:2]
    if min(height, width) < SMALLEST_SSIM_SIDE_PX:
        raise InputError(
            f"SSIM needs pictures of at least {SMALLEST_SSIM_SIDE_PX} × {SMALLEST_SSIM_SIDE_PX} pixels, but this one "
            f"has {width} × {height}; leave SSIM out for it."
        )
    # In double precision it takes fifteen times as long. In single, a pixel of a flat, bright area is off by up to
    # 2e-3, the mean over the hole of a photograph by less than 2e-4 and over all of it by less than 1e-5.
    one, other = (torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)) for picture in (first, second))
    similarity = structural_similarity_index_measure(one, other, data_range=1.0, return_full_image=True)[1]
    values = similarity[0].mean(0).numpy()
    window = np.ones((SMALLEST_SSIM_SIDE_PX, SMALLEST_SSIM_SIDE_PX), np.uint8)
    differs = cv2.dilate((first != second).any(axis=2).astype(np.uint8), window)
    return np.where(differs > 0, values, 1)


def _mean_similarity(similarity: NDArray[np.float32], hole: Mask | None) -> float:
    reach = SSIM_RADIUS_PX
    area = similarity[reach:-reach, reach:-reach] if hole is None else similarity[hole]
    return float(area.mean(dtype=np.float64))


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
    inside, whole = (lpips.inside(result, original, hole), lpips.whole(result, original)) if lpips else (None, None)
    similarity = _similarity(result, original, hole)
    return Scores(
        _measures(result, original, hole, similarity, inside), _measures(result, original, None, similarity, whole)
    )


def _measures(
    result: Picture, original: Picture, hole: Mask | None, similarity: NDArray[np.float32], distance: float | None
) -> Measures:
    means = psnr(result, original, hole), _mean_similarity(similarity, hole), l1(result, original, hole)
    return Measures(*means, distance)

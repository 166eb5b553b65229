"""How close a fill is to the original: PSNR, SSIM, L1 and LPIPS, inside the hole and over the whole picture.

Pictures are uint8, or float in 0 to 1, RGB `[H, W, 3]`; holes are bool `[H, W]`, True = was filled. All measures have
a data range of 1.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from math import inf, isfinite, log10
from pathlib import Path
from typing import Any, Literal

import cv2
import lpips as lpips_package
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..imaging.errors import InputError, MissingError, WeightsError

Picture = NDArray[Any]
Mask = NDArray[np.bool_]

SSIM_SIGMA_PX = 1.5
SSIM_RADIUS_PX = 5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
SMALLEST_SSIM_SIDE_PX = 2 * SSIM_RADIUS_PX + 1
SMALLEST_LPIPS_SIDE_PX = 32


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
    first, second = _checked(result, original, hole)
    error = float(np.square(first - second)[... if hole is None else hole].mean())
    return -10 * log10(error) if error else inf


def l1(result: Picture, original: Picture, hole: Mask | None = None) -> float:
    """Mean absolute difference, 0 to 1; arguments and errors as in `psnr`."""
    first, second = _checked(result, original, hole)
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
    first, second = _checked(result, original, hole)
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


class Lpips:
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1, by the `lpips` package.

    Args:
        weights: safetensors file with the convolutions under torchvision's names (`features.N.weight`,
            `features.N.bias`) and the linear heads as `linK.model.1.weight`; half precision is converted.
        net: which network the weights are of.
        device: where to compute.

    Raises:
        MissingError: there is no such file.
        WeightsError: the file is not safetensors, or its tensors are not those of `net`.
    """

    def __init__(self, weights: Path, net: Literal["alex", "vgg"] = "alex", device: str = "cpu") -> None:
        if not Path(weights).is_file():
            raise MissingError(
                f"The LPIPS weights {weights} are not there; download them, give another file, or leave LPIPS out."
            )
        self.device = torch.device(device)
        self._net = _empty_network(net)
        _load(self._net, Path(weights), net)
        self._net.to(self.device).eval().requires_grad_(False)

    def whole(self, result: Picture, original: Picture) -> float:
        """The standard LPIPS: per layer the mean over that layer's own positions, summed over layers.

        Equal to `lpips.LPIPS(spatial=False)`. The mean of the spatial map is close but not equal (1e-4 of it
        apart at 64 x 64 pixels), because upsampling weighs positions at the edge differently.

        Raises:
            InputError: sizes or types differ from the module's, or a side is below 32 pixels.
        """
        return self.measure(result, original, None)[1]

    def inside(self, result: Picture, original: Picture, hole: Mask) -> float:
        """Mean over the hole's pixels of the spatial map, `lpips.LPIPS(spatial=True)`; errors as in `whole`."""
        return self.measure(result, original, hole)[0]

    def measure(self, result: Picture, original: Picture, hole: Mask | None) -> tuple[float, float]:
        """`inside` and `whole` from one pass of the network; without a hole the mean of the map over all pixels."""
        first, second = _checked(result, original, hole)
        if min(first.shape[:2]) < SMALLEST_LPIPS_SIDE_PX:
            raise InputError(
                f"LPIPS needs pictures of at least {SMALLEST_LPIPS_SIDE_PX} × {SMALLEST_LPIPS_SIDE_PX} pixels, but "
                f"this one has {first.shape[1]} × {first.shape[0]}; leave LPIPS out for it."
            )
        with torch.inference_mode():
            layers = self._layers(first, second)
            spatial = sum(lpips_package.upsample(layer, first.shape[:2]) for layer in layers)
            whole = sum(float(lpips_package.spatial_average(layer)) for layer in layers)
        local = torch.as_tensor(spatial)[0, 0].double().cpu().numpy()
        return float(local.mean() if hole is None else local[hole].mean()), whole

    def _layers(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> list[Tensor]:
        """Distance at each position of each layer, `[1, 1, h, w]`: the terms of equation 1 before averaging."""
        features = []
        for picture in (first, second):
            image = _tensor(picture).permute(2, 0, 1)[None].float().to(self.device)
            features.append(self._net.net(self._net.scaling_layer(2 * image - 1)))
        return [
            head((lpips_package.normalize_tensor(one) - lpips_package.normalize_tensor(other)) ** 2)
            for head, one, other in zip(self._net.lins, *features, strict=True)
        ]


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


def _empty_network(net: str) -> lpips_package.LPIPS:
    if net not in ("alex", "vgg"):
        raise InputError(f"There is no LPIPS network called {net!r}; take 'alex' or 'vgg'.")
    # On the meta device nothing is allocated and the global random generator is left alone.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        return lpips_package.LPIPS(net=net, pretrained=False, pnet_rand=True, spatial=True, verbose=False)


def _load(network: lpips_package.LPIPS, weights: Path, net: str) -> None:
    try:
        given = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{weights} cannot be read as safetensors ({error}); download it again.") from error
    expected = network.state_dict()
    file_names = {key: _file_name(key) for key in expected if not key.startswith("scaling_layer.")}
    wrong = sorted(
        {name for key, name in file_names.items() if name not in given or given[name].shape != expected[key].shape}
    )
    if wrong:
        raise WeightsError(
            f"{weights} does not hold LPIPS weights for {net!r}: {', '.join(wrong[:3])}{' ...' * (len(wrong) > 3)} "
            "missing or of another shape; take the file that belongs to this network."
        )
    state = {key: expected[key] if key not in file_names else given[file_names[key]].float() for key in expected}
    network.load_state_dict(state, assign=True)


def _file_name(key: str) -> str:
    """`net.slice2.3.bias` is `features.3.bias` in the file; the heads stand in the network under two names."""
    if key.startswith("net."):
        return "features." + key.split(".", 2)[2]
    return key.replace("lins.", "lin", 1)


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _checked(result: Picture, original: Picture, hole: Mask | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both pictures in 0 to 1, after making sure that they and the hole fit together."""
    first, second = _unit_range(result, "result"), _unit_range(original, "original")
    if first.shape != second.shape:
        raise InputError(
            f"The result has {first.shape[1]} × {first.shape[0]} pixels and the original {second.shape[1]} × "
            f"{second.shape[0]}; give pictures of equal size."
        )
    if hole is not None and (hole.dtype != np.bool_ or hole.shape != first.shape[:2] or not hole.any()):
        raise InputError(
            f"The hole is {hole.dtype} of shape {hole.shape} with {np.count_nonzero(hole)} pixels set; give a bool "
            f"mask of the pictures' {first.shape[1]} × {first.shape[0]} pixels with at least one set."
        )
    return first, second


def _unit_range(picture: Picture, name: str) -> NDArray[np.float64]:
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(f"The {name} has shape {picture.shape}; give RGB of shape [height, width, 3].")
    if picture.dtype == np.uint8:
        return picture / 255.0
    if picture.dtype.kind != "f":
        raise InputError(f"The {name} is {picture.dtype}; give uint8, or float from 0 to 1.")
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):
        raise InputError(f"The {name} has values from {low:g} to {high:g}; give finite floats from 0 to 1, or uint8.")
    return picture.astype(np.float64)

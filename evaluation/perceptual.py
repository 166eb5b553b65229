"""LPIPS: how far two pictures look apart to a trained network (Zhang et al. 2018)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import lpips as lpips_package
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..imaging.errors import InputError, MissingError, WeightsError
from ..weights_registry.formats import load_state_dict
from .inputs import Mask, Picture, checked

SMALLEST_LPIPS_SIDE_PX = 32
BUNDLED_HEADS = Path(lpips_package.__file__).parent / "weights" / "v0.1"
"""The linear heads of version 0.1 come with the package; the convolutions do not."""


class Lpips:
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1, by the `lpips` package.

    Args:
        weights: safetensors or torch file with the convolutions under torchvision's names (`features.N.weight`,
            `features.N.bias`); the linear heads as `linK.model.1.weight` in the same file, or else those that come
            with the `lpips` package. Half precision is converted.
        net: which network the weights are of.
        device: where to compute.

    Raises:
        MissingError: there is no such file.
        WeightsError: the file cannot be read, or its tensors are not those of `net`.
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
        first, second = checked(result, original, hole)
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
            image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float().to(self.device)
            features.append(self._net.net(self._net.scaling_layer(2 * image - 1)))
        return [
            head((lpips_package.normalize_tensor(one) - lpips_package.normalize_tensor(other)) ** 2)
            for head, one, other in zip(self._net.lins, *features, strict=True)
        ]


def _empty_network(net: str) -> lpips_package.LPIPS:
    if net not in ("alex", "vgg"):
        raise InputError(f"There is no LPIPS network called {net!r}; take 'alex' or 'vgg'.")
    # On the meta device nothing is allocated and the global random generator is left alone.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        return lpips_package.LPIPS(net=net, pretrained=False, pnet_rand=True, spatial=True, verbose=False)


def _load(network: lpips_package.LPIPS, weights: Path, net: str) -> None:
    given = load_state_dict(weights)
    if not any(key.startswith("lin") for key in given):
        given |= load_state_dict(BUNDLED_HEADS / f"{net}.pth")
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

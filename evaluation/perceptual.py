"""LPIPS: how far two pictures look apart to a trained network (Zhang et al. 2018)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import lpips as lpips_package
import numpy as np
import torch
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
        state = _state(_empty_network(net, spatial=False), Path(weights), net)
        # The package decides by an attribute whether it averages; two networks on the same tensors need no switching.
        self._averaged, self._spatial = (self._network(net, state, spatial) for spatial in (False, True))

    def _network(self, net: str, state: dict[str, Tensor], spatial: bool) -> lpips_package.LPIPS:
        network = _empty_network(net, spatial)
        network.load_state_dict(state, assign=True)
        return network.to(self.device).eval().requires_grad_(False)

    def whole(self, result: Picture, original: Picture) -> float:
        """The standard LPIPS, `lpips.LPIPS(spatial=False)`: per layer the mean over that layer's own positions.

        The mean of the spatial map is close but not equal (1e-4 of it apart at 64 x 64 pixels), because upsampling
        weighs positions at the edge differently.

        Raises:
            InputError: sizes or types differ from the module's, or a side is below 32 pixels.
        """
        return float(self._run(self._averaged, result, original, None))

    def inside(self, result: Picture, original: Picture, hole: Mask) -> float:
        """Mean over the hole's pixels of the spatial map, `lpips.LPIPS(spatial=True)`; errors as in `whole`."""
        local = self._run(self._spatial, result, original, hole)[0, 0].double().cpu().numpy()
        return float(local[hole].mean())

    def _run(self, network: lpips_package.LPIPS, result: Picture, original: Picture, hole: Mask | None) -> Tensor:
        """What the package makes of both pictures, `[1, 1, 1, 1]` or `[1, 1, H, W]`."""
        pictures = checked(result, original, hole)
        height, width = pictures[0].shape[:2]
        if min(height, width) < SMALLEST_LPIPS_SIDE_PX:
            raise InputError(
                f"LPIPS needs pictures of at least {SMALLEST_LPIPS_SIDE_PX} × {SMALLEST_LPIPS_SIDE_PX} pixels, but "
                f"this one has {width} × {height}; leave LPIPS out for it."
            )
        images = [torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)) for picture in pictures]
        with torch.inference_mode():
            return network(*(image.to(self.device) for image in images), normalize=True)


def _empty_network(net: str, spatial: bool) -> lpips_package.LPIPS:
    if net not in ("alex", "vgg"):
        raise InputError(f"There is no LPIPS network called {net!r}; take 'alex' or 'vgg'.")
    # On the meta device nothing is allocated and the global random generator is left alone.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        return lpips_package.LPIPS(net=net, pretrained=False, pnet_rand=True, spatial=spatial, verbose=False)


def _state(network: lpips_package.LPIPS, weights: Path, net: str) -> dict[str, Tensor]:
    """The tensors of the file under the package's own names, single precision."""
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
    return {key: given[file_names[key]].float() if key in file_names else expected[key] for key in expected}


def _file_name(key: str) -> str:
    """`net.slice2.3.bias` is `features.3.bias` in the file; the heads stand in the network under two names."""
    if key.startswith("net."):
        return "features." + key.split(".", 2)[2]
    return key.replace("lins.", "lin", 1)

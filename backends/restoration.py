"""Restoration as a backend: a network that removes blur, noise, scratches and missing parts from what it is shown.

Unlike a backend that fills, it looks at the pixels that are to change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from ..imaging.errors import WeightsError
from ..imaging.monitor import Monitor
from ..weights_registry.fetch import require
from ..weights_registry.formats import load_state_dict
from .architectures import fitted
from .nets.restoring_diffusion import RestoringDiffusion
from .protocol import BackendInfo
from .registry import own_random_state

NAFNET = "inpaint_lens.backends.nets.nafnet:nafnet"
TILE_PX, OVERLAP_PX = 512, 64
"""Side of the tiles that a large picture is restored in, and how far neighbours overlap."""
STRUCTURE = "structure"
"""Name of the entry of a file's metadata that says how the network is made: JSON with `kind` and sizes."""


class RestorationBackend:
    """A restoration network as a backend; differentiable unless it is a diffusion model.

    Args:
        info: facts about it.
        network: from a picture to the restored one, both `[N, 3, H, W]` in [0, 1].
        device: where it runs.
    """

    def __init__(self, info: BackendInfo, network: nn.Module, device: str) -> None:
        self.info, self.device = info, device
        self.network = network.eval().requires_grad_(False).to(device)

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; `hole` says what will be taken of the result and is not hidden from the network."""
        monitor = monitor or Monitor()
        monitor.report("restoring", 0.0)
        shown = image if exclude is None else image * (1 - exclude)
        restored = restore(self.network, shown.to(self.device), seed, monitor).to(image.device)
        monitor.report("restoring", 1.0)
        return restored


def restore(network: nn.Module, image: Tensor, seed: int = 0, monitor: Monitor | None = None) -> Tensor:
    """What a restoration network makes of a picture, in overlapping tiles where it is large.

    Args:
        network: of either kind.
        image: `[N, 3, H, W]` in [0, 1].
        seed: of diffusion.
        monitor: progress and cancelling.
    """
    height, width = image.shape[-2:]
    places = [(top, left) for top in _starts(height) for left in _starts(width)]
    if len(places) == 1:
        return _restore_tile(network, image, seed)
    total, weight = torch.zeros_like(image), torch.zeros_like(image[:1, :1])
    for index, (top, left) in enumerate(places):
        if monitor:
            monitor.report("restoring", index / len(places))
        area = (..., slice(top, top + TILE_PX), slice(left, left + TILE_PX))
        made = _restore_tile(network, image[area], seed)
        share = torch.minimum(_ramp(made.shape[-2])[:, None], _ramp(made.shape[-1])[None]).to(image)
        # Not in place, so that gradients reach the picture.
        total = total + functional.pad(made * share, _around(area, height, width))
        weight = weight + functional.pad(share[None, None], _around(area, height, width))
    return total / weight


def _restore_tile(network: nn.Module, image: Tensor, seed: int) -> Tensor:
    if isinstance(network, RestoringDiffusion):
        return network.restore(image, seed=seed)
    return network(image)


def _starts(length: int) -> list[int]:
    """Where tiles begin along one side; the last one ends with the picture."""
    if length <= TILE_PX:
        return [0]
    step = TILE_PX - OVERLAP_PX
    return [*range(0, length - TILE_PX, step), length - TILE_PX]


def _ramp(length: int) -> Tensor:
    """Weights `[length]` that fall towards both ends of a tile and are never 0."""
    distance = torch.minimum(torch.arange(length), torch.arange(length).flip(0))
    return ((distance + 1) / OVERLAP_PX).clamp_max(1)


def _around(area: tuple[Any, ...], height: int, width: int) -> tuple[int, int, int, int]:
    """What surrounds a tile: pixels to the left, to the right, above and below."""
    rows, columns = area[1], area[2]
    return columns.start, max(0, width - columns.stop), rows.start, max(0, height - rows.stop)


def load(info: BackendInfo, device: str) -> RestorationBackend:
    """The network of the weights that stand in for the backend's entry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    path = require(info.weights[0])
    return RestorationBackend(info, load_network(path), device)


def load_network(path: Path) -> nn.Module:
    """A restoration network from its file, float32, on the CPU.

    Raises:
        WeightsError: the file cannot be read or is of another network.
    """
    state = load_state_dict(path)
    if _structure(path).get("kind") == "ddpm":
        return _diffusion(state, _structure(path), path)
    return fitted(NAFNET, state, path.name)


def _structure(path: Path) -> Mapping[str, Any]:
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            structure = json.loads((file.metadata() or {}).get(STRUCTURE, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path.name} cannot be read ({error}): export the model again.") from error
    return structure if isinstance(structure, dict) else {}


def _diffusion(state: Mapping[str, Tensor], structure: Mapping[str, Any], path: Path) -> nn.Module:
    try:
        with own_random_state():
            network = RestoringDiffusion(structure["channels"], structure["layers"])
        network.load_state_dict({key: torch.as_tensor(value).float() for key, value in state.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path.name} does not fit the network that it describes: export it again.") from error
    return network

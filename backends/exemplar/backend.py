"""`exemplar`: PatchMatch filling that knows for each pixel where it was copied from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...imaging.errors import InputError
from ...imaging.monitor import Monitor
from ..protocol import BackendInfo, Value
from ..settings import checked
from .provenance import Provenance
from .synthesis import synthesise


class _Scene(NamedTuple):
    """One picture of a batch: float32 `[H, W, 3]`, and two bool `[H, W]`."""

    colours: NDArray[np.float32]
    hole: NDArray[np.bool_]
    excluded: NDArray[np.bool_]


class ExemplarBackend:
    """Exemplar fill with provenance; neither the hole nor an excluded pixel is ever a source."""

    device = "cpu"

    def __init__(self, info: BackendInfo) -> None:
        self.info = info

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """See `Backend.__call__`.

        Raises:
            InputError: no whole patch of known pixels is left to copy from, or the side of the patches is even.
            Cancelled: the caller asked to stop.
        """
        monitor = monitor or Monitor()
        filled = []
        for index in range(len(image)):
            scene = _scene(image, hole, exclude, index)
            part = monitor.part(index / len(image), (index + 1) / len(image))
            found = self._provenance(scene, seed, settings, part)
            filled.append(torch.from_numpy(found.filled(scene.colours)).permute(2, 0, 1))
        return torch.stack(filled).to(image.device)

    def provenance(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Provenance:
        """From where the fill of one picture is copied: `provenance(...).filled(picture)` is what the call gives.

        Args:
            image: float32 `[1, 3, H, W]` in [0, 1]; the others as in a call.

        Raises:
            InputError: as a call, or there is more than one picture.
            Cancelled: the caller asked to stop.
        """
        if len(image) != 1:
            raise InputError(f"The provenance of {len(image)} pictures at once was asked for: give one at a time.")
        return self._provenance(_scene(image, hole, exclude, 0), seed, settings, monitor)

    def _provenance(
        self, scene: _Scene, seed: int, settings: Mapping[str, Value] | None, monitor: Monitor | None
    ) -> Provenance:
        values = checked(self.info, settings or {})
        patch, rounds = int(values["patch"]), int(values["rounds"])
        if patch % 2 == 0:
            raise InputError(f"patch is {patch}: give an odd number of pixels.")
        return synthesise(
            scene.colours, scene.hole, scene.excluded, patch=patch, rounds=rounds, seed=seed, monitor=monitor
        )


def _scene(image: Tensor, hole: Tensor, exclude: Tensor | None, index: int) -> _Scene:
    colours = np.ascontiguousarray(image[index].detach().float().cpu().permute(1, 2, 0).numpy())
    inside = hole[index, 0].cpu().numpy() > 0.5
    barred = np.zeros_like(inside) if exclude is None else exclude[index, 0].cpu().numpy() > 0.5
    return _Scene(colours, inside, barred & ~inside)


def load(info: BackendInfo, device: str) -> ExemplarBackend:
    """`exemplar`, which runs on the CPU."""
    return ExemplarBackend(info)

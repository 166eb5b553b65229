"""PatchMatch (PyPatchMatch): fills with patches of the picture itself."""

from __future__ import annotations

from threading import Lock

import patchmatch
from torch import Tensor

from ..imaging.errors import MissingError
from ..imaging.monitor import Monitor
from .classical import from_bytes, to_bytes
from .protocol import BackendInfo

PATCH_RADIUS_PX = 3
"""Compared patches are 7 x 7 pixels."""


class PatchMatchBackend:
    """Exemplar fill; excluded pixels are never a source.

    The library keeps one seed for the whole process, so calls wait for one another.
    """

    device = "cpu"
    _lock = Lock()

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
    ) -> Tensor:
        """See `Backend.__call__`. The library cannot be stopped inside of one call."""
        filled = []
        for index, picture in enumerate(to_bytes(image)):
            if monitor:
                monitor.report("filling", index / len(image))
            mask = hole[index, 0].cpu().numpy() > 0.5
            barred = None if exclude is None else (exclude[index, 0].cpu().numpy() > 0.5) & ~mask
            if barred is not None and not barred.any():
                barred = None
            with self._lock:
                patchmatch.set_random_seed(seed)
                filled.append(patchmatch.inpaint(picture, mask, global_mask=barred, patch_size=PATCH_RADIUS_PX))
        return from_bytes(filled).to(image.device)


def load(info: BackendInfo, device: str) -> PatchMatchBackend:
    """`patchmatch`; raises `MissingError` where the library's native part cannot be loaded."""
    if not patchmatch.patchmatch_available:
        raise MissingError("PyPatchMatch has no native library for this machine: take another backend.")
    return PatchMatchBackend(info)

"""Biharmonic fill (Damelin & Hoang 2018, On Surface Completion and Image Inpainting by Biharmonic Functions)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from skimage.restoration import inpaint_biharmonic
from torch import Tensor

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .classical import SolverBackend, watched
from .protocol import BackendInfo, Value

MOST_PIXELS = 100_000
"""What is solved for at once; it takes about 3 seconds and 450 MB. Both grow faster than the number of pixels."""


def fill(picture: Tensor, hidden: Tensor, settings: Mapping[str, Value], monitor: Monitor) -> Tensor:
    """The surface whose bi-Laplacian is 0 in all hidden pixels, kept within the range of what is known in the crop.

    See `classical.Solver`; there are no settings.

    Raises:
        InputError: more pixels are hidden than can be solved for at once.
    """
    pixels = int(hidden.sum())
    if pixels > MOST_PIXELS:
        raise InputError(
            f"{pixels} hidden pixels are more than the {MOST_PIXELS} that biharmonic solves for at once: take "
            "total-variation or telea for such a hole, or exclude less."
        )
    known = picture.detach().permute(1, 2, 0).double().numpy()
    solved = watched(lambda: inpaint_biharmonic(known, hidden.numpy(), channel_axis=-1), monitor)
    return torch.from_numpy(np.ascontiguousarray(solved.transpose(2, 0, 1))).to(picture.dtype)


def load(info: BackendInfo, device: str) -> SolverBackend:
    """`biharmonic`."""
    return SolverBackend(info, fill)

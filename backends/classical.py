"""OpenCV's two classical methods: no weights, no gradients."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..imaging.monitor import Monitor
from .network import hidden_pixels
from .protocol import BackendInfo

FLAGS = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}
RADIUS_PX = 5.0
"""Neighbourhood that each filled pixel is made from."""


class OpenCvBackend:
    """`cv2.inpaint` as a backend."""

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
    ) -> Tensor:
        """See `Backend.__call__`; computes in 8 bits, as OpenCV does."""
        hidden = hidden_pixels(hole, exclude)
        filled = []
        for picture, mask in zip(to_bytes(image), hidden, strict=True):
            if monitor:
                monitor.report("filling", len(filled) / len(image))
            hole_bytes = (mask[0].cpu().numpy() > 0.5).astype(np.uint8)
            filled.append(cv2.inpaint(picture, hole_bytes, RADIUS_PX, FLAGS[self.info.name]))
        return from_bytes(filled).to(image.device)


def to_bytes(image: Tensor) -> list[np.ndarray]:
    """Tensor `[N, 3, H, W]` in [0, 1] to uint8 pictures `[H, W, 3]`, rounded."""
    array = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().permute(0, 2, 3, 1)
    return [np.ascontiguousarray(picture) for picture in array.numpy()]


def from_bytes(pictures: list[np.ndarray]) -> Tensor:
    """uint8 pictures `[H, W, 3]` to a tensor `[N, 3, H, W]` in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def load(info: BackendInfo, device: str) -> OpenCvBackend:
    """`telea` or `navier-stokes`."""
    return OpenCvBackend(info)

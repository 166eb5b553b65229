"""Classical methods without weights: OpenCV's two, and one way to run solvers that fill one crop at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ..imaging.box import Box
from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .network import hidden_pixels
from .protocol import BackendInfo, Value
from .settings import checked

FLAGS = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}
RADIUS_PX = 5.0
"""Neighbourhood that each filled pixel is made from."""
REACH_PX = 2
"""Hidden parts that are nearer to each other than twice this may look at each other's pixels: one is not solved
without the other."""
MARGIN_PX = 8
"""Known surroundings that a solver gets on every side of the hidden parts."""

CHECK_SECONDS = 0.1
"""How often the monitor is looked at while work goes on that cannot be stopped."""

T = TypeVar("T")
Mask = NDArray[np.bool_]
Solver = Callable[[Tensor, Tensor, Mapping[str, Value], Monitor], Tensor]
"""`(picture, hidden, settings, monitor)` to the filled picture: float32 `[3, h, w]` in [0, 1], which is 0 where bool
`hidden` `[h, w]` is true; some pixels are hidden, some are known."""


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


class SolverBackend:
    """A solver as a backend: pictures one after another, on the processor, only the crop that the hole depends on.

    What is excluded is solved for as well, so that the fill can bridge it, and then keeps its own pixels.

    Args:
        info: facts about the backend.
        solver: fills everything that is hidden in a crop.
    """

    device = "cpu"

    def __init__(self, info: BackendInfo, solver: Solver) -> None:
        self.info = info
        self._solver = solver

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
        """See `Backend.__call__`; `seed` has no effect, and every pixel outside of the hole is returned as it came.

        Raises:
            InputError: nothing known is left to fill from, or a setting that the backend does not have.
            Cancelled: the caller asked to stop.
        """
        monitor, values = monitor or Monitor(), checked(self.info, settings or {})
        masks = hole.cpu() > 0.5, hidden_pixels(hole, exclude).cpu() > 0.5
        filled = []
        for index, (picture, inside, hidden) in enumerate(zip(image.cpu(), *masks, strict=True)):
            part = monitor.part(index / len(image), (index + 1) / len(image))
            part.report("filling", 0.0)
            filled.append(self._filled(picture, inside[0], hidden[0], values, part))
        return torch.stack(filled).to(image.device)

    def _filled(
        self, picture: Tensor, hole: Tensor, hidden: Tensor, settings: Mapping[str, Value], monitor: Monitor
    ) -> Tensor:
        if not hole.any():
            return picture
        if hidden.all():
            raise InputError(
                f"The hole and what is excluded cover everything that {self.info.name} could fill from: make the mask "
                "or the excluded part smaller, or give a larger --context."
            )
        rows, columns = crop_of(hole.numpy(), hidden.numpy()).slices
        unknown = hidden[rows, columns]
        # Not a product with the mask: what is hidden may be anything, even no number.
        solved = self._solver(picture[:, rows, columns].masked_fill(unknown, 0), unknown, settings, monitor)
        result = picture.clone()
        result[:, rows, columns] = torch.where(hole[rows, columns], solved, picture[:, rows, columns])
        return result


def crop_of(hole: Mask, hidden: Mask) -> Box:
    """The box with all hidden parts that touch the hole or nearly so, and known surroundings.

    Args:
        hole: bool `[H, W]`, some pixels true.
        hidden: bool `[H, W]`, true in the hole and where something is excluded.
    """
    near = ndimage.binary_dilation(hidden, np.ones((3, 3), bool), REACH_PX)
    labels = np.zeros(hidden.shape, np.int32)
    ndimage.label(near, output=labels)
    wanted = hidden & np.isin(labels, np.unique(labels[hole]))
    return Box.around(wanted).pad(MARGIN_PX).clamp((hidden.shape[0], hidden.shape[1]))


def watched(work: Callable[[], T], monitor: Monitor) -> T:
    """The result of work that cannot be stopped, done in a thread of its own.

    Raises:
        Cancelled: the caller asked to stop; the thread ends by itself and its result is dropped.
    """
    monitor.check()
    threads = ThreadPoolExecutor(1)
    try:
        future = threads.submit(work)
        while not wait([future], CHECK_SECONDS).done:
            monitor.check()
        return future.result()
    finally:
        threads.shutdown(wait=False)


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

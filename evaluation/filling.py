"""One fill for a benchmark: the backend sees the whole picture, and time and memory are taken."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backends.protocol import Backend
from ..backends.settings import extras
from ..imaging.box import Box
from ..imaging.errors import InputError, LensError
from ..imaging.hole import Mask
from ..imaging.monitor import Monitor
from ..imaging.window import Window

RGB = NDArray[np.uint8]
SAMPLING_SECONDS = 0.01
MEGABYTE = 1e6


@dataclass(frozen=True)
class TimedFill:
    """A filled picture and what it took.

    Attributes:
        picture: uint8 `[H, W, 3]`; outside of the hole the original's own bytes.
        seconds: of the call of the backend, without reading, scaling and pasting.
        peak_mb: most memory during the call: on a GPU what torch had allocated, elsewhere what the process held more
            than at the level given; None if it was not watched.
    """

    picture: RGB
    seconds: float
    peak_mb: float | None


def fill(
    backend: Backend, picture: RGB, hole: Mask, seed: int, level_mb: float | None, monitor: Monitor | None = None
) -> TimedFill:
    """Fill the hole of a whole picture, pasted without a soft border.

    Args:
        backend: what fills; its settings are the defaults.
        picture: uint8 `[H, W, 3]`; scaled and padded as the backend's size rule asks.
        hole: bool `[H, W]`.
        seed: for stochastic backends.
        level_mb: memory that the process held before the backend was loaded; None watches no memory.
        monitor: cancelling.

    Raises:
        InputError: at the backend's size nothing known is left.
        LensError: out of memory, or values that are not numbers.
        Cancelled: the caller asked to stop.
    """
    info, whole = backend.info, Box.whole(hole.shape)
    window = Window.of(whole, whole, info.size_rule)
    known = np.where(hole[..., None], 0, picture / 255).astype(np.float32)
    small = window.mask_to_model(hole)
    height, width = window.scaled
    if small[:height, :width].all():
        raise InputError(f"At the {max(height, width)} pixels that {info.name} works at, this hole hides everything.")
    image = torch.from_numpy(np.ascontiguousarray(window.image_to_model(known, hole).transpose(2, 0, 1)))[None]
    mask = torch.from_numpy(small.astype(np.float32))[None, None]
    # The protocol names what all backends take; settings go to those that declare them.
    function: Callable[..., Tensor] = cast(Any, backend)
    with PeakMemory(backend.device, level_mb or 0.0) if level_mb is not None else nullcontext() as memory:
        start = time.perf_counter()
        try:
            with torch.no_grad():
                made = function(image, mask, seed=seed, monitor=monitor, **extras(info, {}))
            output = made[0].permute(1, 2, 0).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise LensError(f"{info.name} ran out of memory on {backend.device}: give a smaller --size.") from error
        seconds = time.perf_counter() - start
    if not np.isfinite(output).all():
        raise LensError(f"{info.name} gave values that are not numbers.")
    filled = np.rint(np.clip(window.image_from_model(output), 0, 1) * 255).astype(np.uint8)
    return TimedFill(np.where(hole[..., None], filled, picture), seconds, memory.peak_mb if memory else None)


def give_back_memory() -> None:
    """Let go of memory that is free but still held and would hide what a fill needs; does nothing where it cannot."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def resident_mb() -> float:
    """Memory that this process holds now, in megabytes."""
    return psutil.Process().memory_info().rss / MEGABYTE


class PeakMemory:
    """Most memory between entering and leaving, in `peak_mb`; see `TimedFill`."""

    def __init__(self, device: str, level_mb: float) -> None:
        self.peak_mb = 0.0
        self._cuda = device if device.startswith("cuda") else ""
        self._level = level_mb
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._cuda)
        else:
            self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._cuda:
            self.peak_mb = torch.cuda.max_memory_allocated(self._cuda) / MEGABYTE
        else:
            self._done.set()
            self._watch.join()

    def _sample(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, resident_mb() - self._level)
            if self._done.wait(SAMPLING_SECONDS):
                break
        self.peak_mb = max(self.peak_mb, resident_mb() - self._level)

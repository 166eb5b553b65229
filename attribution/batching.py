"""How many pictures go through a network at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeVar

import psutil
import torch

from ..imaging.errors import InputError, LensError

T = TypeVar("T")
Batch = int | Literal["auto"]

log = logging.getLogger(__name__)

BYTES_PER_PIXEL = 16_384
"""What a forward and a backward pass of a large inpainting network keep per pixel of the picture, generously."""

LARGEST_BATCH = {"cuda": 32}
LARGEST_BATCH_ELSEWHERE = 8
PROCESSOR_BYTES = 4 << 30
"""What a batch may take on a processor. Fixed, since rounding depends on the batch and the same call should give the
same bytes; larger batches are hardly faster there."""


def free_bytes(device: torch.device) -> int:
    """Free memory of `device`."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return int(psutil.virtual_memory().available)


def batch_size(batch: Batch, image: torch.Tensor) -> int:
    """The number of pictures per call: as asked, or as many as memory is likely to hold.

    On a GPU that is half of what is free, elsewhere `PROCESSOR_BYTES` unless there is less.

    Args:
        batch: a number, or "auto".
        image: `[N, 3, H, W]`, on the device to work on.

    Raises:
        InputError: `batch` is neither "auto" nor at least 1.
    """
    if batch != "auto":
        if isinstance(batch, str) or batch < 1:
            raise InputError(f'The batch size is {batch!r}, but it must be "auto" or a number from 1.')
        return int(batch)
    room = free_bytes(image.device) // 2
    if image.device.type != "cuda":
        room = min(room, PROCESSOR_BYTES)
    fits = room // (BYTES_PER_PIXEL * image.shape[-2] * image.shape[-1])
    return max(1, min(fits, LARGEST_BATCH.get(image.device.type, LARGEST_BATCH_ELSEWHERE)))


def halve_until_it_fits(size: int, run: Callable[[int], T]) -> tuple[T, int]:
    """Call `run` with a batch size, half of it, a quarter of it, ... until it no longer runs out of memory.

    Returns:
        The result of `run`, and the size with which it worked.

    Raises:
        LensError: not even one picture at a time fits.
    """
    while True:
        try:
            return run(size), size
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            if size == 1:
                raise LensError(
                    "There is not enough memory to explain this fill, not even with one picture at a time; "
                    "use a smaller context around the hole, or another device."
                ) from error
        # Only outside of the handler are the frames of the failed call, and the memory that they hold, let go.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        log.warning("Out of memory with %d pictures at a time; going on with %d.", size, size // 2)
        size //= 2


def _out_of_memory(error: RuntimeError) -> bool:
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error).lower() for text in words)

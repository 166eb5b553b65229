"""Batches for the steps of a run, loaded by other processes ahead of time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from .recipes.protocol import Samples

PREFETCH = 3
MOST_WORKERS = 16
SHARED_MEMORY = Path("/dev/shm")
"""In containers it is often as small as 64 MB, and a worker that runs over it is killed."""


class StepBatches(Sampler[list[int]]):
    """Numbers of the samples of each step: step `s` takes those from `s * batch`, whatever the number of processes.

    Args:
        first: step to begin with.
        steps: of the whole run.
        batch: samples of a step, over all processes.
        rank: number of this process.
        processes: how many there are; `batch` is a multiple of it.
    """

    def __init__(self, first: int, steps: int, batch: int, rank: int = 0, processes: int = 1) -> None:
        self.first, self.steps, self.batch = first, steps, batch
        self.rank, self.processes, self.share = rank, processes, batch // processes

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.steps):
            start = step * self.batch + self.rank * self.share
            yield list(range(start, start + self.share))

    def __len__(self) -> int:
        return max(0, self.steps - self.first)


def make_loader(
    dataset: Samples, batches: StepBatches, workers: int, pin: bool, shared: Path = SHARED_MEMORY
) -> DataLoader[dict[str, Tensor]]:
    """A loader that draws nothing from the global random generator.

    Args:
        dataset: by number of the sample.
        batches: numbers of each batch.
        workers: processes; -1 = by the number of processor cores.
        pin: keep batches where a GPU can fetch them.
        shared: where processes hand batches over; there are as few workers as its space asks for.
    """
    if workers < 0:
        workers = min(MOST_WORKERS, max(1, _cores() // batches.processes - 1))
    if workers and shared.is_dir():
        sample = sum(value.nbytes for value in dataset[0].values())
        room = shutil.disk_usage(shared).free // batches.processes
        # Besides what waits, each worker has a batch in the making.
        workers = min(workers, room // (sample * batches.share * (PREFETCH + 1)))
    options: dict[str, Any] = {"prefetch_factor": PREFETCH, "worker_init_fn": _quiet} if workers else {}
    return DataLoader(
        cast(Dataset[dict[str, Tensor]], dataset),
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator().manual_seed(0),
        **options,
    )


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quiet(_worker: int) -> None:
    """One thread for each worker, for there are several."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def on_device(batch: dict[str, Tensor], device: torch.device, channels_last: bool = False) -> dict[str, Tensor]:
    """Bytes to float32 in [0, 1], bools to {0, 1}, on the device."""
    moved = {}
    for name, value in batch.items():
        value = value.to(device, non_blocking=True)
        if value.dtype == torch.uint8:
            value = value.float() / 255
        elif value.dtype == torch.bool:
            value = value.float()
        if channels_last and value.dim() == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        moved[name] = value
    return moved

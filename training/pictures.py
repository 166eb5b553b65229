"""Pictures for training: a folder read once, split by picture, served as random crops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from .holes import random_hole

Picture = NDArray[np.uint8]
SUFFIXES = {".webp", ".png", ".jpg", ".jpeg"}


def split_by_picture(folder: Path, validation_share: float = 0.1) -> tuple[list[Path], list[Path]]:
    """Training and validation files; crops of one original (`NAME__00`, `NAME__01`, ...) stay together.

    The split depends on the names alone, so every run makes the same one.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    names = sorted({_original(path) for path in files})
    order = np.random.default_rng(0).permutation(len(names))
    held_out = {names[i] for i in order[: round(validation_share * len(names))]}
    train = [path for path in files if _original(path) not in held_out]
    return train, [path for path in files if _original(path) in held_out]


def _original(path: Path) -> str:
    return path.stem.rpartition("__")[0] or path.stem


def read_rgb(path: Path) -> Picture:
    """`uint8` `[H, W, 3]`; raises `ValueError` for a file that is no picture."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ValueError(f"{path} cannot be read as a picture.")
    return np.asarray(picture, np.uint8)


class RandomCrops(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless pairs of a crop `[3, S, S]` in [0, 1] and a hole `[1, S, S]` in {0, 1}."""

    def __init__(self, pictures: list[Picture], size: int, seed: int) -> None:
        self.pictures, self.size, self.seed = pictures, size, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            crop = self._crop(self.pictures[rng.integers(len(self.pictures))], rng)
            hole = random_hole((self.size, self.size), rng)
            image = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).float() / 255
            yield image, torch.from_numpy(hole)[None].float()

    def _crop(self, picture: Picture, rng: np.random.Generator) -> Picture:
        height, width = picture.shape[:2]
        largest = min(height, width)
        side = int(rng.uniform(min(self.size, largest), min(largest, 2.2 * self.size) + 1))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        crop = picture[top : top + side, left : left + side]
        if side != self.size:
            method = cv2.INTER_AREA if side > self.size else cv2.INTER_CUBIC
            crop = cv2.resize(crop, (self.size, self.size), interpolation=method)
        return np.asarray(crop[:, ::-1] if rng.random() < 0.5 else crop, np.uint8)

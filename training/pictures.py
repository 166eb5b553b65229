"""Pictures for training: a folder, split by picture, served as random crops with holes.

Sample `i` of a run depends on the seed and on `i` alone: neither on how many processes load pictures nor on where a
run was interrupted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from ..imaging.errors import InputError
from .config import Config, DataSettings, HoleSettings
from .holes import check_kinds, random_hole

Picture = NDArray[np.uint8]
SUFFIXES = {".webp", ".png", ".jpg", ".jpeg"}
TRIES = 20
"""How many pictures may be broken one after another."""
HOLE_SEED, ORDER_SEED = 1, 2
"""Told apart, so that holes stay the same when the way of cropping changes."""


@dataclass(frozen=True)
class Pictures:
    """The files of a folder.

    Attributes:
        train: files to train on, sorted.
        validation: files that training never sees.
        broken: files that are no pictures although their names say so.
        small: files whose short side is too small.
    """

    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    broken: tuple[Path, ...]
    small: tuple[Path, ...]

    @property
    def summary(self) -> str:
        """How many of each, in words."""
        left_out = [f"{len(self.broken)} cannot be read"] if self.broken else []
        left_out += [f"{len(self.small)} are too small"] if self.small else []
        tail = f" (left out: {', '.join(left_out)})" if left_out else ""
        return f"{len(self.train)} to train on, {len(self.validation)} held out{tail}"


def find_pictures(settings: DataSettings) -> Pictures:
    """The pictures of a folder and those within it; only their headers are read.

    Raises:
        InputError: there is no such folder, it has no pictures, or all are broken or too small.
    """
    files = picture_files(settings.folder)
    smallest = settings.smallest or settings.side
    with ThreadPoolExecutor() as pool:
        sides = list(pool.map(_short_side, files))
    broken = tuple(file for file, side in zip(files, sides, strict=True) if side is None)
    small = tuple(file for file, side in zip(files, sides, strict=True) if side is not None and side < smallest)
    usable = [file for file, side in zip(files, sides, strict=True) if side is not None and side >= smallest]
    if not usable:
        raise InputError(
            f"[data] folder: none of the {len(files)} pictures in {settings.folder} can be used: {len(broken)} cannot "
            f"be read and {len(small)} have a side below {smallest} pixels; give larger ones, or a smaller side."
        )
    train, held_out = _split(usable, settings.validation_share)
    if not train:
        raise InputError(
            f"[data] folder: all {len(usable)} pictures of {settings.folder} fall to validation: give more pictures, "
            "or a smaller validation_share."
        )
    return Pictures(tuple(train), tuple(held_out), broken, small)


def picture_files(folder: Path) -> list[Path]:
    """All files below a folder that have a picture's suffix, sorted.

    Raises:
        InputError: there is no such folder, or it has no pictures.
    """
    if not folder.is_dir():
        raise InputError(f"[data] folder: there is no folder '{folder}'; give one with pictures in it.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"[data] folder: '{folder}' has no pictures; give one with {', '.join(sorted(SUFFIXES))}.")
    return files


def _short_side(path: Path) -> int | None:
    try:
        with Image.open(path) as image:
            return min(image.size)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def split_by_picture(folder: Path, validation_share: float = 0.1) -> tuple[list[Path], list[Path]]:
    """Training and validation files below a folder; see `is_held_out`."""
    return _split(picture_files(folder), validation_share)


def _split(files: Sequence[Path], share: float) -> tuple[list[Path], list[Path]]:
    train = [path for path in files if not is_held_out(path, share)]
    return train, [path for path in files if is_held_out(path, share)]


def is_held_out(path: Path, validation_share: float) -> bool:
    """Whether a picture is for validation, by a hash of its name alone: adding pictures moves no other one.

    Crops of one original (`NAME__00`, `NAME__01`, ...) stay together.
    """
    original = path.stem.rpartition("__")[0] or path.stem
    digest = hashlib.sha256(original.encode()).digest()
    return int.from_bytes(digest[:8], "big") < validation_share * 2**64


def read_rgb(path: Path) -> Picture:
    """`uint8` `[H, W, 3]`, upright; raises `ValueError` for a file that is no picture or is cut short."""
    # Read by Python, for OpenCV writes to the terminal where it cannot open a file.
    try:
        data = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except (OSError, cv2.error):
        picture = None
    if picture is None:
        raise ValueError(f"{path} cannot be read as a picture.")
    return np.asarray(picture, np.uint8)


class Decoded:
    """Decoded pictures by index, kept as files of raw pixels where a cache folder is given.

    Args:
        files: the pictures.
        short_side: pictures with a longer short side are scaled down to it; 0 = never.
        cache: folder for the raw pixels; made if it is not there. Several processes may share it.
    """

    def __init__(self, files: Sequence[Path], short_side: int = 0, cache: Path | None = None) -> None:
        self.files, self.short_side, self.cache = list(files), short_side, cache
        if cache is not None:
            try:
                cache.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"[data] cache: '{cache}' cannot be made ({error.strerror}).") from error

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Picture:
        """`uint8` `[H, W, 3]`, possibly a read-only view of a file; raises `ValueError` for a broken picture."""
        if self.cache is None:
            return self._decode(self.files[index])
        path = self.files[index]
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_mtime_ns}|{stat.st_size}|{self.short_side}"
        kept = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
        with suppress(OSError, ValueError):
            return np.load(kept, mmap_mode="r", allow_pickle=False)
        picture = self._decode(path)
        # A full disk costs the speed of the cache and nothing else.
        with suppress(OSError):
            _keep(picture, kept)
        return picture

    def _decode(self, path: Path) -> Picture:
        picture = read_rgb(path)
        height, width = picture.shape[:2]
        factor = self.short_side / min(height, width)
        if not 0 < factor < 1:
            return picture
        size = max(self.short_side, round(width * factor)), max(self.short_side, round(height * factor))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _keep(picture: Picture, path: Path) -> None:
    part = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.npy")
    try:
        np.save(part, picture, allow_pickle=False)
        os.replace(part, path)  # noqa: PTH105
    finally:
        part.unlink(missing_ok=True)


class RandomCrops(Dataset[dict[str, Tensor]]):
    """Crops with holes; item `i` is `image` uint8 `[3, S, S]` and `hole` bool `[1, S, S]`.

    Every epoch goes through all pictures in another order. Pictures that turn out to be broken are replaced by others
    and marked in `broken`, which processes that load pictures share.
    """

    def __init__(self, pictures: Decoded, data: DataSettings, holes: HoleSettings, seed: int) -> None:
        check_kinds(holes.kinds)
        self.pictures, self.data, self.holes, self.seed = pictures, data, holes, seed
        self.broken = torch.zeros(len(pictures), dtype=torch.bool).share_memory_()
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Sample `index`, from 0 without an end."""
        rng = np.random.default_rng([self.seed, index])
        crop = self._crop(self._picture(index, rng), rng)
        size = (self.data.side, self.data.side)
        hole_rng = np.random.default_rng([self.seed, index, HOLE_SEED])
        hole = random_hole(size, hole_rng, self.holes.kinds, self.holes.coverage)
        image = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))
        return {"image": image, "hole": torch.from_numpy(hole)[None]}

    def _picture(self, index: int, rng: np.random.Generator) -> Picture:
        chosen = self.picture_of(index)
        for _ in range(TRIES):
            try:
                return self.pictures[chosen]
            except (ValueError, OSError):
                self.broken[chosen] = True
                chosen = int(rng.integers(len(self.pictures)))
        # The trainer ends the run when it sees how many are broken; a worker's error would lose its one sentence.
        return np.zeros((self.data.side, self.data.side, 3), np.uint8)

    def picture_of(self, index: int) -> int:
        """Which picture sample `index` is cut from."""
        per_epoch = len(self.pictures) * self.data.crops
        epoch, place = divmod(index, per_epoch)
        if self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch, 0, ORDER_SEED]).permutation(per_epoch)
            self._order = epoch, order % len(self.pictures)
        return int(self._order[1][place])

    def _crop(self, picture: Picture, rng: np.random.Generator) -> Picture:
        height, width = picture.shape[:2]
        largest, wanted = min(height, width), self.data.side
        low, high = self.data.scale
        side = int(np.clip(round(wanted * rng.uniform(low, min(high, max(low, largest / wanted)))), 1, largest))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        crop = picture[top : top + side, left : left + side]
        if side != wanted:
            method = cv2.INTER_AREA if side > wanted else cv2.INTER_CUBIC
            crop = cv2.resize(np.ascontiguousarray(crop), (wanted, wanted), interpolation=method)
        flip = self.data.flips and rng.random() < 0.5
        return np.asarray(crop[:, ::-1] if flip else crop, np.uint8)


class FixedCrops(RandomCrops):
    """Validation: the square in the middle of each picture, each with its own hole that never changes."""

    def picture_of(self, index: int) -> int:
        """The pictures once in an order that is always the same, and mixes those whose names are alike."""
        return int(np.random.default_rng(ORDER_SEED).permutation(len(self.pictures))[index])

    def _crop(self, picture: Picture, rng: np.random.Generator) -> Picture:
        height, width = picture.shape[:2]
        side, wanted = min(height, width), self.data.side
        top, left = (height - side) // 2, (width - side) // 2
        crop = np.ascontiguousarray(picture[top : top + side, left : left + side])
        return np.asarray(cv2.resize(crop, (wanted, wanted), interpolation=cv2.INTER_AREA), np.uint8)


def random_crops(config: Config, files: Sequence[Path]) -> RandomCrops:
    """Crops with holes to train on, as a configuration says."""
    data = config.data
    return RandomCrops(Decoded(files, data.short_side, data.cache), data, config.holes, config.trainer.seed)


def fixed_crops(config: Config, files: Sequence[Path]) -> FixedCrops:
    """Squares with holes to validate on; they do not depend on the seed, so that runs can be compared."""
    return FixedCrops(Decoded(files), config.data, config.holes, seed=0)

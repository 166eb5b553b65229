"""The pictures of a benchmark: found in a folder, cut square, scaled to one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from ..imaging.reading import read_picture
from ..imaging.writing import FORMATS
from .mask_sets import generator_for

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class TestPicture:
    """One picture of a benchmark: its file, and its name in reports (the path below the folder, with slashes)."""

    __test__ = False  # not a test of pytest's

    name: str
    path: Path

    def square(self, side: int) -> RGB:
        """The middle square, scaled down to `side`: uint8 sRGB `[side, side, 3]`.

        Raises:
            InputError: the file cannot be read, or its shorter side has fewer than `side` pixels.
        """
        pixels = read_picture(self.path).to_srgb8()
        height, width = pixels.shape[:2]
        least = min(height, width)
        if least < side:
            raise InputError(
                f"'{self.name}' has {width} × {height} pixels, fewer than the {side} of --size; it would have to be "
                "blown up."
            )
        top, left = (height - least) // 2, (width - least) // 2
        crop = pixels[top : top + least, left : left + least]
        return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class Selection:
    """The pictures to use, and why others were skipped: name to reason."""

    pictures: tuple[TestPicture, ...]
    skipped: dict[str, str]


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder by their suffix; hidden files and folders are left out.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}: give one with pictures.")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in FORMATS]
    found = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        raise InputError(f"There is no picture in {folder}: give a folder with PNG, JPEG, WebP or TIFF files.")
    return found


def select(
    files: Sequence[Path], folder: Path, side: int, seed: int, limit: int | None, monitor: Monitor | None = None
) -> Selection:
    """The first `limit` readable pictures in an order that depends on names and seed alone.

    A larger limit keeps the pictures of a smaller one.

    Raises:
        InputError: no picture is left.
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    named = [TestPicture(path.relative_to(folder).as_posix(), path) for path in files]
    order = sorted(named, key=lambda one: generator_for(seed, "order", one.name).random())
    chosen: list[TestPicture] = []
    skipped: dict[str, str] = {}
    wanted = len(order) if limit is None else min(limit, len(order))
    for one in order:
        monitor.report("looking at pictures", len(chosen) / wanted)
        if len(chosen) == wanted:
            break
        try:
            one.square(side)
        except InputError as error:
            skipped[one.name] = str(error)
        else:
            chosen.append(one)
    if not chosen:
        first = next(iter(skipped.values()))
        raise InputError(f"None of the {len(order)} pictures in {folder} can be used, the first because: {first}")
    return Selection(tuple(chosen), skipped)

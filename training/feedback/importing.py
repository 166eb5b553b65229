"""Pairs from two folders, or from one folder and degradations; new pictures for labelling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...imaging.errors import InputError
from ..pictures import picture_files, read_rgb
from . import degradations
from .library import Library

RGB = NDArray[np.uint8]
COARSE_PX = 24
"""Side at which pictures are compared: faults are gone there, what is shown is not."""
LEAST_LIKENESS = 0.5
"""Correlation below which two pictures show different things."""


def import_pairs(library: Library, first: Path, second: Path, held_out_share: float = 0.1) -> list[int]:
    """Store pairs of two folders: files of equal names, whatever their suffixes. All are checked before any is stored.

    Args:
        library: where to.
        first: folder of faulty pictures.
        second: folder of good ones.
        held_out_share: share that training never sees, chosen by name.

    Returns:
        Numbers of the pairs.

    Raises:
        InputError: a folder without pictures, no equal names, a file that cannot be read, or a pair of unlike size or
            of unlike pictures.
    """
    ones, twos = _by_stem(first), _by_stem(second)
    names = sorted(ones.keys() & twos.keys())
    if not names:
        raise InputError(f"{first} and {second} have no names in common: give both pictures of a pair the same name.")
    for name in names:
        _check_pair(name, _read(ones[name]), _read(twos[name]))
    return [
        library.add_pair(
            _read(ones[name]),
            _read(twos[name]),
            name,
            {"first": str(ones[name]), "second": str(twos[name])},
            held_out_share,
        )
        for name in names
    ]


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in picture_files(folder):
        if path.stem in found:
            raise InputError(f"{path} and {found[path.stem]} have the same name: keep one of them.")
        found[path.stem] = path
    return found


def _read(path: Path) -> RGB:
    try:
        return read_rgb(path)
    except ValueError as error:
        raise InputError(f"{path} cannot be read as a picture: replace it or take it away.") from error


def _check_pair(name: str, first: RGB, second: RGB) -> None:
    if first.shape != second.shape:
        sizes = [f"{picture.shape[1]} x {picture.shape[0]}" for picture in (first, second)]
        raise InputError(
            f"The pair '{name}' is of unlike size: {sizes[0]} and {sizes[1]} pixels; scale one to the other's."
        )
    if likeness(first, second) < LEAST_LIKENESS:
        raise InputError(
            f"The pair '{name}' shows unlike pictures (likeness {likeness(first, second):.2f}, at least "
            f"{LEAST_LIKENESS:g} is needed): check that both files show the same."
        )


def likeness(first: RGB, second: RGB) -> float:
    """Correlation of two pictures of one size, small and grey: 1 = the same but for brightness and contrast."""
    one, two = (_coarse(picture) for picture in (first, second))
    spreads = float(one.std()), float(two.std())
    if min(spreads) < 1:
        # Flat pictures correlate with nothing; two of them are alike if their brightness is.
        return 1.0 if max(spreads) < 1 and abs(float(one.mean() - two.mean())) < 64 else 0.0
    return float(((one - one.mean()) * (two - two.mean())).mean() / (spreads[0] * spreads[1]))


def _coarse(picture: RGB) -> NDArray[np.float64]:
    small = cv2.resize(picture, (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_AREA)
    return small.astype(np.float64).mean(2)


def make_pairs(
    library: Library,
    folder: Path,
    kinds: Sequence[str],
    seed: int = 0,
    held_out_share: float = 0.1,
    largest_px: int = 0,
) -> list[int]:
    """Store the pictures of a folder as second samples, each with a first sample made by a degradation.

    Args:
        library: where to.
        folder: good pictures.
        kinds: of degradation, in turn.
        seed: of the parameters, which are stored with the pair.
        held_out_share: share that training never sees, chosen by name.
        largest_px: longest side; larger pictures are scaled down to it first. 0 = never.

    Returns:
        Numbers of the pairs.

    Raises:
        InputError: no pictures, or no such degradation.
    """
    if not kinds:
        raise InputError(f"No degradation is named: take some of {', '.join(degradations.KINDS)}.")
    for kind in kinds:
        degradations.draw(kind, 0)
    numbers = []
    for index, path in enumerate(picture_files(folder)):
        picture, kind = _reduced(_read(path), largest_px), kinds[index % len(kinds)]
        parameters = degradations.draw(kind, int(np.random.SeedSequence([seed, index]).generate_state(1)[0]))
        first = degradations.apply(picture, kind, parameters)
        origin = {"second": str(path), "made_by": kind}
        numbers.append(library.add_pair(first, picture, path.stem, origin, held_out_share, (kind, parameters)))
    return numbers


def _reduced(picture: RGB, largest_px: int) -> RGB:
    height, width = picture.shape[:2]
    if not 0 < largest_px < max(height, width):
        return picture
    factor = largest_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def add_third(library: Library, folder: Path) -> list[int]:
    """Store new pictures of a folder as third samples; returns their numbers.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    return [library.add_new(_read(path), {"file": str(path)}) for path in picture_files(folder)]

"""Which pixels to hide for a benchmark: the mask sets of the literature, each a function of its own.

Every hole depends on the seed, the name of the set and the name of the picture alone, so that each backend fills the
same holes, whatever else is measured, in whatever order. Lengths are given for pictures of 256 pixels a side, as in
the papers, and grow with the side.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError
from ..imaging.hole import Mask, threshold
from ..imaging.reading import read_mask_array
from ..imaging.writing import FORMATS

PAPER_SIDE_PX = 256
BANDS = ((0, 10), (10, 20), (20, 30), (30, 40), (40, 50), (50, 60))
"""Shares of the picture, in percent, by which Liu et al. (2018) sort irregular holes."""
LEAST_SHARE = 0.01
"""No irregular hole is smaller: the first band of Liu et al. begins at one percent."""
MOST_SHARE = 0.5
"""No wide or narrow hole is larger, as in LaMa's own settings."""

Draw = Callable[[int, np.random.Generator], Mask]


class Holes(Protocol):
    """Where the holes of a benchmark come from."""

    @property
    def name(self) -> str:
        """What users type and reports say."""
        ...

    @property
    def title(self) -> str:
        """What is hidden, in a few words."""
        ...

    def hole(self, picture: str, side: int, seed: int) -> Mask:
        """The hole for the picture of this name, bool `[side, side]`; some pixels are true and some are not."""
        ...


@dataclass(frozen=True)
class MaskSet:
    """Holes made by a function.

    Attributes:
        name: what users type.
        title: what is hidden, in a few words.
        draw: makes a hole of `side` x `side` pixels.
    """

    name: str
    title: str
    draw: Draw

    def hole(self, picture: str, side: int, seed: int) -> Mask:
        """See `Holes.hole`."""
        return self.draw(side, generator_for(seed, self.name, picture))


@dataclass(frozen=True)
class MaskFolder:
    """Holes from files: the mask of the picture's own name where there is one, or else one drawn by lot."""

    name: str
    files: tuple[Path, ...]

    @property
    def title(self) -> str:
        """See `Holes.title`."""
        return f"masks of the folder {self.name}"

    @classmethod
    def of(cls, folder: Path) -> MaskFolder:
        """All masks of a folder; raises `InputError` if there is none."""
        files = tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in FORMATS and path.is_file()))
        if not files:
            raise InputError(f"There is no mask in {folder}: give a folder of PNG files, white = hole.")
        return cls(folder.resolve().name, files)

    def hole(self, picture: str, side: int, seed: int) -> Mask:
        """See `Holes.hole`; raises `InputError` for a file that is no mask, or hides nothing or everything."""
        own = [path for path in self.files if path.stem == Path(picture).stem]
        chosen = own[0] if own else self.files[generator_for(seed, self.name, picture).integers(len(self.files))]
        mask = threshold(read_mask_array(chosen))
        if mask.shape != (side, side):
            area = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
            mask = np.asarray(area >= 0.5)
        if not mask.any() or mask.all():
            raise InputError(f"The mask {chosen.name} hides {'everything' if mask.all() else 'nothing'}: leave it out.")
        return mask


def generator_for(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names alone, on every machine the same."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])


def centre(side: int, rng: np.random.Generator) -> Mask:
    """The square in the middle with half the side, a quarter of the picture: 128 of 256 pixels."""
    mask = np.zeros((side, side), bool)
    start = side // 4
    mask[start : start + side // 2, start : start + side // 2] = True
    return mask


def random_squares(side: int, rng: np.random.Generator) -> Mask:
    """Four squares with a quarter of the side each, anywhere, which may overlap: at most a quarter of the picture.

    Zhao & Zhao do not say how many squares of which size they draw; these are the random blocks of Context Encoders
    (Pathak et al. 2016, section 3.3), which hide up to a quarter.
    """
    mask = np.zeros((side, side), bool)
    length = max(1, side // 4)
    for top, left in rng.integers(0, side - length + 1, (4, 2)):
        mask[top : top + length, left : left + length] = True
    return mask


def wide(side: int, rng: np.random.Generator) -> Mask:
    """Broad strokes and at times boxes, after the thick masks of LaMa (Suvorov et al. 2022) that RePaint tests on."""

    def draw() -> Mask:
        canvas = _strokes(side, rng, count=(1, 5), width_px=(5, 104), length_px=(10, 209))
        if rng.random() < 0.3:
            canvas |= _boxes(side, rng, count=(1, 3), length_px=(30, 150))
        return canvas

    return _small_enough(draw)


def narrow(side: int, rng: np.random.Generator) -> Mask:
    """Many thin strokes, after the thin masks of LaMa (Suvorov et al. 2022) that RePaint tests on."""
    return _small_enough(lambda: _strokes(side, rng, count=(4, 50), width_px=(5, 14), length_px=(10, 49)))


def super_resolve(side: int, rng: np.random.Generator) -> Mask:
    """All but every second pixel of every second row: three quarters are hidden (RePaint, "Super-Resolve 2x")."""
    mask = np.ones((side, side), bool)
    mask[::2, ::2] = False
    return mask


def alternating_lines(side: int, rng: np.random.Generator) -> Mask:
    """Every second row (RePaint, "Alternating Lines")."""
    mask = np.zeros((side, side), bool)
    mask[1::2] = True
    return mask


def half(side: int, rng: np.random.Generator) -> Mask:
    """The right half (RePaint, "Half")."""
    mask = np.zeros((side, side), bool)
    mask[:, side // 2 :] = True
    return mask


def expand(side: int, rng: np.random.Generator) -> Mask:
    """All but the middle with a quarter of the side: 64 of 256 pixels stay (RePaint, "Expand")."""
    mask = np.ones((side, side), bool)
    kept, start = side // 4, side * 3 // 8
    mask[start : start + kept, start : start + kept] = False
    return mask


def irregular(band: tuple[int, int], side: int, rng: np.random.Generator) -> Mask:
    """Strokes that together cover a share of the picture between the bounds of `band`, in percent.

    The bands are those of Liu et al. (2018); their masks come from occlusions in films, these are drawn.
    """
    low, high = max(LEAST_SHARE, band[0] / 100), band[1] / 100
    while True:
        goal = rng.uniform(low, high)
        mask = np.zeros((side, side), bool)
        while mask.mean() < goal:
            mask |= _strokes(side, rng, count=(1, 1), width_px=(4, 30), length_px=(15, 80))
        if mask.mean() <= high:
            return mask


def _strokes(
    side: int, rng: np.random.Generator, count: tuple[int, int], width_px: tuple[int, int], length_px: tuple[int, int]
) -> Mask:
    """Bent lines of one to five pieces, with turning back and forth as in DeepFill v2 (Yu et al. 2019)."""
    scale = side / PAPER_SIDE_PX
    canvas = np.zeros((side, side), np.uint8)
    for _ in range(rng.integers(count[0], count[1] + 1)):
        width = max(1, round(scale * rng.integers(width_px[0], width_px[1] + 1)))
        points = [rng.uniform(0, side, 2)]
        direction = rng.uniform(0, 2 * np.pi)
        for _ in range(rng.integers(1, 6)):
            length = scale * rng.integers(length_px[0], length_px[1] + 1)
            step = length * np.array([np.cos(direction), np.sin(direction)])
            points.append(np.clip(points[-1] + step, 0, side - 1))
            direction += np.pi + rng.uniform(-1.2, 1.2)
        corners = np.round(points).astype(np.int32)
        cv2.polylines(canvas, [corners], isClosed=False, color=1, thickness=width)
    return canvas.astype(bool)


def _boxes(side: int, rng: np.random.Generator, count: tuple[int, int], length_px: tuple[int, int]) -> Mask:
    scale = side / PAPER_SIDE_PX
    mask = np.zeros((side, side), bool)
    for _ in range(rng.integers(count[0], count[1] + 1)):
        height, width = (max(1, round(scale * n)) for n in rng.integers(length_px[0], length_px[1] + 1, 2))
        top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
        mask[top : top + height, left : left + width] = True
    return mask


def _small_enough(draw: Callable[[], Mask]) -> Mask:
    while True:
        mask = draw()
        if 0 < mask.mean() <= MOST_SHARE:
            return mask


_REPAINT = (
    MaskSet("wide", "broad strokes and boxes", wide),
    MaskSet("narrow", "thin strokes", narrow),
    MaskSet("super-resolve", "all but every second pixel of every second row", super_resolve),
    MaskSet("alternating-lines", "every second row", alternating_lines),
    MaskSet("half", "the right half", half),
    MaskSet("expand", "all but the middle with a quarter of the side", expand),
)
_IRREGULAR = tuple(
    MaskSet(
        f"irregular-{low}-{high}", f"strokes over {low} to {high} % of the picture", partial(irregular, (low, high))
    )
    for low, high in BANDS
)
MASK_SETS: dict[str, MaskSet] = {
    one.name: one
    for one in (
        MaskSet("centre", "the middle square with half the side", centre),
        MaskSet("random", "four squares with a quarter of the side, anywhere", random_squares),
        *_REPAINT,
        *_IRREGULAR,
    )
}
GROUPS: dict[str, tuple[MaskSet, ...]] = {"repaint": _REPAINT, "irregular": _IRREGULAR}
"""Names that stand for several sets."""


def mask_sets(names: Sequence[str]) -> list[Holes]:
    """The sets of these names; a name may be that of a group, or a folder of masks. Each is taken once.

    Raises:
        InputError: a name is none of these, two folders have the same name, or there is no name at all.
    """
    found: dict[str, Holes] = {}
    for name in names:
        for one in _named(name):
            if found.setdefault(one.name, one) != one:
                raise InputError(f"Two mask sets are called '{one.name}': rename the folder.")
    if not found:
        raise InputError("--masks is empty: name at least one set or a folder of masks.")
    return list(found.values())


def _named(name: str) -> Sequence[Holes]:
    if name in MASK_SETS:
        return [MASK_SETS[name]]
    if name in GROUPS:
        return GROUPS[name]
    if Path(name).is_dir():
        return [MaskFolder.of(Path(name))]
    known = [*MASK_SETS, *GROUPS]
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"take some of {', '.join(known)}, or a folder of masks."
    raise InputError(f"There is no mask set and no folder '{name}': {hint}")


def hidden_percent(hole: NDArray[np.bool_]) -> float:
    """How much of the picture is hidden, in percent."""
    return 100 * float(hole.mean())

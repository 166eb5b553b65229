"""Click to select: which pixels belong to the thing at a point, found by a network of the Segment Anything family."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import ceil
from numbers import Integral
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..backends.devices import resolve
from ..backends.protocol import BackendInfo
from ..backends.registry import status
from ..backends.segment import COARSER, MEAN, MODELS, Answer, Segmenter, load
from ..imaging.box import Box, Size
from ..imaging.errors import InputError, MissingError
from ..imaging.hole import Mask, dilate
from ..imaging.monitor import Monitor
from ..imaging.picture import Picture
from ..imaging.window import Float
from ..weights_registry.catalog import entry, size_text
from ..weights_registry.fetch import find, require

SUGGESTED = "slimsam"
"""The model to fetch if there is none yet: the smallest."""
LEAST_GROWTH_PX = 3
SPECK_SHARE = 0.01
"""Islands and holes of a mask with less than this share of its pixels are none."""
MOST_GROWTH_PX = 4096


@dataclass(frozen=True)
class Point:
    """A click on column `x`, row `y` of the picture; `inside` = False: what is here does not belong to it."""

    x: int
    y: int
    inside: bool = True

    def __post_init__(self) -> None:
        if not all(isinstance(number, Integral) for number in (self.x, self.y)):
            raise InputError(f"{self.x}, {self.y} is no point: give column and row in whole pixels.")

    @classmethod
    def parse(cls, text: str, inside: bool = True) -> Point:
        """From `X,Y`; raises `InputError` for anything else."""
        found = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", text)
        if not found:
            raise InputError(f"'{text}' is no point: give X,Y in pixels from the upper left corner, such as 640,400.")
        return cls(int(found[1]), int(found[2]), inside)


@dataclass(frozen=True)
class SelectionModel:
    """A network that can select, for people to choose from.

    Attributes:
        name: what users type.
        title: one short line.
        licence: of its weights.
        size: of its weights, in words.
        ready: it can be used now.
        reason: what is missing and what to do.
    """

    name: str
    title: str
    licence: str
    size: str
    ready: bool
    reason: str


@dataclass(frozen=True, eq=False)
class Selection:
    """What a network takes the thing at the points to be.

    Attributes:
        mask: `[H, W]`, True = belongs to it, with the border that was grown around it.
        score: how well the network thinks that the mask fits (intersection over union), about 0 to 1.
        model: name of the network.
        alternatives: other things that the points may mean, a part or more than the whole, the likelier first.
    """

    mask: Mask
    score: float
    model: str
    alternatives: tuple[Selection, ...] = ()


@dataclass(frozen=True)
class Frame:
    """The square that a network looks at, and how a picture lies in it: scaled, in the upper left corner.

    Attributes:
        size: of the picture, height and width.
        side: of the square in pixels.
        stretched: the picture is stretched to fill the square.
    """

    size: Size
    side: int
    stretched: bool = False

    @property
    def cell_px(self) -> float:
        """How many pixels of the picture a pixel of the network's masks covers, in each direction."""
        return COARSER * max(self.size) / self.side

    @property
    def scaled(self) -> Size:
        """Height and width of the picture in the square."""
        if self.stretched:
            return self.side, self.side
        scale = self.side / max(self.size)
        return max(1, int(self.size[0] * scale + 0.5)), max(1, int(self.size[1] * scale + 0.5))

    def image(self, rgb: NDArray[np.uint8]) -> Float:
        """The picture `[H, W, 3]` in the square, float32 `[side, side, 3]`, 0 to 255; the rest has the mean colour."""
        height, width = self.scaled
        square = np.broadcast_to(np.asarray(MEAN, np.float32), (self.side, self.side, 3)).copy()
        square[:height, :width] = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))
        return square

    def points(self, xy: NDArray[np.floating]) -> Float:
        """Centres of pixels of the picture `[N, 2]`, column and row, as such of the square."""
        height, width = self.scaled
        scale = np.array([width / self.size[1], height / self.size[0]])
        return ((xy + 0.5) * scale - 0.5).astype(np.float32)

    def logits(self, coarse: Float) -> Float:
        """What a network says of the square `[m, m]`, for each pixel of the picture `[H, W]`."""
        inside = coarse
        if not self.stretched:
            height, width = self.scaled
            inside = _resized(coarse, (self.side, self.side))[:height, :width]
        return _resized(inside, self.size)


@dataclass(frozen=True, eq=False)
class _Look:
    """The last look at a picture."""

    network: tuple[object, ...]
    segmenter: Segmenter
    picture: bytes = b""
    embedding: Any = None


_last: _Look | None = None
_lock = Lock()


def models() -> list[SelectionModel]:
    """All networks that can select, the best first; loads none of them."""
    return [_described(info) for info in MODELS]


def select(
    picture: Picture,
    points: Sequence[Point],
    model: str | None = None,
    *,
    device: str = "auto",
    monitor: Monitor | None = None,
    grow_px: int | None = None,
) -> Selection:
    """Find the thing at some points.

    Looking at a picture takes seconds; more points on the same picture are answered at once, since what was seen of
    the last picture is kept. Of the masks that the network offers (three, for most), the one that agrees with most
    points is taken, and of several such the one with the best score; specks are taken off and small holes closed.

    Args:
        points: at least one of them inside.
        model: one of `models`; None = the first that is ready.
        device: `auto` or where to compute.
        grow_px: how far the mask is grown, so that the soft border of the thing goes with it; None = by the size of
            the picture: a pixel of the network's own masks, and 3 pixels or more.

    Raises:
        InputError: no point inside, a point outside of the picture, nothing found there, all of the picture found,
            an unknown model, or a device that it cannot use.
        MissingError: weights or a package are not here; the sentence says how to get them.
        WeightsError: the weights are not what they should be.
        LensError: not enough memory.
        Cancelled: asked to stop.
    """
    monitor = monitor or Monitor()
    _check(points, picture.size, grow_px)
    info = _chosen(model)
    place = resolve(device, info)
    with _alone(monitor):
        monitor.report(f"loading {info.title}", 0.0)
        look = _look(picture, info, place, monitor.part(0.05, 0.9))
        frame = _frame(picture, look.segmenter)
        where = frame.points(np.array([(point.x, point.y) for point in points], np.float64))
        answer = look.segmenter.masks(look.embedding, where, np.array([point.inside for point in points]))
    monitor.report("selecting", 0.95)
    found = _ranked(answer, frame, points, info.name, grow_px)
    monitor.report("selecting", 1.0)
    return found


def forget() -> None:
    """Give back the memory of the network and of what it saw of the last picture."""
    global _last
    with _lock:
        _last = None


def _check(points: Sequence[Point], size: Size, grow_px: int | None) -> None:
    if not any(point.inside for point in points):
        raise InputError("No point lies inside of the thing to select: click on the thing first.")
    for point in points:
        if not (0 <= point.x < size[1] and 0 <= point.y < size[0]):
            raise InputError(
                f"The point {point.x},{point.y} lies outside of the picture, which is {size[1]} x {size[0]} pixels: "
                "give column and row, counted from 0 in the upper left corner."
            )
    if grow_px is not None and not (isinstance(grow_px, Integral) and 0 <= grow_px <= MOST_GROWTH_PX):
        raise InputError(f"--grow is {grow_px}: give a number of pixels from 0 to {MOST_GROWTH_PX}.")


def _described(info: BackendInfo) -> SelectionModel:
    state, (licence, size) = status(info), _terms(info)
    return SelectionModel(info.name, info.title, licence, size, state.ready, state.reason)


def _terms(info: BackendInfo) -> tuple[str, str]:
    """Licence and size of the weights of a network."""
    entries = [entry(name) for name in info.weights]
    licence = ", ".join(dict.fromkeys(one.licence for one in entries))
    sizes = [one.size for one in entries]
    size = size_text(sum(sizes))
    return licence, f"more than {size}" if any(sizes) and not all(sizes) else size


def _chosen(name: str | None) -> BackendInfo:
    """The network to take, which is ready."""
    if name is not None:
        info = _named(name)
        if status(info).ready:
            return info
        raise _not_ready(info)
    if ready := next((info for info in MODELS if status(info).ready), None):
        return ready
    here = (info for info in MODELS if _has_weights(info))
    raise _not_ready(next(here, None) or _named(SUGGESTED))


def _not_ready(info: BackendInfo) -> MissingError:
    installed = all(find_spec(module) for module in info.modules)
    licence, size = _terms(info)
    terms = f" ({size}, licence {licence})" if installed and not _has_weights(info) else ""
    return MissingError(f"To select by click, {info.name} {status(info).reason}{terms}.")


def _named(name: str) -> BackendInfo:
    known = {info.name: info for info in MODELS}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"take one of {', '.join(known)}."
    raise InputError(f"There is no model '{name}' to select with: {hint}")


def _has_weights(info: BackendInfo) -> bool:
    return all(find(name) for name in info.weights)


@contextmanager
def _alone(monitor: Monitor) -> Iterator[None]:
    """Wait for the selection that is going on, if any; waiting too can be cancelled."""
    while not _lock.acquire(timeout=0.2):
        monitor.check()
    try:
        yield
    finally:
        _lock.release()


def _look(picture: Picture, info: BackendInfo, place: str, monitor: Monitor) -> _Look:
    """What the network sees of the picture, from the last time if it is the same; the caller is alone."""
    global _last
    stats = [require(name).stat() for name in info.weights]
    network = info.name, place, *((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)
    look, _last = _last, None
    if look is None or look.network != network:
        look = _Look(network, load(info, place))
    _last = look
    digest = _digest(picture)
    if look.picture != digest:
        image = _frame(picture, look.segmenter).image(picture.to_srgb8())
        _last = look = replace(look, picture=digest, embedding=look.segmenter.embed(image, monitor))
    return look


def _frame(picture: Picture, segmenter: Segmenter) -> Frame:
    return Frame(picture.size, segmenter.side, segmenter.stretched)


def _resized(values: Float, size: Size) -> Float:
    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _digest(picture: Picture) -> bytes:
    """What tells pictures apart that do not look the same to a network."""
    pixels = picture.pixels
    digest = hashlib.blake2b(repr((pixels.shape, pixels.dtype.str, picture.mode)).encode(), digest_size=20)
    digest.update(picture.icc or b"")
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _ranked(answer: Answer, frame: Frame, points: Sequence[Point], model: str, grow_px: int | None) -> Selection:
    """The masks at the size of the picture, the best with the others as alternatives."""
    grow_px = max(LEAST_GROWTH_PX, ceil(frame.cell_px)) if grow_px is None else grow_px
    found: list[tuple[int, Selection]] = []
    for logits, score in zip(answer.logits, answer.scores, strict=True):
        mask = tidied(frame.logits(logits) > 0, points)
        agreeing = sum(bool(mask[point.y, point.x]) == point.inside for point in points)
        grown = dilate(mask, grow_px)
        if any(grown[point.y, point.x] for point in points if point.inside) and not grown.all():
            found.append((agreeing, Selection(grown, float(score), model)))
    if not found:
        raise InputError(
            "Nothing that stands out was found there: click into the middle of the thing, add points on it, or points "
            "that do not belong to it."
        )
    found.sort(key=lambda one: (one[0], one[1].score), reverse=True)
    best, *others = (selection for _, selection in found)
    return replace(best, alternatives=tuple(others))


def tidied(mask: Mask, points: Sequence[Point] = ()) -> Mask:
    """The mask `[H, W]` without specks and pinholes, but for those that somebody clicked on; see `SPECK_SHARE`."""
    if not mask.any():
        return mask
    box = Box.around(mask)
    least = SPECK_SHARE * np.count_nonzero(mask)
    # A margin joins all that lies around the mask, and its corner is always outside.
    part = np.pad(mask[box.slices], 1)
    clicks = {inside: [(0, 0)] for inside in (True, False)}
    for point in points:
        if box.top <= point.y < box.bottom and box.left <= point.x < box.right:
            clicks[point.inside].append((point.y - box.top + 1, point.x - box.left + 1))
    part = _without_specks(part, least, clicks[True], connectivity=8)
    part = ~_without_specks(~part, least, clicks[False], connectivity=4)
    tidy = np.zeros_like(mask)
    tidy[box.slices] = part[1:-1, 1:-1]
    return tidy


def _without_specks(mask: Mask, least: float, kept: Sequence[tuple[int, int]], connectivity: int) -> Mask:
    """The connected parts of a mask with `least` pixels or more, and those at the places `kept`, row and column."""
    _, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    labels = np.asarray(found, np.int32)
    stays = np.asarray(stats)[:, cv2.CC_STAT_AREA] >= least
    stays[[labels[place] for place in kept]] = True
    stays[0] = False
    return stays[labels]

"""Samples for the three stages: crops of what a manifest lists, each dependent on the seed and its number alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...imaging.errors import MissingError
from ..pictures import read_rgb
from . import decoys
from .texts import dimension_of

RGB = NDArray[np.uint8]
MIXED_SHARE = 0.25
"""Of the faulty third samples, how many are mixed with the good picture."""
KEPT = 64
"""Decoded pictures that stay in memory."""
ORDER_SEED, DRAW_SEED, DECOY_SEED = 1, 2, 3


@dataclass(frozen=True)
class Order:
    """Which of several items sample `i` is.

    Items before `leading` come `passes` times before the others do; then all begins again. Within each group every
    pass has another order.

    Attributes:
        count: of items.
        leading: how many of them come first.
        passes: of each group in a round.
        seed: of the orders.
    """

    count: int
    leading: int = 0
    passes: int = 1
    seed: int = 0

    def item(self, index: int) -> int:
        """The item of sample `index`."""
        turn, place = divmod(index, self.count * self.passes)
        first = self.leading * self.passes
        start, size, offset = (0, self.leading, place) if place < first else (self.leading, 0, place - first)
        size = size or self.count - self.leading
        one_pass, inner = divmod(offset, size)
        order = _order(self.seed, turn, one_pass, start, size)
        return start + int(order[inner])


@lru_cache(maxsize=4)
def _order(seed: int, turn: int, one_pass: int, start: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, turn, one_pass, start, ORDER_SEED]).permutation(size)


class PairCrops:
    """The same random crop of both samples of a pair; the middle one for held-out pairs.

    Item `i` is `first` and `second` uint8 `[3, S, S]`, `pair` int64 and `draw` int64, a seed for what else is drawn.

    Args:
        folder: of the task.
        items: with `pair`, `first` and `second`, files in the folder.
        order: of the items.
        side: of the crops in pixels.
        seed: of the run.
        held_out: always the same crops.
        files: how many files the trainer knows, for marking broken ones.
    """

    def __init__(
        self, folder: Path, items: Sequence[Any], order: Order, side: int, seed: int, held_out: bool, files: int
    ) -> None:
        self.folder, self.items, self.order = folder, items, order
        self.side, self.seed, self.held_out = side, seed, held_out
        self.broken = torch.zeros(files, dtype=torch.bool)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Sample `index`."""
        item = self.items[index % len(self.items) if self.held_out else self.order.item(index)]
        pictures = read(self.folder / item["first"]), read(self.folder / item["second"])
        cut = cutter(pictures[0].shape, self.side, None if self.held_out else [self.seed, index])
        first, second = (_tensor(cut(picture)) for picture in pictures)
        draw = int(np.random.SeedSequence([self.seed, index, DRAW_SEED]).generate_state(1)[0])
        return {"first": first, "second": second, "pair": torch.tensor(item["pair"]), "draw": torch.tensor(draw)}


class TextCrops:
    """A crop of a third sample with one of its texts.

    Item `i` is `image` and `better` uint8 `[3, S, S]`, `numbers` `[L]`, `label` float in [0, 1], `draw` int64, a seed
    for what else is drawn, and two bools: `firm`, a faint change of the picture leaves the class as it is, and
    `faulty`, the picture is as it was, with a fault by its text that `better` does not have.

    Some crops that are not sharp get a pattern; see `decoys`. Some faulty ones are mixed with the good picture of their
    pair, with the class mixed likewise (Zhang et al. 2018, section 2): similarity then rises step by step on the way
    from the one to the other, and has a slope wherever a prediction lies.

    Args:
        folder: of the task.
        items: with `picture`, `words`, `label`, the `fault` that the picture has by them, and the `better` picture.
        encode: from a text to tokens `[L]`.
        side: of the crops in pixels.
        seed: of the run.
        held_out: always the same crops.
        files: how many files the trainer knows.

    Raises:
        InputError: a text is too long for the encoder.
    """

    def __init__(
        self,
        folder: Path,
        items: Sequence[Any],
        encode: Callable[[str], Tensor],
        side: int,
        seed: int,
        held_out: bool,
        files: int,
    ) -> None:
        self.folder, self.items, self.side, self.seed, self.held_out = folder, items, side, seed, held_out
        tokens = {words: encode(words) for words in {item["words"] for item in items}}
        self.numbers = [tokens[item["words"]] for item in items]
        self.order = Order(len(items), seed=seed)
        self.broken = torch.zeros(files, dtype=torch.bool)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Sample `index`."""
        which = index % len(self.items) if self.held_out else self.order.item(index)
        item = self.items[which]
        picture = read(self.folder / item["picture"])
        cut = cutter(picture.shape, self.side, None if self.held_out else [self.seed, index])
        plain, label = cut(picture), float(item["label"])
        image, better = plain, self._better(plain, item, cut)
        if not self.held_out:
            rng = np.random.default_rng([self.seed, index, DECOY_SEED])
            image, label = _varied(plain, better, label, item["fault"], rng)
        faulty = torch.tensor(better is not None and image is plain)
        draw = torch.tensor(int(np.random.SeedSequence([self.seed, index, DRAW_SEED]).generate_state(1)[0]))
        numbers = self.numbers[which]
        # A faint change of all pixels is noise, so it makes words about noise untrue.
        firm = torch.tensor(dimension_of(item["words"]) != "noise")
        return {
            "image": _tensor(image),
            "better": _tensor(plain if better is None else better),
            "numbers": numbers,
            "label": torch.tensor(label),
            "draw": draw,
            "firm": firm,
            "faulty": faulty,
        }

    def _better(self, image: RGB, item: Any, cut: Callable[[RGB], RGB]) -> RGB | None:
        """The same crop of the better picture of a pair, where there is one of the same size."""
        better = cut(read(self.folder / item["better"])) if item["better"] else None
        return better if better is not None and better.shape == image.shape else None


def _varied(image: RGB, better: RGB | None, label: float, fault: str, rng: np.random.Generator) -> tuple[RGB, float]:
    """A crop mixed with its better picture, or with a pattern, or as it is."""
    chance = rng.random()
    if better is not None and chance < MIXED_SHARE:
        share = rng.random()
        mixed = np.rint((1 - share) * image + share * better).astype(np.uint8)
        return mixed, (1 - share) * label + share * (1 - label)
    if fault == "sharpness" and chance < MIXED_SHARE + decoys.SHARE:
        return decoys.with_pattern(image, rng), label
    return image, label


@lru_cache(maxsize=KEPT)
def read(path: Path) -> RGB:
    """A picture `[H, W, 3]`; raises `MissingError` where it was deleted or damaged."""
    try:
        return read_rgb(path)
    except ValueError as error:
        raise MissingError(
            f"The picture {path} was deleted or damaged while it is needed: put it back and start the stage again."
        ) from error


def cutter(shape: tuple[int, ...], side: int, seed: Sequence[int] | None) -> Callable[[RGB], RGB]:
    """A function that cuts the same square from pictures of one shape; the middle one without a seed."""
    height, width = max(side, shape[0]), max(side, shape[1])
    top, left, flip = (height - side) // 2, (width - side) // 2, False
    if seed is not None:
        rng = np.random.default_rng(list(seed))
        top, left, flip = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), rng.random() < 0.5

    def cut(picture: RGB) -> RGB:
        below, right = max(0, side - picture.shape[0]), max(0, side - picture.shape[1])
        if below or right:
            picture = np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT), np.uint8)
        square = picture[top : top + side, left : left + side]
        return square[:, ::-1] if flip else square

    return cut


def _tensor(picture: RGB) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))

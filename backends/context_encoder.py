"""Context Encoder as a backend: a network with a fixed hole, made to fill any hole of any picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..imaging.box import Box
from ..imaging.monitor import Monitor
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .nets.context_encoder import CENTRE, HIDDEN, SIDE, hidden_centre, hide
from .network import Convention, NetworkBackend, hidden_pixels
from .protocol import BackendInfo

HIDDEN_PX = HIDDEN.stop - HIDDEN.start
LEAST_SIDE_PX = 64
"""Side of the smallest square that the network is shown, enlarged to twice its size.

A smaller square leaves less to be invented around a small hole, but an enlarged picture is blurred as no picture that
the network was trained on. Tried with another network and the same fixed hole, holes of 28 px came out 4.5 dB nearer to
the truth in squares of 64 px than of 128 px.
"""
STEP_PX = 4
"""Sides are multiples of this, so that the network's centre falls on whole pixels of the picture."""
TOGETHER = 16
"""Squares that go through the network at once."""
LEAST_WEIGHT = 1e-3
"""A pixel of a resized square is hidden if less of it than this comes from known pixels."""


@dataclass(frozen=True)
class Square:
    """A square of a picture, which may reach beyond its border, and the part of the hole that is filled from it.

    Attributes:
        item: index of the picture in its batch.
        part: box of the part, pixels of the picture.
        side: height and width, px.
    """

    item: int
    part: Box
    side: int

    @classmethod
    def around(cls, item: int, part: Box) -> Square:
        """The smallest square that shows all of `part` to the network at the place that it fills."""
        return cls(item, part, int(sides(np.asarray(part.size))))

    @property
    def box(self) -> Box:
        """Its pixels, counted as those of the picture."""
        top = self.part.top + (self.part.height + 1) // 2 - self.side // 2
        left = self.part.left + (self.part.width + 1) // 2 - self.side // 2
        return Box(top, left, self.side, self.side)

    @property
    def centre(self) -> Box:
        """What the network's output is of."""
        return self.box.pad(-self.side * CENTRE.start // SIDE)


def sides(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sides, px, of the squares that parts of the hole need by their sizes `[..., 2]`, height and width."""
    longest = (sizes + sizes % 2).max(-1)
    return np.maximum(LEAST_SIDE_PX, STEP_PX * -(-longest * SIDE // (HIDDEN_PX * STEP_PX)))


def squares_of(item: int, hole: NDArray[np.bool_]) -> list[Square]:
    """Squares that together show every part of a hole `[H, W]`, the largest first.

    Parts are filled together where they need no larger square than one of them alone.
    """
    _, _, statistics, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    parts = np.asarray(statistics[1:], np.int64)
    corners, sizes = parts[:, [1, 0]], parts[:, [3, 2]]
    groups = _grouped(np.hstack([corners, corners + sizes]))
    boxes = (Box(top, left, bottom - top, right - left) for top, left, bottom, right in groups.tolist())
    return sorted((Square.around(item, box) for box in boxes), key=lambda square: -square.side)


def _grouped(parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Boxes `[n, 4]` of parts (top, left, bottom, right) to those of parts that are filled together."""
    groups = parts[:0]
    for part in parts:
        both = np.hstack([np.minimum(groups[:, :2], part[:2]), np.maximum(groups[:, 2:], part[2:])])
        alone = np.maximum(_sides(groups), _sides(part))
        found = np.flatnonzero(_sides(both) <= alone)
        if found.size:
            groups[found[0]] = both[found[0]]
        else:
            groups = np.vstack([groups, part])
    return groups


def _sides(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    return sides(boxes[..., 2:] - boxes[..., :2])


class ContextEncoderBackend:
    """The network, looking at one square around each part of the hole.

    What a square has of other parts, of excluded pixels and of the network's own hole shows the mean colour, as in
    training. Where it leaves the picture it shows the picture mirrored. Pixels that no square fills are as in the
    input, the mean colour where they are hidden.
    """

    def __init__(self, info: BackendInfo, network: nn.Module, device: str) -> None:
        self.info = info
        self.device = device
        self.inner = NetworkBackend(
            info, _Maskless(network), device, Convention(image_range=(-1.0, 1.0), output_range=(-1.0, 1.0))
        )

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; `seed` has no effect."""
        hidden = hidden_pixels(hole, exclude)
        holes = hole[:, 0].detach().cpu().numpy() > 0.5
        squares = [square for item, mask in enumerate(holes) for square in squares_of(item, mask)]
        output = hide(image, hidden)
        for start in range(0, len(squares), TOGETHER):
            some = squares[start : start + TOGETHER]
            part = monitor and monitor.part(start / len(squares), (start + len(some)) / len(squares))
            for square, fill in zip(some, self._fills(image, hidden, some, part), strict=True):
                output[square.item, :, *square.part.slices] = fill
        return output

    def _fills(self, image: Tensor, hidden: Tensor, squares: list[Square], monitor: Monitor | None) -> Iterator[Tensor]:
        """The fill of the part of each square, `[3, h, w]` in [0, 1]."""
        shown = torch.cat([shown_to_network(image, hidden, square) for square in squares])
        centres = self.inner(shown, shown.new_zeros(len(squares), 1, SIDE, SIDE), monitor=monitor)
        for square, centre in zip(squares, centres, strict=True):
            back = _resized(centre[None], square.centre.height)[0]
            yield back[:, *square.part.relative_to(square.centre).slices]


def shown_to_network(image: Tensor, hidden: Tensor, square: Square) -> Tensor:
    """A square as the network sees it: what is known, resized, and the mean colour elsewhere and in the centre.

    Args:
        image: `[N, 3, H, W]` in [0, 1].
        hidden: `[N, 1, H, W]` in {0, 1}; a pixel of the result is the weighted mean of the pixels that are not hidden.
        square: of the picture `square.item`.

    Returns:
        `[1, 3, 128, 128]` in [0, 1].
    """
    box = square.box
    rows = _mirrored(box.top, box.height, image.shape[2], image.device)
    columns = _mirrored(box.left, box.width, image.shape[3], image.device)
    crop, veil = (x[square.item].index_select(1, rows).index_select(2, columns)[None] for x in (image, hidden))
    weight = _resized(1 - veil, SIDE)
    known = _resized(crop * (1 - veil), SIDE) / weight.clamp_min(LEAST_WEIGHT)
    return hide(known, torch.maximum((weight < LEAST_WEIGHT).to(known), hidden_centre(known)))


def _resized(picture: Tensor, side: int) -> Tensor:
    return F.interpolate(picture, (side, side), mode="bilinear", antialias=True)


def _mirrored(start: int, length: int, size: int, device: torch.device) -> Tensor:
    """Indices from `start` on, those beyond a picture of `size` pixels mirrored at its border."""
    index = torch.arange(start, start + length, device=device) % (2 * size)
    return torch.minimum(index, 2 * size - 1 - index)


class _Maskless(nn.Module):
    """The network behind the two inputs of a backend's; it has no use for the mask."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, _hidden: Tensor) -> Tensor:
        return self.network(image)


def load(info: BackendInfo, device: str) -> ContextEncoderBackend:
    """Context Encoder with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> ContextEncoderBackend:
    """Context Encoder with given weights.

    Raises:
        WeightsError: these are not the weights of a Context Encoder.
    """
    return ContextEncoderBackend(info, fitted(info.networks[0], state, info.weights[0]), device)

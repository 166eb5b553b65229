"""What an exemplar fill was copied from, as a map, as matching colours and as arrows.

These are exact: an exemplar backend knows the sources of every pixel that it filled, so nothing is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..backends.exemplar.provenance import Provenance
from ..imaging.errors import InputError
from .methods import Outcome, Task
from .outlines import SHADOW, Mask
from .region import smallest_region
from .report import BaselineFacts

RGBA = NDArray[np.uint8]

CORNERS = np.array([[[255, 214, 0], [226, 40, 60]], [[24, 196, 120], [58, 76, 236]]], np.float32)
"""Colours of the corners of the sources' box: yellow and red above, green and blue below; mixed in between."""
ARROW_COLOUR = (255, 255, 255)
COHERENT_PX = 2
"""Neighbouring pixels whose sources lie apart like themselves, up to so many pixels, were copied as one piece."""


def contributions(provenance: Provenance, target: Mask | None = None) -> NDArray[np.float32]:
    """How much each known pixel gave to the fill.

    Args:
        provenance: of the fill.
        target: bool `[H, W]`, only what was filled here counts; None = the whole fill.

    Returns:
        float32 `[H, W]`, at least 0, 0 in the hole; in filled pixels, so that the sum is their number.

    Raises:
        InputError: the target is of another size, or nothing was filled there.
    """
    chosen = _chosen(provenance, target)
    sources, weights = provenance.sources[chosen], provenance.weights[chosen].astype(np.float64)
    pixels = provenance.size[0] * provenance.size[1]
    return np.bincount(sources.ravel(), weights.ravel(), pixels).astype(np.float32).reshape(provenance.size)


def source_region(provenance: Provenance, target: Mask | None = None, share: float = 0.5) -> Mask:
    """Bool `[H, W]`: the smallest set of known pixels that gave `share` of the fill; see `contributions`."""
    return smallest_region(contributions(provenance, target), share)


def matching_colours(provenance: Provenance, target: Mask | None = None) -> RGBA:
    """Source and fill in matching colours: a source is coloured by its place, the fill by that of its sources.

    Args:
        provenance: of the fill.
        target: as in `contributions`.

    Returns:
        uint8 RGBA `[H, W, 4]`: opaque at the target and wherever a pixel was copied from, transparent elsewhere.

    Raises:
        InputError: as `contributions`.
    """
    chosen = _chosen(provenance, target)
    used = contributions(provenance, target) > 0
    colours = _colours_by_place(used)
    drawn = np.zeros((*provenance.size, 4), np.uint8)
    drawn[used, :3] = colours[used]
    filled = provenance.targets[chosen]
    mixed = provenance.copied(colours.astype(np.float32))[chosen]
    drawn.reshape(-1, 4)[filled, :3] = np.rint(mixed).astype(np.uint8)
    drawn[used, 3] = 255
    drawn.reshape(-1, 4)[filled, 3] = 255
    return drawn


def _colours_by_place(used: Mask) -> NDArray[np.uint8]:
    """uint8 `[H, W, 3]`: a colour for every place, all different within the box around the `used` pixels `[H, W]`."""
    shares = []
    for axis in (0, 1):
        within = np.flatnonzero(used.any(1 - axis))
        places = np.arange(used.shape[axis], dtype=np.float32)
        shares.append(np.clip((places - within[0]) / max(1, within[-1] - within[0]), 0, 1))
    down, across = shares[0][:, None, None], shares[1][None, :, None]
    above = CORNERS[0, 0] * (1 - across) + CORNERS[0, 1] * across
    below = CORNERS[1, 0] * (1 - across) + CORNERS[1, 1] * across
    return np.rint(above * (1 - down) + below * down).astype(np.uint8)


@dataclass(frozen=True)
class Arrow:
    """A piece of the fill and from where it was copied.

    Attributes:
        source: row and column of the middle of the piece where it came from.
        target: row and column of the middle of the piece in the fill.
        share: share of the filled target that the piece covers, above 0, at most 1.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    share: float


def arrows(provenance: Provenance, target: Mask | None = None, most: int = 8) -> tuple[Arrow, ...]:
    """The largest pieces that were copied as a whole, the largest first.

    A piece is a connected part of the fill (4-neighbourhood) whose weightiest sources lie next to each other as the
    filled pixels do, up to `COHERENT_PX`. Its middle is the pixel of the piece that is nearest to its centre of mass.

    Args:
        provenance: of the fill.
        target: as in `contributions`.
        most: how many arrows at most, at least 1.

    Raises:
        InputError: as `contributions`.
    """
    chosen = _chosen(provenance, target)
    filled, sources = provenance.targets[chosen], provenance.sources[chosen, 0]
    labels = _pieces(provenance.size, filled, sources)
    found = []
    for label in np.argsort(-np.bincount(labels), kind="stable")[:most]:
        piece = np.flatnonzero(labels == label)
        places = np.stack(np.unravel_index(filled[piece], provenance.size), 1)
        middle = piece[np.square(places - places.mean(0)).sum(1).argmin()]
        found.append(
            Arrow(
                _place(provenance, int(sources[middle])),
                _place(provenance, int(filled[middle])),
                piece.size / filled.size,
            )
        )
    return tuple(found)


def _place(provenance: Provenance, index: int) -> tuple[int, int]:
    row, col = divmod(index, provenance.size[1])
    return row, col


def _pieces(size: tuple[int, int], filled: NDArray[np.int64], sources: NDArray[np.int64]) -> NDArray[np.int32]:
    """For each filled pixel the number of its piece."""
    order = np.full(size, -1, np.int64)
    order.reshape(-1)[filled] = np.arange(filled.size)
    offsets = np.stack(np.unravel_index(sources, size), 1) - np.stack(np.unravel_index(filled, size), 1)
    pairs = []
    for first, second in ((order[:, :-1], order[:, 1:]), (order[:-1], order[1:])):
        both = (first >= 0) & (second >= 0)
        a, b = first[both], second[both]
        alike = np.abs(offsets[a] - offsets[b]).max(1, initial=0) <= COHERENT_PX
        pairs.append(np.stack([a[alike], b[alike]]))
    a, b = np.concatenate(pairs, 1)
    graph = sparse.coo_matrix((np.ones(a.size, bool), (a, b)), shape=(filled.size, filled.size))
    return connected_components(graph, directed=False)[1]


def draw_arrows(found: tuple[Arrow, ...], size: tuple[int, int]) -> RGBA:
    """Arrows from source to fill; the larger the piece, the thicker the arrow.

    Args:
        found: see `arrows`.
        size: height and width of the picture.

    Returns:
        uint8 RGBA `[H, W, 4]`, transparent beside the arrows; white with a dark rim, so that they show on any picture.
    """
    thinnest = max(1.0, (size[0] * size[1]) ** 0.5 / 400)
    rim, inner = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for arrow in reversed(found):
        width = round(thinnest * (1 + 3 * arrow.share**0.5))
        _draw_arrow(rim, arrow, width + 2 * max(1, round(thinnest)))
        _draw_arrow(inner, arrow, width)
    drawn = np.zeros((*size, 4), np.uint8)
    blend = inner[..., None] / np.float32(255)
    drawn[..., :3] = np.rint(blend * ARROW_COLOUR + (1 - blend) * SHADOW)
    drawn[..., 3] = np.maximum(rim, inner)
    return drawn


def _draw_arrow(canvas: NDArray[np.uint8], arrow: Arrow, width_px: int) -> None:
    start, end = arrow.source[::-1], arrow.target[::-1]
    length = max(1.0, float(np.hypot(end[0] - start[0], end[1] - start[1])))
    tip_px = (canvas.shape[0] * canvas.shape[1]) ** 0.5 / 40
    cv2.arrowedLine(canvas, start, end, 255, width_px, cv2.LINE_AA, tipLength=min(0.5, tip_px / length))


def _chosen(provenance: Provenance, target: Mask | None) -> Mask:
    """Bool `[n]`: which of the filled pixels lie in the target."""
    if target is None:
        chosen = np.ones(len(provenance.targets), bool)
    elif target.shape != provenance.size:
        height, width = provenance.size
        raise InputError(f"The target is {target.shape} but the picture {height} x {width}: give them the same size.")
    else:
        chosen = target.reshape(-1)[provenance.targets]
    if not chosen.any():
        raise InputError("Nothing was filled at the target: choose a part of the hole.")
    return chosen


def provenance(task: Task) -> Outcome:
    """The method: each known pixel's contribution is how many pixels of the target it was copied to.

    Raises:
        InputError: the model does not tell from where it copies.
    """
    if task.sources is None:
        raise InputError("This model does not tell from where it copies: take the method occlusion or rise.")
    found = task.sources()
    values = contributions(found, task.target.cpu().numpy())
    pixels = np.repeat(values[None] / 3, 3, 0).astype(np.float32)
    return Outcome(pixels, float(values.sum()), None, BaselineFacts("none"), provenance=found)

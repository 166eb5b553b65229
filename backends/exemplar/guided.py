"""Copying guided by a fill: what is where comes from the guide, what it is made of from the known part of the picture.

A network's fill has the right shades at the right places but is soft; patches of the picture are sharp but may show the
wrong thing. So two patches are alike if their colours and textures are (Wexler et al. 2007), and if the blurred picture
under the one is like the blurred guide under the other (the two terms of Hertzmann et al. 2001, Image Analogies,
section 3.1).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy import ndimage

from ...imaging.monitor import Monitor
from .field import Field, nearest
from .provenance import Provenance
from .pyramid import Float, Level, Mask, pyramid
from .synthesis import LOCALITY, SOURCES_AT_THE_END, finer
from .voting import mixed, votes

GUIDE_SIGMA_PX = 4.0
"""What a Gaussian of this sigma leaves of a fill guides; finer it is too soft to be compared."""
GUIDE_WEIGHT, FINEST_GUIDE_WEIGHT = 1.0, 0.5
"""How much the guide counts against colour; on the finest level its softness would favour soft patches."""
PATCH_PX = 7
ROUNDS = 2
"""Rounds of each search for alike patches."""
FIRST_ROUNDS = 5
"""Rounds of the first search, which starts at random."""
MOST_TURNS = 4
"""How often search and voting alternate at most; guided they settle soon."""
UNSEARCHED_PX = 65_536
"""On a level with so many pixels to fill the coarser matches are taken; with each half there is one turn more."""
THINNED_PX = 12_288
"""Above so many pixels to fill, every second patch of every second row is matched; they still overlap everywhere."""
PAINTED = 5
"""Channels that votes change, colour and texture; the guide after them stays."""


def sources(
    colours: Float, hole: Mask, excluded: Mask, guide: Float, *, seed: int, monitor: Monitor
) -> Provenance | None:
    """From where a fill is copied, coarse to fine.

    Args:
        colours: float32 `[H, W, 3]` in [0, 1]; what lies in the hole or is excluded is not looked at.
        hole: bool `[H, W]`, at least one pixel.
        excluded: bool `[H, W]`, pixels that are never a source and never compared with.
        guide: float32 `[H, W, 3]`, a fill whose shades are trusted, with the picture around it.
        seed: the same seed gives the same sources.
        monitor: progress; cancels between rounds.

    Returns:
        The sources; None where no whole patch is known.

    Raises:
        Cancelled: the caller asked to stop.
    """
    levels = pyramid(colours, hole, hole | excluded, PATCH_PX)
    if not levels[0].sources.any():
        return None
    levels = _guided(levels, guide)
    found: Field | None = None
    effort = np.cumsum([0.0, *(_effort(level) for level in reversed(levels))])
    for depth in reversed(range(len(levels))):
        if found is not None:
            found = finer(found, levels[depth], _stride(levels[depth + 1]))
        start, end = effort[len(levels) - 1 - depth : len(levels) + 1 - depth] / effort[-1]
        found = _settled(levels[depth], found, seed + 1000 * (depth + 1), monitor.part(start, end))
    assert found is not None
    return _voted(levels[0], found)


def _stride(level: Level) -> int:
    return 2 if np.count_nonzero(level.hole) > THINNED_PX else 1


def _turns(level: Level) -> int:
    return int(np.clip(np.round(np.log2(UNSEARCHED_PX / max(1, np.count_nonzero(level.hole)))), 0, MOST_TURNS))


def _effort(level: Level) -> float:
    """About how long a level takes, in arbitrary units."""
    return 1 + (1 + _turns(level)) * np.count_nonzero(level.hole) / _stride(level) ** 2


def _guided(levels: list[Level], guide: Float) -> list[Level]:
    """The levels with the guide as further channels, and the coarsest one painted with the guide's colours."""
    small, result = cv2.GaussianBlur(guide, (0, 0), GUIDE_SIGMA_PX, borderType=cv2.BORDER_REFLECT_101), []
    for depth, level in enumerate(levels):
        height, width = level.hole.shape
        small = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA) if depth else small
        weight = GUIDE_WEIGHT if depth else FINEST_GUIDE_WEIGHT
        result.append(replace(level, features=np.concatenate([level.features, weight * small], 2)))
    last = result[-1]
    nearest_known = ndimage.distance_transform_edt(last.hidden, return_distances=False, return_indices=True)
    texture = last.features[tuple(np.asarray(nearest_known))][..., 3:PAINTED]
    height, width = last.hole.shape
    colours = cv2.resize(guide, (width, height), interpolation=cv2.INTER_AREA)
    last.features[last.hidden, :PAINTED] = np.concatenate([colours, texture], 2)[last.hidden]
    return result


def _settled(level: Level, found: Field | None, seed: int, monitor: Monitor) -> Field:
    """Vote and search in turns; ends with a search, so that the field fits the last fill."""
    turns = _turns(level) if found is not None else max(1, _turns(level))
    for turn in range(turns):
        if found is not None:
            _paint(level, found)
        found = nearest(
            level.features,
            level.targets,
            level.sources,
            patch=PATCH_PX,
            rounds=FIRST_ROUNDS if found is None else ROUNDS,
            start=found,
            weights=level.weights,
            locality=LOCALITY,
            stride=_stride(level),
            seed=seed + turn,
            monitor=monitor.part(turn / turns, (turn + 1) / turns),
        )
    assert found is not None
    return found


def _voted(level: Level, found: Field) -> Provenance:
    """What the patches over each pixel of the hole say."""
    size = level.hole.shape[0], level.hole.shape[1]
    places, shares = votes(
        found, level.hole, level.confidence, patch=PATCH_PX, keep=SOURCES_AT_THE_END, stride=_stride(level)
    )
    return Provenance(size, np.flatnonzero(level.hole), places, shares)


def _paint(level: Level, found: Field) -> None:
    """Fill colour and texture of the hole, in place, with the mean of what the patches propose."""
    level.features[level.hole, :PAINTED] = mixed(
        level.features, found, level.hole, level.confidence, patch=PATCH_PX, channels=PAINTED, stride=_stride(level)
    )

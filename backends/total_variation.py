"""Total variation (Chan & Shen 2002, Mathematical Models for Local Nontexture Inpaintings), known pixels fixed.

The variation of colours is that of all channels together, so that edges of the channels meet. It is the mean of the
four variations that take, at each pixel, the difference to one horizontal and one vertical neighbour: unlike one of
them alone, it does not change when the picture is turned or mirrored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu
from torch import Tensor

from ..imaging.monitor import Monitor
from .classical import Mask, SolverBackend, watched
from .protocol import BackendInfo, Value

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

WEIGHT = 0.25
"""Each of the four variations counts for a quarter."""
PENALTY = 5.0
"""How strongly the split differences are drawn to those of the picture, for values that span 1; any gives the same
result, 3 to 10 the fewest iterations."""
RELAXATION = 1.6
"""Over-relaxation of the differences, 1 to 2 (Eckstein & Bertsekas 1992)."""
ITERATIONS_PER_CHECK = 5
ROUNDING = 1e-9
"""Variation that comes from rounding alone."""


@dataclass(frozen=True)
class Differences:
    """All differences that the hidden pixels `u` `[n, 3]` take part in: `matrix @ u + known`.

    Two rows after another are the horizontal and the vertical difference of one pixel to one pair of neighbours.

    Attributes:
        matrix: `[2m, n]`.
        known: `[2m, 3]`, what the known pixels contribute.
        low, high: `[3]`, range of those known pixels; a fill outside of it has more variation.
    """

    matrix: sparse.csr_array
    known: Float
    low: Float
    high: Float
    transposed: sparse.csr_array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "transposed", self.matrix.T.tocsr())

    @classmethod
    def of(cls, picture: Float, hidden: Mask) -> Differences:
        """The differences in a picture `[h, w, 3]` where `hidden` `[h, w]` is unknown."""
        corners = _corners(hidden)
        rows = np.arange(2 * len(corners)).repeat(2)
        columns = corners[:, [1, 0, 2, 0]].ravel()
        values = np.tile([1.0, -1.0], len(rows) // 2)
        matrix = sparse.csr_array((values, (rows, columns)), shape=(2 * len(corners), hidden.size))
        flat, unknown = picture.reshape(-1, 3), hidden.ravel()
        ring = flat[np.setdiff1d(corners, np.flatnonzero(unknown))]
        known = matrix @ np.where(unknown[:, None], 0, flat)
        return cls(matrix[:, np.flatnonzero(unknown)].tocsr(), known, ring.min(0), ring.max(0))

    def at(self, unknown: Float) -> Float:
        """The differences `[2m, 3]` for values `[n, 3]` of the hidden pixels."""
        return self.matrix @ unknown + self.known

    def gap(self, unknown: Float, dual: Float) -> tuple[float, float]:
        """The variation of a fill, and how much smaller that of the best one can be at most.

        Args:
            unknown: `[n, 3]`, within `low` and `high`.
            dual: `[2m, 3]`, no pair of rows longer than `WEIGHT`. The bound is the value of the dual problem.
        """
        variation = WEIGHT * float(lengths(self.at(unknown)).sum())
        slope = self.transposed @ dual
        bound = float((dual * self.known).sum() + np.minimum(slope * self.low, slope * self.high).sum())
        return variation, max(0.0, variation - bound)


def _corners(hidden: Mask) -> NDArray[np.intp]:
    """Indices `[m, 3]` of a pixel, a horizontal and a vertical neighbour, for all such corners with a hidden pixel.

    Beyond the edge a pixel is its own neighbour, so that there is no difference.
    """
    height, width = hidden.shape
    index, flat = np.arange(hidden.size).reshape(hidden.shape), hidden.ravel()
    found = []
    for down, right in product((-1, 1), (-1, 1)):
        across = index[:, np.clip(np.arange(width) + right, 0, width - 1)].ravel()
        along = index[np.clip(np.arange(height) + down, 0, height - 1)].ravel()
        touched = np.flatnonzero(flat | flat[across] | flat[along])
        found.append(np.stack([touched, across[touched], along[touched]], 1))
    return np.concatenate(found)


def lengths(differences: Float) -> Float:
    """Lengths `[m]` of the colour gradients whose horizontal and vertical parts are the rows of `[2m, 3]`."""
    pairs = differences.reshape(-1, 6)
    return np.sqrt(np.einsum("ij,ij->i", pairs, pairs))


def fill(picture: Tensor, hidden: Tensor, settings: Mapping[str, Value], monitor: Monitor) -> Tensor:
    """The fill of least total variation, up to `tolerance-percent`; see `classical.Solver`.

    Values lie within the range of the known pixels that border on what is hidden.
    """
    mask = hidden.numpy()
    pixels = picture.detach().permute(1, 2, 0).double().numpy().copy()
    differences = Differences.of(pixels, mask)
    tolerance, iterations = float(settings["tolerance-percent"]) / 100, int(settings["iterations"])
    pixels[mask] = least_variation(differences, tolerance, iterations, monitor)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(picture.dtype)


def least_variation(differences: Differences, tolerance: float, iterations: int, monitor: Monitor) -> Float:
    """Split Bregman (Goldstein & Osher 2009), until the duality gap proves the result good enough.

    The first iteration gives the harmonic fill.

    Args:
        differences: the problem.
        tolerance: largest share of its variation by which the result may be above the minimum.
        iterations: at most so many, however good the result.
        monitor: progress and cancelling, looked at in each iteration.

    Returns:
        Values `[n, 3]` of the hidden pixels.
    """
    span = float((differences.high - differences.low).max()) or 1.0
    factors = watched(lambda: _factorised(differences), monitor)
    split, bregman = np.zeros_like(differences.known), np.zeros_like(differences.known)
    unknown, variation, gap = np.zeros((0, 3)), 0.0, 0.0
    share = 0.0
    for iteration in range(1, iterations + 1):
        monitor.report("filling", share)
        solved = factors.solve(differences.transposed @ (split - bregman - differences.known))
        moved = RELAXATION * differences.at(solved) + (1 - RELAXATION) * split + bregman
        bregman = _within(moved, WEIGHT * span / PENALTY)
        split = moved - bregman
        if iteration % ITERATIONS_PER_CHECK and iteration < iterations:
            continue
        unknown = np.clip(solved, differences.low, differences.high)
        variation, gap = differences.gap(unknown, bregman * PENALTY / span)
        if gap <= tolerance * variation + ROUNDING:
            return unknown
        share = max(share, iteration / iterations, tolerance * variation / gap)
    log.warning(
        "total-variation stopped after %d iterations, %.1f %% above the least variation at most; give more iterations.",
        iterations,
        100 * gap / max(variation, ROUNDING),
    )
    return unknown


def _factorised(differences: Differences) -> SuperLU:
    normal = sparse.csc_array(differences.transposed @ differences.matrix)
    return splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _within(differences: Float, radius: float) -> Float:
    """Gradients no longer than `radius`, in the same direction."""
    scale = np.minimum(1, radius / np.maximum(lengths(differences), np.finfo(float).tiny))
    return differences * scale.repeat(2)[:, None]


def load(info: BackendInfo, device: str) -> SolverBackend:
    """`total-variation`."""
    return SolverBackend(info, fill)

"""Filling a hole with patches of the picture, coarse to fine (Wexler et al. 2007; Barnes et al. 2009, section 4.1)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...imaging.errors import InputError
from ...imaging.monitor import Monitor
from .field import Field, nearest, whole_patches
from .provenance import Provenance
from .pyramid import Float, Level, Mask, pyramid
from .voting import votes

COARSE_TURNS, FINE_TURNS = 10, 3
"""How often search and voting alternate, at the coarsest level and at the finest."""
PERCENTILE = 50.0
FINAL_PERCENTILE = 50.0
FINAL_KEEP = 4
VOTE_KEEP = 16
INIT = ""
INITW = 0


def synthesise(
    colours: Float,
    hole: Mask,
    excluded: Mask | None = None,
    *,
    patch: int = 7,
    rounds: int = 2,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Provenance:
    monitor = monitor or Monitor()
    hidden = hole if excluded is None else hole | excluded
    if not whole_patches(~hidden, patch).any():
        raise InputError(
            f"No patch of {patch} x {patch} pixels is left to copy from: make the mask or the excluded part smaller, "
            "or take smaller patches."
        )
    levels = pyramid(colours, hole, hidden, patch)
    field = _first_field(levels[-1], rounds, seed, monitor)
    for depth in range(len(levels) - 1, -1, -1):
        level = levels[depth]
        turns = round(FINE_TURNS + (COARSE_TURNS - FINE_TURNS) * depth / max(1, len(levels) - 1))
        weights = search_weights(level)
        confidence = level.confidence()
        for turn in range(turns):
            field = nearest(
                level.features,
                level.targets,
                level.sources,
                patch=patch,
                rounds=rounds,
                start=field,
                weights=weights,
                seed=seed + 1000 * depth + turn + 1,
                monitor=monitor,
            )
            if depth or turn < turns - 1:
                _paint(level, field, confidence)
        if depth:
            field = _finer(field, levels[depth - 1])
            _paint(levels[depth - 1], field, levels[depth - 1].confidence())
    sources, weights = votes(
        field, hole, levels[0].confidence(), patch=patch, keep=FINAL_KEEP, percentile=FINAL_PERCENTILE
    )
    return Provenance(hole.shape, np.flatnonzero(hole), sources, weights)


def search_weights(level):
    return level.seen * level.confidence()


def _paint(level: Level, field: Field, confidence: Float) -> None:
    sources, weights = votes(field, level.hole, confidence, patch=level.patch, keep=VOTE_KEEP, percentile=PERCENTILE)
    flat = level.features.reshape(-1, level.features.shape[2])
    flat[level.hole.ravel(), :5] = (flat[sources, :5] * weights[..., None]).sum(1)


def _first_field(level: Level, rounds: int, seed: int, monitor: Monitor) -> Field:
    """Fill the coarsest level ring by ring."""
    if INIT == "ns":
        rgb = (level.features[..., :3] * 255).astype(np.uint8)
        hid = level.hidden.astype(np.uint8)
        done = cv2.inpaint(rgb, hid, 3, cv2.INPAINT_NS).astype(np.float32) / 255
        level.features[level.hole, :3] = done[level.hole]
        t = (np.clip(level.features[..., [3, 4, 4]] / 2, 0, 1) * 255).astype(np.uint8)
        t = cv2.inpaint(t, hid, 3, cv2.INPAINT_NS).astype(np.float32) * 2 / 255
        level.features[level.hole, 3:5] = t[level.hole, :2]
        return nearest(
            level.features,
            level.targets,
            level.sources,
            patch=level.patch,
            rounds=5,
            weights=search_weights(level) if INITW else level.seen,
            seed=seed,
        )
    if INIT == "edt":
        from scipy import ndimage

        near = ndimage.distance_transform_edt(level.hidden, return_distances=False, return_indices=True)
        level.features[level.hole, :5] = level.features[tuple(near)][level.hole, :5]
        return nearest(
            level.features,
            level.targets,
            level.sources,
            patch=level.patch,
            rounds=5,
            weights=search_weights(level) if INITW else level.seen,
            seed=seed,
        )
    todo = level.hole.copy()
    known = ~level.hidden
    kernel = np.ones((3, 3), np.uint8)
    field = None
    ring_index = 0
    while todo.any():
        ring = todo & cv2.dilate(known.astype(np.uint8), kernel).astype(bool)
        if not ring.any():
            ring = todo
        found = nearest(
            level.features,
            ring,
            level.sources,
            patch=level.patch,
            rounds=5,
            weights=known.astype(np.float32),
            seed=seed + ring_index,
            start=field,
        )
        level.features[ring, :5] = level.features[found.rows[ring], found.cols[ring], :5]
        known = known | ring
        todo = todo & ~ring
        ring_index += 1
    return nearest(
        level.features,
        level.targets,
        level.sources,
        patch=level.patch,
        rounds=5,
        weights=search_weights(level) if INITW else level.seen,
        seed=seed,
    )


def _finer(field: Field, level: Level) -> Field:
    """The field of the coarser level at the finer one."""
    height, width = level.hole.shape
    rows, cols = np.indices((height, width), np.int32)

    def spread(values):
        return values.repeat(2, 0).repeat(2, 1)[:height, :width]

    r, c = spread(field.rows), spread(field.cols)
    known = (r >= 0) & level.targets
    return Field(
        np.where(known, np.minimum(2 * r + rows % 2, height - 1 - level.patch // 2), -1).astype(np.int32),
        np.where(known, np.minimum(2 * c + cols % 2, width - 1 - level.patch // 2), -1).astype(np.int32),
        np.where(known, spread(field.distance), np.inf).astype(np.float32),
    )

"""Detail for a fill that was made at reduced resolution, copied from the known part of the picture.

Contextual residual aggregation (Yi et al. 2020, section 3.2) with a patch field in place of the network's attention:
what the reduction took away from a known patch is added to the patches of the fill that look like it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...imaging.hole import Mask, dilate
from ...imaging.monitor import Monitor
from .field import Field, nearest, whole_patches

Float = NDArray[np.float32]

PATCH = 7
ROUNDS = 4
LIKENESS = 0.08
"""Root mean square difference of two patches, values in [0, 1], at which a patch's detail counts half."""


def add_detail(
    fill: Float, picture: Float, hidden: Mask, wanted: Mask, scaled: tuple[int, int], monitor: Monitor | None = None
) -> Float:
    """A fill with the detail that its reduction could not hold.

    Args:
        fill: `[h, w, 3]`, the fill enlarged to the picture's resolution, values about [0, 1].
        picture: `[h, w, 3]` in [0, 1], known outside of `hidden`.
        hidden: `[h, w]`, pixels that may not be copied from.
        wanted: `[h, w]`, pixels that get detail.
        scaled: height and width at which the fill was made.
        monitor: progress and cancelling.

    Returns:
        `[h, w, 3]`; equal to `fill` outside of `wanted`, and where nothing known is left to copy from.
    """
    scale = max(fill.shape[:2]) / max(scaled)
    composite = np.where(hidden[..., None], fill, picture).astype(np.float32)
    small = np.asarray(cv2.resize(composite, scaled[::-1], interpolation=cv2.INTER_AREA), np.float32)
    smooth = np.asarray(cv2.resize(small, fill.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    # The reduction mixes what is hidden into its neighbours, so their detail is not all theirs.
    known = ~dilate(hidden, int(np.ceil(2 * scale)))
    field = _field(small, smooth, known, wanted, scale, monitor)
    if field is None:
        return fill
    rows, cols = np.nonzero(wanted & (field.rows >= 0))
    from_rows, from_cols = field.rows[rows, cols], field.cols[rows, cols]
    detail = picture[from_rows, from_cols] - smooth[from_rows, from_cols]
    likeness = 1 / (1 + field.distance[rows, cols] / (3 * LIKENESS**2))
    refined = fill.copy()
    refined[rows, cols] += detail * likeness[:, None]
    return refined


def _field(
    small: Float, smooth: Float, known: Mask, wanted: Mask, scale: float, monitor: Monitor | None
) -> Field | None:
    """Which known patch of the picture each wanted patch looks like: sought at the fill's own size, then in place."""
    size = small.shape[1::-1]
    small_wanted = cv2.resize(wanted.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    small_known = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 1
    sources, fine_sources = whole_patches(small_known, PATCH), whole_patches(known, PATCH)
    if not sources.any() or not fine_sources.any():
        return None
    coarse = nearest(small, small_wanted, sources, patch=PATCH, rounds=ROUNDS, monitor=monitor)
    start = _enlarged(coarse, wanted.shape, scale)
    return nearest(
        smooth, wanted, fine_sources, patch=PATCH, rounds=1, start=start, reach_px=int(np.ceil(scale)), monitor=monitor
    )


def _enlarged(field: Field, shape: tuple[int, ...], scale: float) -> Field:
    """The same matches for every pixel of a finer grid: offsets grow with the scale."""
    rows, cols = np.indices(shape)
    near_rows = np.minimum((rows / scale).astype(int), field.rows.shape[0] - 1)
    near_cols = np.minimum((cols / scale).astype(int), field.rows.shape[1] - 1)
    found = field.rows[near_rows, near_cols] >= 0
    down = np.rint((field.rows[near_rows, near_cols] - near_rows) * scale).astype(np.int32)
    across = np.rint((field.cols[near_rows, near_cols] - near_cols) * scale).astype(np.int32)
    place = lambda base, offset: np.where(found, base + offset, -1).astype(np.int32)  # noqa: E731
    return Field(place(rows, down), place(cols, across), np.zeros(shape, np.float32))

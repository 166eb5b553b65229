"""From where a fill was copied, as a picture: sources and fill in matching colours, and arrows between them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..attribution.provenance import arrows, draw_arrows, matching_colours
from ..attribution.report import Attribution
from ..imaging.errors import InputError
from .explaining import Explanation
from .views import View

RGBA = NDArray[np.uint8]
COLOUR_OPACITY = 0.55


def sources_rgba(explanation: Explanation) -> RGBA:
    """Colours and arrows `[h, w, 4]` of the explanation's box, transparent where nothing was copied from or to.

    Raises:
        InputError: the explanation's method does not tell from where pixels were copied.
    """
    drawn = np.zeros((*explanation.box.size, 4), np.uint8)
    for view, part in explanation.parts:
        if part.provenance is None:
            raise InputError(
                "Only the method provenance tells from where a fill was copied: take --backend exemplar, or leave "
                "--sources away."
            )
        place = view.window.box.relative_to(explanation.box).slices
        drawn[place] = over(drawn[place], _part(view, part))
    return drawn


def _part(view: View, part: Attribution) -> RGBA:
    """One window's colours and arrows at the resolution of the picture."""
    assert part.provenance is not None
    colours = matching_colours(part.provenance, part.target)
    colours[..., 3] = np.rint(colours[..., 3] * COLOUR_OPACITY)
    height, width = view.window.scaled
    size = view.window.box.size[::-1]
    coarse = np.ascontiguousarray(colours[:height, :width])
    colours = cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST)
    lines = draw_arrows(arrows(part.provenance, part.target), part.target.shape)[:height, :width]
    lines = cv2.resize(np.ascontiguousarray(lines), size, interpolation=cv2.INTER_LINEAR)
    return over(np.asarray(colours, np.uint8), np.asarray(lines, np.uint8))


def over(below: RGBA, above: RGBA) -> RGBA:
    """One picture with transparency over another."""
    top = above[..., 3:].astype(np.float32) / 255
    under = below[..., 3:].astype(np.float32) / 255 * (1 - top)
    alpha = top + under
    mixed = above[..., :3] * top + below[..., :3] * under
    return np.concatenate([mixed / np.maximum(alpha, 1e-6), alpha * 255], 2).round().astype(np.uint8)

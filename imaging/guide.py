"""Lines that a person drew to steer a fill."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .box import Size
from .errors import InputError
from .hole import Mask, threshold


def drawn_lines(drawing: NDArray[np.generic], size: Size) -> Mask:
    """Where lines are, `[H, W]`: dark strokes on a bright ground or bright ones on a dark ground alike.

    Args:
        drawing: `[H, W]`, as for a mask: bool, integers, or floats in [0, 1].
        size: height and width of the picture.

    Raises:
        InputError: another size than the picture's, or nothing is drawn.
    """
    try:
        bright = threshold(drawing, size)
    except InputError as error:
        raise InputError(str(error).replace("The mask", "The guide").replace("the mask", "the guide")) from error
    lines = bright if bright.mean() <= 0.5 else ~bright
    if not lines.any():
        raise InputError("The guide is empty: draw lines on it where edges should run, or leave --guide away.")
    return lines

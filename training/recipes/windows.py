"""Square windows around holes, which local discriminators look at."""

from __future__ import annotations

import torch
from torch import Tensor


def around(pictures: Tensor, hole: Tensor, side: int) -> Tensor:
    """Of each picture a square around its hole, moved to lie inside of the picture.

    Args:
        pictures: `[N, C, H, W]`.
        hole: `[N, 1, H, W]` in {0, 1}; of one that is larger than the square, the middle of its box is seen.
        side: height and width of the squares, px, at most those of the pictures.

    Returns:
        `[N, C, side, side]`; gradients flow to `pictures`.
    """
    rows = _places(hole.amax((1, 3)) > 0.5, side)
    columns = _places(hole.amax((1, 2)) > 0.5, side)
    items = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    return pictures.movedim(1, -1)[items, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def _places(covered: Tensor, side: int) -> Tensor:
    """Indices `[N, side]` around the middle of what is covered, `[N, S]`; where nothing is, from the first on."""
    length = covered.shape[1]
    counts = covered.to(torch.uint8)
    first, last = counts.argmax(1), length - 1 - counts.flip(1).argmax(1)
    start = ((first + last + 1) // 2 - side // 2).clamp(0, length - side)
    return start[:, None] + torch.arange(side, device=covered.device)

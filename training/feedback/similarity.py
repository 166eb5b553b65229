"""How well restored pictures fit their target texts, judged in a way that is hard to cheat.

A frozen network can be satisfied by a faint pattern that no eye sees (Szegedy et al. 2014). Such patterns depend on
where they lie and on exact values; so several random parts of a picture are judged, mirrored at random and with a
little noise, and the mean counts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PART_SHARE = (0.6, 0.8)
"""Range of the side of a part, as a share of the picture's."""
NOISE = 0.004
"""Standard deviation of the noise, about one step of 8 bits."""
SMALLEST_PX = 24
MARGIN = 10
"""One part in so many along each side is not judged: padding shows a network where the border is, to draw there."""


def similarity(words: nn.Module, pictures: Tensor, numbers: Tensor, draw: Tensor, views: int) -> Tensor:
    """`[N]` in [-1, 1]: the mean similarity of random parts of each picture with its text.

    Args:
        words: the second model.
        pictures: `[N, 3, S, S]`, about [0, 1].
        numbers: tokens `[N, L]`.
        draw: `[N]`, the seed of what is drawn for each picture.
        views: parts of each picture.
    """
    total = torch.zeros(len(pictures), device=pictures.device)
    for view in range(views):
        sides, parts = _parts(pictures, draw, view)
        for side in dict.fromkeys(sides):
            chosen = [index for index, one in enumerate(sides) if one == side]
            cosine, _ = words(torch.stack([parts[index] for index in chosen]), numbers[chosen])
            total = total.index_add(0, torch.tensor(chosen, device=total.device), cosine)
    return total / views


def _parts(pictures: Tensor, draw: Tensor, view: int) -> tuple[list[int], list[Tensor]]:
    """Sides and pixels of one part of each picture."""
    whole, sides, parts = pictures.shape[-1], [], []
    margin = min(whole // MARGIN, max(0, whole - SMALLEST_PX) // 2)
    for picture, seed in zip(pictures, draw.tolist(), strict=True):
        drawing = torch.Generator().manual_seed(seed * 31 + view)
        # Few different sides, for parts of one side go through the network together.
        share = PART_SHARE[0] + (PART_SHARE[1] - PART_SHARE[0]) * torch.randint(0, 3, (), generator=drawing).item() / 2
        side = min(whole - 2 * margin, max(SMALLEST_PX, round(share * whole)))
        top, left = (margin + int(torch.randint(0, whole - 2 * margin - side + 1, (), generator=drawing)) for _ in "yx")
        part = picture[:, top : top + side, left : left + side]
        if torch.rand((), generator=drawing) < 0.5:
            part = part.flip(-1)
        noise = torch.randn(part.shape, generator=drawing).to(part) * NOISE
        sides.append(side)
        parts.append((part + noise).clamp(0, 1))
    return sides, parts

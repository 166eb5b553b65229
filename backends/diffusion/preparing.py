"""What diffusion models are given: pictures whose hidden pixels tell nothing, holes on their grid, their own noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from ...imaging.errors import InputError


def covered(image: Tensor, hidden: Tensor) -> Tensor:
    """The picture with hidden pixels painted over by a smooth continuation of the others.

    The others are averaged over ever larger squares, and each hidden pixel takes the smallest square that has any
    (pull-push; Gortler et al. 1996, The Lumigraph). Nothing depends on what hidden pixels hold.

    Args:
        image: `[N, 3, H, W]` in [0, 1].
        hidden: `[N, 1, H, W]` in {0, 1}, 1 = hidden.

    Returns:
        `[N, 3, H, W]` in [0, 1]; grey where everything is hidden.
    """
    known = torch.where(hidden > 0, 0.0, image.clamp(0, 1))
    return _pull_push(known, (hidden <= 0).to(image.dtype))


def _pull_push(total: Tensor, weight: Tensor) -> Tensor:
    """Means `total / weight`, those without weight from the next coarser level."""
    mean = total / weight.clamp_min(torch.finfo(total.dtype).tiny)
    if max(total.shape[-2:]) == 1:
        return torch.where(weight > 0, mean, 0.5)
    if bool((weight > 0).all()):
        return mean
    coarse = _pull_push(_halved(total), _halved(weight))
    spread = interpolate(coarse, scale_factor=2, mode="bilinear")[..., : total.shape[-2], : total.shape[-1]]
    return torch.where(weight > 0, mean, spread)


def _halved(values: Tensor) -> Tensor:
    # Not divided by the count of pixels: totals and weights are only ever divided by each other.
    return avg_pool2d(values, 2, ceil_mode=True, divisor_override=1)


def on_grid(hidden: Tensor, cell: int) -> Tensor:
    """The mask `[N, 1, H, W]` grown to whole cells of `cell` pixels: a cell with any hidden pixel is hidden.

    Pipelines shrink a mask by taking one pixel of each cell, which would call cells known that are not.
    """
    if cell <= 1:
        return hidden
    height, width = hidden.shape[-2:]
    cells = max_pool2d(hidden, cell, ceil_mode=True)
    return cells.repeat_interleave(cell, -2).repeat_interleave(cell, -1)[..., :height, :width]


def generators(seed: int | Sequence[int], count: int) -> list[Generator]:
    """A generator for each picture: the same for all, or one for each of a sequence of seeds.

    They live on the CPU, so that every device is given the same noise.

    Raises:
        InputError: there are not as many seeds as pictures.
    """
    seeds = list(seed) if isinstance(seed, Sequence) else [seed] * count
    if len(seeds) != count:
        raise InputError(f"{len(seeds)} seeds were given for {count} pictures: give one seed, or one for each.")
    # Generators take 64 bits and no sign; whoever hashes a name into a seed may have more.
    return [Generator().manual_seed(int(one) % (1 << 63)) for one in seeds]

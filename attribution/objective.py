"""The one number that is explained: what the network painted into the target, as a scalar."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..imaging.errors import InputError

Objective = Callable[[Tensor], Tensor]
"""From raw outputs `[N, 3, H, W]` to one value each, `[N]`."""

EPSILON = 1e-8
"""Added under the root of the gradient detector: edges of a hundredth of a grey level of 255 still count, and the
slope stays finite where the output is flat."""


def has_edges(target: Tensor) -> bool:
    """Whether the gradient detector has anything to measure in `target`, bool `[H, W]`."""
    return bool(_anchors(target).any())


def _anchors(target: Tensor) -> Tensor:
    return target[:-1, :-1] & target[1:, :-1] & target[:-1, 1:]


def gradient_detector(target: Tensor, epsilon: float = EPSILON) -> Objective:
    """How much structure was painted: the sum over `T` and the channels of `sqrt(dx² + dy² + ε)`.

    Forward differences of the raw output, over pixel triples (a pixel, the one below, the one to the right) that all
    lie in the target. LAM by Gu & Dong has no `ε`, so its slope on flat areas isn't finite.

    Args:
        target: bool `[H, W]`.
        epsilon: squared value range per pixel.

    Raises:
        InputError: the target holds no such triple.
    """
    anchors = _anchors(target)
    if not bool(anchors.any()):
        raise InputError(
            "The part of the fill to explain is nowhere two pixels wide and high, so it has no edges to measure; "
            'grow the hole by a pixel or two, or take the objective "intensity".'
        )
    rows, columns = _box(anchors)
    inside = anchors[rows, columns]

    def detect(output: Tensor) -> Tensor:
        part = _wide(output[:, :, rows.start : rows.stop + 1, columns.start : columns.stop + 1])
        corner = part[:, :, :-1, :-1]
        down, right = part[:, :, 1:, :-1] - corner, part[:, :, :-1, 1:] - corner
        return (down.square() + right.square() + epsilon).sqrt()[:, :, inside].sum((1, 2))

    return detect


def intensity(target: Tensor) -> Objective:
    """How bright the fill is: the sum of the raw output over the target and the channels.

    Args:
        target: bool `[H, W]`, with at least one pixel.
    """
    rows, columns = _box(target)
    inside = target[rows, columns]
    return lambda output: _wide(output[:, :, rows, columns])[:, :, inside].sum((1, 2))


OBJECTIVES: dict[str, Callable[[Tensor], Objective]] = {"gradient": gradient_detector, "intensity": intensity}


def objective_named(name: str, target: Tensor) -> Objective:
    """Make the objective called `name` for a target bool `[H, W]`.

    Raises:
        InputError: there is none of that name, or the target is too thin for it.
    """
    if name not in OBJECTIVES:
        raise InputError(f'There is no objective "{name}"; choose one of {", ".join(OBJECTIVES)}.')
    return OBJECTIVES[name](target)


def _box(mask: Tensor) -> tuple[slice, slice]:
    """The smallest rows and columns that hold all of `mask`; only they are looked at, the rest of the output is not."""
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _wide(values: Tensor) -> Tensor:
    """Float64 where the device has it: the check of completeness subtracts two large sums."""
    return values.float() if values.device.type == "mps" else values.to(torch.float64)

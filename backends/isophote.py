"""Isophote diffusion (Bertalmio, Sapiro, Caselles & Ballester, SIGGRAPH 2000, Image Inpainting).

Inside the hole, smoothness (the Laplacian) is transported along the lines of equal brightness, `I_t = (grad L . N)
|grad I|`, and a few steps of curvature-driven diffusion, `I_t = kappa |grad I|`, follow every few steps of transport.
As in the paper, `N` is the direction across the gradient, central differences give `N` and `grad L` (the latter not
halved), `|grad I|` is slope-limited, and the time step is 0.1 for values in [0, 1].

Where this goes its own way: each colour channel is filled by itself, not luminance and two chroma components, and
known pixels are smoothed neither beforehand nor in a band around the hole, since neither made fills of photographs any
better. The hole is filled from coarse scales to fine ones, so that few steps are enough. The transport has a sense:
turning a picture turns its fill, but mirroring it mirrors the fill only nearly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from ..imaging.monitor import Monitor
from .classical import Mask, SolverBackend
from .protocol import BackendInfo, Value

TIME_STEP = 0.1
STEADY = 0.0005
"""Largest change of any pixel in a round at which a scale counts as finished."""
FLAT = 1e-6
"""Squared gradient below which a direction means little; keeps quotients and gradients finite."""
SMALL = 1e-12
"""Keeps the derivative of a root finite."""

CROSS = ((0, 1), (0, -1), (1, 0), (-1, 0))
DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))

Advance = Callable[[Tensor, Tensor], Tensor]
"""Values `[3, n]` of the hole and `[3, k]` of the known pixels around it to new values of the hole."""


@dataclass(frozen=True)
class Stencils:
    """Where the neighbours of each pixel are, for the pixels of a hole and those that its filling looks at.

    Pixels are numbered: first those of the hole, then those beside them, then those beside these. Beyond the edge of
    the picture a pixel is its own neighbour.

    Attributes:
        hole: how many pixels the hole has.
        near: how many pixels the hole and those beside them are.
        order: `[p]`, place of each numbered pixel in the flattened picture.
        around_near: `[4, near]`, numbers of the neighbours right, left, below, above.
        around_hole: `[8, hole]`, the same and those below right, below left, above right, above left.
    """

    hole: int
    near: int
    order: Tensor
    around_near: Tensor
    around_hole: Tensor

    @classmethod
    def of(cls, hole: Mask) -> Stencils:
        """For a hole `[h, w]`."""
        beside = np.asarray(ndimage.binary_dilation(hole), bool)
        far = np.asarray(ndimage.binary_dilation(beside, np.ones((3, 3), bool)), bool)
        order = np.concatenate([np.flatnonzero(part) for part in (hole, beside & ~hole, far & ~beside)])
        number = np.zeros(hole.size, np.int64)
        number[order] = np.arange(len(order))

        def neighbours(count: int, directions: tuple[tuple[int, int], ...]) -> Tensor:
            y, x = np.divmod(order[:count], hole.shape[1])
            rows = [np.clip(y + down, 0, hole.shape[0] - 1) for down, _ in directions]
            columns = [np.clip(x + right, 0, hole.shape[1] - 1) for _, right in directions]
            return torch.from_numpy(number[np.stack(rows) * hole.shape[1] + np.stack(columns)])

        inside, near = int(hole.sum()), int(beside.sum())
        around = neighbours(near, CROSS), neighbours(inside, CROSS + DIAGONAL)
        return cls(inside, near, torch.from_numpy(order), *around)


def _at(values: Tensor, places: Tensor) -> tuple[Tensor, ...]:
    """For each row of `places` `[d, n]` the values `[3, n]` there, from `[3, p]`."""
    flat = places.reshape(1, -1).expand(len(values), -1)
    return values.gather(1, flat).view(len(values), *places.shape).unbind(1)


def transport(hole: Tensor, known: Tensor, stencils: Stencils) -> Tensor:
    """One step of transport; arguments and result as in `Advance`."""
    values = torch.cat([hole, known], 1)
    around = _at(values, stencils.around_near)
    laplacian = sum(around) - 4 * values[:, : stencils.near]
    smooth_right, smooth_left, smooth_below, smooth_above = _at(laplacian, stencils.around_hole[: len(CROSS)])
    right, left, below, above = (side[:, : stencils.hole] for side in around)
    across, down = (right - left) / 2, (below - above) / 2
    along_isophote = (smooth_below - smooth_above) * across - (smooth_right - smooth_left) * down
    speed = along_isophote * torch.rsqrt(across * across + down * down + FLAT)
    ahead, behind = (right - hole, below - hole), (hole - left, hole - above)
    rise = speed.clamp_min(0) * _limited_slope(behind, ahead)
    fall = speed.clamp_max(0) * _limited_slope(ahead, behind)
    return hole + TIME_STEP * (rise + fall)


def _limited_slope(negative: tuple[Tensor, ...], positive: tuple[Tensor, ...]) -> Tensor:
    """Length of the gradient from what is below 0 of some one-sided differences and above 0 of others."""
    squares = [part.clamp_max(0).square() for part in negative] + [part.clamp_min(0).square() for part in positive]
    return torch.stack(squares).sum(0).add(SMALL).sqrt()


def diffusion(hole: Tensor, known: Tensor, stencils: Stencils) -> Tensor:
    """One step of anisotropic diffusion, only along isophotes; arguments and result as in `Advance`."""
    right, left, below, above, *diagonal = _at(torch.cat([hole, known], 1), stencils.around_hole)
    below_right, below_left, above_right, above_left = diagonal
    across, down = (right - left) / 2, (below - above) / 2
    across_2, down_2 = right + left - 2 * hole, below + above - 2 * hole
    mixed = (below_right - below_left - above_right + above_left) / 4
    bend = across_2 * down * down - 2 * across * down * mixed + down_2 * across * across
    return hole + TIME_STEP * bend / (across * across + down * down + FLAT)


class _Round(torch.autograd.Function):
    """Many steps, of which only the first and the last state are kept; the backward pass takes the steps again."""

    @staticmethod
    def forward(ctx: Any, hole: Tensor, known: Tensor, advance: Advance) -> Tensor:
        ctx.save_for_backward(hole, known)
        ctx.advance = advance
        return advance(hole, known)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            hole, known = (tensor.detach().requires_grad_() for tensor in ctx.saved_tensors)
            result = ctx.advance(hole, known)
        return *torch.autograd.grad(result, (hole, known), gradients), None


def fill(picture: Tensor, hidden: Tensor, settings: Mapping[str, Value], monitor: Monitor) -> Tensor:
    """Fill from the coarsest scale to the finest; differentiable. See `classical.Solver`."""
    scales = pyramid(picture, hidden)
    work = [int(unknown.sum()) for _, unknown in scales]
    coarser = scales[-1][0]
    for index in range(len(scales) - 2, -1, -1):
        picture, hidden = scales[index]
        guess = F.interpolate(coarser[None], size=hidden.shape, mode="bilinear", align_corners=False)[0]
        part = monitor.part(sum(work[index + 1 :]) / sum(work), sum(work[index:]) / sum(work))
        coarser = _one_scale(torch.where(hidden, guess, picture), hidden, settings, part)
    return coarser


def pyramid(picture: Tensor, hidden: Tensor) -> list[tuple[Tensor, Tensor]]:
    """A picture `[3, h, w]` and its hidden pixels `[h, w]` at half the size again and again, until none is hidden.

    A coarse pixel is the mean of what is known below it, and hidden only where nothing is. Odd sides are halved by
    pixels that overlap, so that the pyramid of the turned picture is the turned pyramid.
    """
    scales = [(picture, hidden)]
    while scales[-1][1].any():
        picture, hidden = scales[-1]
        known = (~hidden).to(picture.dtype)[None]
        size = -(-hidden.shape[0] // 2), -(-hidden.shape[1] // 2)
        total, weight = (F.adaptive_avg_pool2d(part[None], size)[0] for part in (picture * known, known))
        scales.append((total / weight.clamp_min(SMALL), weight[0] == 0))
    return scales


def _one_scale(picture: Tensor, hidden: Tensor, settings: Mapping[str, Value], monitor: Monitor) -> Tensor:
    """Rounds of transport and diffusion from what the hole in the picture `[3, h, w]` holds already."""
    stencils = Stencils.of(hidden.numpy())
    values = picture.flatten(1)[:, stencils.order]
    hole, known = values[:, : stencils.hole], values[:, stencils.hole :]
    rounds = int(settings["iterations"])

    def advance(hole: Tensor, known: Tensor) -> Tensor:
        steps = [transport] * int(settings["transport-steps"]) + [diffusion] * int(settings["diffusion-steps"])
        for step in steps:
            monitor.check()
            hole = step(hole, known, stencils)
        return hole

    for index in range(rounds):
        monitor.report("filling", index / rounds)
        before, hole = hole, torch.as_tensor(_Round.apply(hole, known, advance))
        if bool((hole - before).detach().abs().max() < STEADY):
            break
    filled = picture.flatten(1).index_copy(1, stencils.order[: stencils.hole], hole)
    return filled.view_as(picture)


def load(info: BackendInfo, device: str) -> SolverBackend:
    """`isophote`."""
    return SolverBackend(info, fill)

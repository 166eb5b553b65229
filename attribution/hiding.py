"""Methods that ask no gradients: hide a part of the picture, fill again, and see how much the fill changes.

What is hidden is given to the model as unknown, as if it belonged to the hole, so that a model that copies pixels has
nothing there to copy. A patch painted over with grey, as usual for classifiers, would be copied instead.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..imaging.box import Box
from .methods import Outcome, Task
from .report import BaselineFacts

LEAST_SIDE_PX = 4
"""Patches are not split below this side: what a model does with a few pixels less says little."""
COARSE_SHARE = 0.4
"""Share of the evaluations that the first, coarse look at all of the picture takes."""
FLOOR_PERCENTILE = 50
"""Half of the coarse patches is taken to matter nothing: a model that draws lots, or that looks at all of the
picture at once, changes its fill a little whatever is hidden."""
AT_ONCE = 4
"""Patches that are cut before the next heaviest are looked for; their parts go through the model in one batch."""
HIDDEN_SHARE = 0.15
"""Share of the picture that a random mask hides: with more, the fill loses all it could come from."""
CELLS_ACROSS = 12
"""Cells of a random mask along the longer side of the picture."""


@dataclass(order=True)
class _Patch:
    """A square of the picture in a queue that gives the heaviest first.

    Attributes:
        rank: minus the mass, so that the smallest rank is the heaviest patch.
        place: top, left, height, width.
    """

    rank: float
    place: tuple[int, int, int, int]

    @property
    def box(self) -> Box:
        return Box(*self.place)

    @property
    def divisible(self) -> bool:
        return min(self.place[2:]) >= 2 * LEAST_SIDE_PX


def change(outputs: Tensor, original: Tensor, target: Tensor) -> Tensor:
    """How much fills differ from the original one: absolute differences summed over target and channels, `[N]`.

    Args:
        outputs: `[N, 3, H, W]`.
        original: `[1, 3, H, W]`.
        target: bool `[H, W]`.
    """
    return (outputs - original)[:, :, target].abs().sum((1, 2), dtype=torch.float64)


def occlusion(task: Task) -> Outcome:
    """Hide one patch after another, coarse to fine, only where it matters (after Zeiler & Fergus 2014).

    A grid of coarse patches covers the picture. Then the patch with the most mass is cut into four, which share out
    its mass by how much the fill changes without each of them, and so on until the evaluations are used up. The map
    adds up to the changes for the coarse patches, less what hiding a patch that does not matter changes.
    """
    budget = task.steps or task.max_evaluations
    original = task.evaluate.fills(task.image, torch.zeros_like(task.known))
    grid = _grid(task.known, max(1, int(COARSE_SHARE * (budget - 1))))
    changes = np.array(_changes(task, original, grid))
    masses = np.maximum(0, changes - np.percentile(changes, FLOOR_PERCENTILE))
    queue = [_Patch(-float(mass), place) for mass, place in zip(masses, grid, strict=True)]
    heapq.heapify(queue)
    leaves: list[_Patch] = []
    while queue and queue[0].rank < 0 and task.evaluate.evaluations + 4 <= budget:
        chosen = _heaviest(queue, leaves, min(AT_ONCE, (budget - task.evaluate.evaluations) // 4))
        parts = [_quarters(patch, task.known) for patch in chosen]
        found = iter(_changes(task, original, [place for part in parts for place in part]))
        for patch, part in zip(chosen, parts, strict=True):
            for child in _shared(patch, part, [next(found) for _ in part]):
                heapq.heappush(queue, child)
    return Outcome(_painted(task.known, leaves + queue), _value(task, original), None, BaselineFacts("hidden"))


def _grid(known: Tensor, most: int) -> list[tuple[int, int, int, int]]:
    """The smallest squares, at most `most`, that cover all known pixels of `[1, 1, H, W]`."""
    height, width = known.shape[-2:]
    visible = known[0, 0].cpu().numpy() > 0
    # Fewer squares than this many pixels in each could not cover what is known.
    side = max(LEAST_SIDE_PX, int((np.count_nonzero(visible) / most) ** 0.5))
    while True:
        grid = [
            (top, left, min(side, height - top), min(side, width - left))
            for top in range(0, height, side)
            for left in range(0, width, side)
        ]
        grid = [place for place in grid if visible[Box(*place).slices].any()]
        if len(grid) <= most or side >= max(height, width):
            return grid
        side += max(1, side // 8)


def _inside(values: Tensor, place: tuple[int, int, int, int]) -> Tensor:
    rows, columns = Box(*place).slices
    return values[..., rows, columns]


def _heaviest(queue: list[_Patch], leaves: list[_Patch], count: int) -> list[_Patch]:
    """Take up to `count` patches that can be cut from the queue; those that cannot become leaves."""
    chosen: list[_Patch] = []
    while queue and queue[0].rank < 0 and len(chosen) < count:
        patch = heapq.heappop(queue)
        (chosen if patch.divisible else leaves).append(patch)
    return chosen


def _quarters(patch: _Patch, known: Tensor) -> list[tuple[int, int, int, int]]:
    top, left, height, width = patch.place
    down, across = height // 2, width // 2
    quarters = [
        (top + y, left + x, h, w)
        for y, h in ((0, down), (down, height - down))
        for x, w in ((0, across), (across, width - across))
    ]
    return [place for place in quarters if _inside(known, place).any()]


def _changes(task: Task, original: Tensor, places: list[tuple[int, int, int, int]]) -> list[float]:
    """How much the fill changes where each of these patches is hidden; 0 where that would hide all of the picture."""
    if not places:
        return []
    hidden = torch.zeros((len(places), *task.known.shape[1:]), device=task.known.device)
    for index, place in enumerate(places):
        _inside(hidden[index], place).fill_(1)
    possible = ((1 - hidden) * task.known).flatten(1).any(1)
    changes = torch.zeros(len(places), dtype=torch.float64)
    if bool(possible.any()):
        some = hidden[possible]
        outputs = task.evaluate.fills(task.image.expand(len(some), -1, -1, -1), some)
        changes[possible.cpu()] = change(outputs, original, task.target).cpu()
    return changes.tolist()


def _shared(patch: _Patch, places: list[tuple[int, int, int, int]], changes: list[float]) -> list[_Patch]:
    """The parts of a patch with its mass shared out; evenly where no part alone changes anything."""
    total = sum(changes)
    shares = [one / total for one in changes] if total > 0 else [1 / len(places)] * len(places)
    return [_Patch(patch.rank * share, place) for place, share in zip(places, shares, strict=True)]


def _painted(known: Tensor, patches: list[_Patch]) -> np.ndarray:
    """Each patch's mass shared out evenly among its known pixels and the channels: float32 `[3, H, W]`."""
    visible = known[0, 0].cpu().numpy()
    values = np.zeros(visible.shape, np.float64)
    for patch in patches:
        part = visible[patch.box.slices]
        values[patch.box.slices] = -patch.rank / max(1.0, part.sum()) * part
    return np.repeat(values[None] / 3, 3, 0).astype(np.float32)


def _value(task: Task, original: Tensor) -> float:
    return float(task.objective(original)[0])


def rise(task: Task) -> Outcome:
    """Random masks (after RISE, Petsiuk et al. 2018): how much more the fill changes where a pixel is hidden.

    Each mask hides random cells of a grid that is shifted for each mask. A pixel's value is the mean change of the
    fill over the masks that hide it less the mean over those that don't; what is not the pixel's own work cancels out
    as the number of masks grows. The standard error goes with the map.
    """
    count = (task.steps or task.max_evaluations) - 1
    original = task.evaluate.fills(task.image, torch.zeros_like(task.known))
    hidden = _random_masks(count, task.known, task.seed)
    changes = np.concatenate(
        [
            change(task.evaluate.fills(task.image.expand(len(some), -1, -1, -1), some), original, task.target).cpu()
            for some in hidden.split(max(1, task.evaluate.batch))
        ]
    )
    masks = hidden[:, 0].cpu().numpy()
    lost, kept = _mean_and_error(masks, changes), _mean_and_error(1 - masks, changes)
    visible = task.known[0, 0].cpu().numpy()
    pixels = (lost[0] - kept[0]) * visible
    contributions = np.repeat(pixels[None] / 3, 3, 0).astype(np.float32)
    error = (np.hypot(lost[1], kept[1]) * visible).astype(np.float32)
    return Outcome(contributions, _value(task, original), None, BaselineFacts("hidden"), standard_error=error)


def _random_masks(count: int, known: Tensor, seed: int) -> Tensor:
    """Float32 `[count, 1, H, W]` in {0, 1}: cells of a shifted grid, `HIDDEN_SHARE` of them hidden."""
    height, width = known.shape[-2:]
    side = max(LEAST_SIDE_PX, -(-max(height, width) // CELLS_ACROSS))
    rng = np.random.default_rng(seed)
    cells = rng.random((count, height // side + 2, width // side + 2)) < HIDDEN_SHARE
    masks = np.zeros((count, 1, height, width), np.float32)
    for mask, cell, (down, across) in zip(masks, cells, rng.integers(0, side, (count, 2)), strict=True):
        large = cell.repeat(side, 0).repeat(side, 1)
        mask[0] = large[down : down + height, across : across + width]
    hidden = torch.from_numpy(masks).to(known.device)
    # One that hides all that is known cannot be filled from anything.
    hidden[~((1 - hidden) * known).flatten(1).any(1)] = 0
    return hidden


def _mean_and_error(chosen: np.ndarray, changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the mean of `changes` `[N]` over the masks `[N, H, W]` that choose it, and its standard error."""
    count = chosen.sum(0)
    mean = np.tensordot(changes, chosen, 1) / np.maximum(count, 1)
    square = np.tensordot(changes**2, chosen, 1) / np.maximum(count, 1)
    error = np.sqrt(np.maximum(square - mean**2, 0) / np.maximum(count - 1, 1))
    return np.where(count > 0, mean, 0), np.where(count > 1, error, 0)

"""The test of an explanation: hide what it points at, fill again, and see whether the fill changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .evaluator import Model
from .guard import careful, reseed

TRIES = 8
"""How often a place is drawn for a control before one that hides less than the region is taken."""


@dataclass(frozen=True)
class Exclusion:
    """How much the fill changes without the region, and without as much of the picture elsewhere.

    Changes are mean absolute differences over the target, in levels of 255.

    Attributes:
        region_px: known pixels in the region.
        change: of the fill when the region is hidden.
        elsewhere: of the fill when as many pixels, in the same shape moved elsewhere, are hidden; one for each control.
    """

    region_px: int
    change: float
    elsewhere: tuple[float, ...]

    @property
    def times(self) -> float | None:
        """How many times more the region matters than the same elsewhere; None where nothing elsewhere matters."""
        mean = float(np.mean(self.elsewhere)) if self.elsewhere else 0.0
        return self.change / mean if mean > 0 else None

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        told = f"Filled again without that region, the fill changes by {self.change:.1f} of 255 levels"
        if not self.elsewhere:
            return f"{told}."
        mean = float(np.mean(self.elsewhere))
        verdict = "" if self.change > mean else ", so the region matters no more than others"
        return f"{told}; without as much elsewhere by {mean:.1f}{verdict}."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "times": self.times, "sentence": self.sentence}


def exclusion_test(
    model: Model,
    image: Tensor,
    hole: Tensor,
    region: np.ndarray,
    target: np.ndarray,
    *,
    controls: int = 4,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Exclusion:
    """Hide `region` from the model and compare its fill with the original one; then do the same elsewhere.

    Args:
        model: as for `explain`.
        image: float32 `[1, 3, H, W]` in [0, 1].
        hole: `[1, 1, H, W]` in {0, 1}, 1 = unknown.
        region: bool `[H, W]`, what to hide; its part in the hole does not count.
        target: bool `[H, W]`, where fills are compared.
        controls: how many other places are tried.
        seed: of the places, and of a model that draws random numbers.
        monitor: progress and cancelling.

    Raises:
        InputError: the region holds no known pixel or all of them.
    """
    monitor = monitor or Monitor()
    known = hole[0, 0].cpu().numpy() < 0.5
    inside = region & known
    if not inside.any():
        raise InputError("The region lies wholly in the hole, so there is nothing to hide: choose another one.")
    if inside.sum() == known.sum():
        raise InputError("The region is all that is known, so nothing would be left to fill from: make it smaller.")
    hidden = [np.zeros_like(known), inside, *_elsewhere(inside, known, controls, seed)]
    fills = []
    with careful(model, image.device), torch.no_grad():
        for index, lost in enumerate(hidden):
            monitor.report("hiding the region", index / len(hidden))
            reseed(image.device, seed)
            unknown = torch.maximum(hole, torch.from_numpy(lost).to(hole)[None, None])
            fills.append(model(image * (1 - unknown), unknown)[0][:, torch.from_numpy(target)].double())
    changes = [255 * float((fill - fills[0]).abs().mean()) for fill in fills[1:]]
    return Exclusion(int(inside.sum()), changes[0], tuple(changes[1:]))


def _elsewhere(inside: np.ndarray, known: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The region moved (and wrapped) to places where it hides about as many known pixels, none of them its own."""
    rng = np.random.default_rng(seed)
    rest = known & ~inside
    places = []
    for _ in range(count if rest.sum() > inside.sum() else 0):
        best = np.zeros_like(known)
        for _try in range(TRIES):
            moved = np.roll(inside, tuple(int(rng.integers(0, side)) for side in known.shape), (0, 1)) & rest
            best = moved if moved.sum() > best.sum() else best
        # What the move left in the hole or in the region itself is made up for by pixels at random.
        lack = int(inside.sum() - best.sum())
        free = np.flatnonzero(rest & ~best)
        best.flat[rng.choice(free, min(lack, len(free) - 1), replace=False)] = True
        places.append(best)
    return places


def seed_spread(fills: Tensor, target: np.ndarray) -> float:
    """How much fills `[N, 3, H, W]` of the same hole differ by their seed alone.

    Returns:
        Mean absolute difference to the first over the target, in levels of 255; 0 for one fill.
    """
    if len(fills) < 2:
        return 0.0
    parts = fills[:, :, torch.from_numpy(target)].double()
    return 255 * float((parts[1:] - parts[:1]).abs().mean())

"""Methods whose mathematics is Captum's: plain gradients, integrated gradients, occlusion."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients, Occlusion, Saliency
from torch import Tensor
from torch.nn import functional

from .integral import relative_error
from .methods import Outcome, Task
from .report import BaselineFacts

FIRST_INTEGRATION_POINTS = 6
"""Inner points of the first try of integrated gradients; with the two ends as many evaluations as path-ig starts with.
Gauss-Legendre points are always inner ones and cannot be used again, so each further try doubles their number."""


def gradient(task: Task) -> Outcome:
    """The gradient of the objective at the picture (Simonyan et al. 2013), signed."""
    return _from_gradient(task, lambda images: Saliency(task.evaluate).attribute(images, abs=False))


def input_x_gradient(task: Task) -> Outcome:
    """The gradient at the picture times the picture (Shrikumar et al. 2016)."""
    return _from_gradient(task, lambda images: InputXGradient(task.evaluate).attribute(images))


def _from_gradient(task: Task, attribute: Callable[[Tensor], Tensor]) -> Outcome:
    with torch.enable_grad():
        found = task.evaluate.with_less_memory(lambda: attribute(_leaf(task.image)))
    value = task.evaluate.values(task.image)[0]
    return Outcome(_known_only(found, task), value, None, BaselineFacts("none"))


def integrated_gradients(task: Task) -> Outcome:
    """Integrated gradients (Sundararajan et al. 2017) along a straight line, by Gauss-Legendre quadrature.

    Not by Captum's trapezoid rule: its weights sum to (n - 1) / n, so it misses even a constant integrand.
    """
    baseline, facts = task.baseline_image()
    value_image, value_baseline = task.evaluate.values(torch.cat([task.image, baseline]))
    points = FIRST_INTEGRATION_POINTS if task.steps is None else task.steps - 2
    points = min(points, max(1, task.max_evaluations - 2)) if task.steps is None else points
    while True:
        contributions = _integrate(task, baseline, points)
        error = float(contributions.sum(dtype=np.float64)) - (value_image - value_baseline)
        good = relative_error(error, value_image, value_baseline)[0] <= task.tolerance_percent
        points *= 2
        if good or task.steps is not None or task.evaluate.evaluations + points > task.max_evaluations:
            return Outcome(contributions, value_image, value_baseline, facts)


def _integrate(task: Task, baseline: Tensor, points: int) -> np.ndarray:
    def run() -> Tensor:
        found = IntegratedGradients(task.evaluate).attribute(
            _leaf(task.image),
            baselines=baseline,
            n_steps=points,
            method="gausslegendre",
            internal_batch_size=task.evaluate.batch,
        )
        assert isinstance(found, Tensor)
        return found

    with torch.enable_grad():
        return _known_only(task.evaluate.with_less_memory(run), task)


def occlusion(task: Task) -> Outcome:
    """How much the objective falls when one patch at a time is replaced by the baseline (Zeiler & Fergus 2014).

    The fall for a patch is shared out evenly among its known pixels, so that a pixel is in the units of the other
    methods. Falls of different patches overlap in their causes, so the map need not add up to the objective's change.
    """
    baseline, facts = task.baseline_image()
    height, width = task.image.shape[-2:]
    side = patch_side(height, width, task.steps or task.max_evaluations)

    patch = (3, min(side, height), min(side, width))

    def run() -> Tensor:
        found = Occlusion(task.evaluate).attribute(
            task.image,
            sliding_window_shapes=patch,
            strides=patch,
            baselines=baseline,
            perturbations_per_eval=task.evaluate.batch,
        )
        assert isinstance(found, Tensor)
        return found

    with torch.no_grad():
        found = task.evaluate.with_less_memory(run)
    value_image = task.evaluate.values(task.image)[0]
    return Outcome(_known_only(found / _sharing(task.known, patch), task), value_image, None, facts)


def _sharing(known: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """`[1, 1, H, W]`: among how many values, channels included, the fall for the patch of each pixel is shared out."""
    channels, down, across = patch
    count = functional.avg_pool2d(known, (down, across), ceil_mode=True, divisor_override=1)
    count = count.repeat_interleave(down, 2).repeat_interleave(across, 3)
    return channels * count[..., : known.shape[-2], : known.shape[-1]].clamp_min(1)


def patch_side(height: int, width: int, evaluations: int) -> int:
    """Side in pixels of the smallest square patches that cover the picture within the number of evaluations.

    Two evaluations are for the whole picture, the others for one patch each.
    """
    side = 1
    while ceil(height / side) * ceil(width / side) > max(1, evaluations - 2):
        side += 1
    return side


def _leaf(image: Tensor) -> Tensor:
    return image.detach().clone().requires_grad_()


def _known_only(found: Tensor, task: Task) -> np.ndarray:
    """Captum's map `[1, 3, H, W]` as an array `[3, H, W]`, exactly 0 in the hole."""
    kept = torch.where(task.known > 0, found.detach(), torch.zeros_like(found))
    return kept[0].float().cpu().numpy()

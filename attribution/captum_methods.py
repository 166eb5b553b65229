"""Methods whose mathematics is Captum's: plain gradients, integrated gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from torch import Tensor

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


def _leaf(image: Tensor) -> Tensor:
    return image.detach().clone().requires_grad_()


def _known_only(found: Tensor, task: Task) -> np.ndarray:
    """Captum's map `[1, 3, H, W]` as an array `[3, H, W]`, exactly 0 in the hole."""
    kept = torch.where(task.known > 0, found.detach(), torch.zeros_like(found))
    return kept[0].float().cpu().numpy()

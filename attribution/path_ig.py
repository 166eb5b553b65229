"""Path integrated gradients along the blur path (US 2025/0265686 A1; LAM by Gu & Dong for super-resolution)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .evaluator import Point
from .integral import FIRST_POINTS, Rule, integrate
from .methods import Outcome, Task, blur_facts
from .path import BlurPath
from .report import StepImages


def path_ig(task: Task) -> Outcome:
    """Integrate the gradient from the blurred picture to the picture, refining until it adds up."""
    path = BlurPath.to(task.image, task.known, task.blurred)
    steps: list[StepImages] = []

    def evaluate(alphas: list[float]) -> Iterator[Point]:
        for point in task.evaluate.points(path, alphas, keep_outputs=task.keep_steps):
            if task.keep_steps:
                steps.append(_step_images(point))
            yield point

    if task.steps is None:
        rule = Rule(min(FIRST_POINTS, task.max_evaluations), task.tolerance_percent, task.max_evaluations)
    else:
        rule = Rule(task.steps, None, task.steps)
    found = integrate(evaluate, rule)
    return Outcome(
        found.contributions,
        found.value_image,
        found.value_baseline,
        blur_facts(task.blurred),
        found.local_error,
        tuple(sorted(steps, key=lambda step: step.alpha)),
    )


def _step_images(point: Point) -> StepImages:
    assert point.output is not None
    return StepImages(
        point.alpha,
        np.ascontiguousarray(point.image.transpose(1, 2, 0)),
        np.ascontiguousarray(point.output.transpose(1, 2, 0)),
        point.gradient.sum(0),
        point.value,
    )

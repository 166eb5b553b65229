"""Explain a fill: the one entry point over all methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..backends.exemplar.provenance import Provenance
from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .batching import Batch, batch_size
from .evaluator import Evaluator, Model
from .guard import careful
from .methods import Method, Task, method_named
from .objective import objective_named
from .report import Attribution
from .smoothing import check_smoothing

Steps = int | Literal["auto"]

EXPECTED_EVALUATIONS = 16
"""What the progress of an automatic number of steps is measured by."""


def explain(
    model: Model,
    image: Tensor,
    hole: Tensor,
    *,
    target: Tensor | np.ndarray | None = None,
    method: str = "path-ig",
    baseline: str | None = None,
    objective: str = "gradient",
    steps: Steps = "auto",
    tolerance_percent: float = 1.0,
    max_evaluations: int = 128,
    threshold_percent: float = 10.0,
    batch: Batch = "auto",
    keep_steps: bool = False,
    smooth: str = "none",
    monitor: Monitor | None = None,
    seed: int = 0,
) -> Attribution:
    """Find out which known pixels made the model fill the target as it did (DESIGN: attribution; US 2025/0265686 A1).

    Args:
        model: `(image [N, 3, H, W] in [0, 1], hole [N, 1, H, W] in {0, 1})` to the raw output `[N, 3, H, W]`. Its
            mode (train or eval) is not touched.
        image: float32 `[1, 3, H, W]` in [0, 1]; the device to work on. What it holds in the hole doesn't matter: the
            model sees 0 there.
        hole: `[1, 1, H, W]` in {0, 1}, 1 = what the model is told to be unknown, excluded pixels included.
        target: bool `[H, W]`, the part of the hole to explain; all of it if None.
        method: name of the method, see `METHODS`.
        baseline: "blur", "black" or "mean", as far as the method has it; None for its usual one.
        objective: "gradient" (how much structure was painted) or "intensity" (how bright it is).
        steps: exact number of network evaluations (for occlusion and rise: at most), or "auto" to refine to the
            tolerance.
        tolerance_percent: completeness error to reach, in percent of the change of the objective.
        max_evaluations: "auto" stops here.
        threshold_percent: degree of blurriness of a blurred baseline, 5 to 20.
        batch: pictures per call of the model, or "auto" for what fits into memory. The result doesn't depend on it
            but for rounding, unless the model draws random numbers.
        keep_steps: keep the pictures and gradients of every step, for path-ig.
        smooth: smoothing for `Attribution.display`: "none", "mean", "gaussian" or "median".
        monitor: progress and cancelling, which takes effect before the next batch.
        seed: for models that draw random numbers.

    Raises:
        InputError: an argument is out of its range, or the model cannot be explained in this way.
        Cancelled: the caller asked to stop.
        LensError: not enough memory.
    """
    chosen = method_named(method)
    kind = _check_options(chosen, baseline, steps, tolerance_percent, max_evaluations, keep_steps)
    check_smoothing(smooth)
    _check_tensors(image, hole)
    with careful(model, image.device):
        visible, known, inside = _prepare(image, hole, target)
        measure = objective_named(objective, inside)
        evaluator = Evaluator(
            model,
            1 - known,
            measure,
            batch=batch_size(batch, image),
            expected=_expected(chosen, steps, max_evaluations),
            monitor=monitor,
            seed=seed,
        )
        exact = None if isinstance(steps, str) else steps
        task = Task(
            evaluator,
            inside,
            measure,
            visible,
            known,
            kind,
            threshold_percent,
            exact,
            tolerance_percent,
            max_evaluations,
            keep_steps,
            seed,
            _sources(model, visible, 1 - known),
        )
        found = chosen.load()(task)
    if monitor:
        monitor.report("explaining", 1.0)
    return Attribution(
        method=method,
        objective=objective,
        contributions=found.contributions,
        target=inside.cpu().numpy(),
        hole=(known[0, 0] == 0).cpu().numpy(),
        value_image=found.value_image,
        value_baseline=found.value_baseline,
        local_error=found.local_error,
        evaluations=evaluator.evaluations,
        nonfinite=evaluator.nonfinite,
        baseline=found.baseline,
        tolerance_percent=tolerance_percent,
        complete=chosen.complete,
        steps=found.steps,
        smooth=smooth,
        standard_error=found.standard_error,
        provenance=found.provenance,
    )


def _check_options(
    method: Method, baseline: str | None, steps: Steps, tolerance_percent: float, max_evaluations: int, keep_steps: bool
) -> str:
    kind = baseline or method.baselines[0]
    if kind not in method.baselines:
        raise InputError(
            f'The method {method.name} has no baseline "{kind}"; it has {", ".join(method.baselines)}. '
            "Integrated gradients knows black, mean and blur."
        )
    if steps != "auto" and (isinstance(steps, str) or steps < method.fewest):
        raise InputError(
            f'The number of steps is {steps!r}, but {method.name} needs "auto" or a number from {method.fewest}.'
        )
    if not tolerance_percent > 0:
        raise InputError(f"The tolerance is {tolerance_percent:g} percent, but it must be above 0; 1 is usual.")
    if max_evaluations < method.fewest:
        raise InputError(
            f"At most {max_evaluations} network evaluations were allowed, but {method.name} needs {method.fewest}."
        )
    if keep_steps and not method.keeps_steps:
        raise InputError(f"The method {method.name} has no steps whose pictures could be kept; use path-ig for that.")
    return kind


def _check_tensors(image: Tensor, hole: Tensor) -> None:
    if image.ndim != 4 or image.shape[:2] != (1, 3) or not image.is_floating_point():
        raise InputError(
            f"The image is {tuple(image.shape)} of {image.dtype}, but float32 of the shape (1, 3, H, W) was expected."
        )
    if hole.shape != (1, 1, *image.shape[-2:]):
        raise InputError(
            f"The hole is {tuple(hole.shape)}, but {(1, 1, *image.shape[-2:])} was expected for this image."
        )


def _prepare(image: Tensor, hole: Tensor, target: Tensor | np.ndarray | None) -> tuple[Tensor, Tensor, Tensor]:
    """The visible picture, what is known, and the target as bool `[H, W]`; all of them copies on the image's device."""
    unknown = hole.detach().to(image.device) > 0.5
    if not bool(unknown.any()):
        raise InputError("The hole is empty, so there is no fill to explain; mark the pixels to fill.")
    if bool(unknown.all()):
        raise InputError("The hole covers all of the picture, so nothing known could have shaped the fill.")
    image = image.detach().to(torch.float32)
    visible = torch.where(unknown, torch.zeros_like(image), image)
    if not bool(torch.isfinite(visible).all()):
        raise InputError("The image holds values that are not finite numbers (NaN or infinity); repair it first.")
    inside = unknown[0, 0] if target is None else torch.as_tensor(target, device=image.device).bool()
    if inside.shape != unknown.shape[-2:]:
        raise InputError(f"The target is {tuple(inside.shape)}, but {tuple(unknown.shape[-2:])} was expected.")
    if not bool(inside.any()) or bool((inside & ~unknown[0, 0]).any()):
        raise InputError("The target must lie inside of the hole and hold at least one pixel; move it into the hole.")
    return visible, (~unknown).to(torch.float32), inside


def _sources(model: Model, image: Tensor, hidden: Tensor) -> Callable[[], Provenance] | None:
    """How to ask a model from where it copied; None if it does not tell."""
    ask = getattr(model, "provenance", None)
    return None if ask is None else lambda: ask(image, hidden)


def _expected(method: Method, steps: Steps, max_evaluations: int) -> int:
    if not isinstance(steps, str):
        return steps
    return EXPECTED_EVALUATIONS if method.differentiable else max_evaluations

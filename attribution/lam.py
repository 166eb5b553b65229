"""Local Attribution Maps exactly as published (Gu & Dong, CVPR 2021), to compare with; `explain` is better."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .batching import Batch, batch_size
from .evaluator import Evaluator, Model
from .guard import careful
from .objective import gradient_detector, intensity
from .path import BlurPath, LinearPath, Path, black
from .region import gini

LamPath = Literal["gaussian_blur_path", "gaussian_linear_path", "linear_path_black"]


@dataclass(frozen=True)
class LamMap:
    """What LAM reports.

    Attributes:
        contributions: float32 `[3, H, W]`, signed: mean over the steps of gradient times derivative of the path.
        objective_per_step: float64 `[steps]`.
        value_image: the detector for the picture.
        value_baseline: the detector for the start of the path, which LAM itself never looks at on the blur path.
        nonfinite: entries of gradients that were not finite and were set to 0, as LAM does without saying so.
    """

    contributions: np.ndarray
    objective_per_step: np.ndarray
    value_image: float
    value_baseline: float
    nonfinite: int

    @property
    def total(self) -> float:
        """Sum of all contributions; should be `value_image - value_baseline`."""
        return float(self.contributions.sum(dtype=np.float64))

    @property
    def signed_norm_map(self) -> np.ndarray:
        """Float32 `[H, W]` in [-1, 1]: sum over the channels, by its largest absolute value; 0 if there is none."""
        signed = self.contributions.sum(0)
        largest = np.abs(signed).max()
        return signed / largest if largest > 0 else signed

    @property
    def abs_norm_map(self) -> np.ndarray:
        """Float32 `[H, W]` in [0, 1]."""
        return np.abs(self.signed_norm_map)

    @property
    def gini(self) -> float:
        """Gini coefficient over all pixels of `abs_norm_map` + 1e-7."""
        return gini(self.abs_norm_map, offset=1e-7)

    @property
    def diffusion_index(self) -> float:
        """`(1 − Gini) · 100`."""
        return (1 - self.gini) * 100


def local_attribution_map(
    model: Model,
    image: Tensor,
    *,
    top: int,
    left: int,
    window: int = 16,
    sigma: float = 1.2,
    steps: int = 50,
    kernel: int = 9,
    path: LamPath = "gaussian_blur_path",
    detector: Literal["gradient", "intensity"] = "gradient",
    batch: Batch = "auto",
    monitor: Monitor | None = None,
    seed: int = 0,
) -> LamMap:
    """LAM with an empty hole.

    Args:
        model: called with an empty hole.
        image: float32 `[1, 3, H, W]` in [0, 1], H and W above `kernel // 2`.
        top: first row of the window.
        left: first column of the window.
        window: side of the window in pixels; the gradient detector looks one pixel further down and right.
        sigma: standard deviation of the blur at the start, in pixels.
        steps: evaluations.
        kernel: taps of the blur, odd.
        path: "gaussian_blur_path": pictures with ever less blur, each step's derivative towards the step before (a
            right-endpoint sum); the linear ones: cross-fades from the blurred or a black picture, evenly spaced with
            both ends.
        detector: "gradient" (LAM's attr_grad, without an epsilon) or "intensity" (attr_id).
        batch: pictures per call.
        monitor: progress and cancelling.
        seed: for models that draw random numbers.

    Raises:
        InputError: the window doesn't lie in the picture, the kernel doesn't fit, or the model is not differentiable.
        Cancelled: the caller asked to stop.
    """
    target = _window(image, top, left, window, window + (detector == "gradient"))
    if kernel % 2 == 0 or kernel // 2 >= min(image.shape[-2:]) or steps < 2:
        raise InputError("LAM needs an odd kernel of less than twice the picture's size and at least 2 steps.")
    make = partial(gradient_detector, epsilon=0.0) if detector == "gradient" else intensity
    with careful(model, image.device):
        image = image.detach().clone()
        known = torch.ones_like(image[:, :1])
        evaluator = Evaluator(
            model,
            torch.zeros_like(known),
            make(target),
            batch=batch_size(batch, image),
            expected=steps,
            monitor=monitor,
            seed=seed,
        )
        blurring = BlurPath(image, known, sigma, kernel, "reflect")
        if path == "gaussian_blur_path":
            way, alphas, first = blurring, np.linspace(0, 1, steps + 1)[1:], blurring.images([0.0])
        else:
            first = black(image) if path == "linear_path_black" else blurring.images([0.0])
            way, alphas = LinearPath(image, first), np.linspace(0, 1, steps)
        contributions, values = _sum(evaluator, way, alphas.tolist(), first, path == "gaussian_blur_path")
        value_image, value_baseline = evaluator.values(torch.cat([image, first]))
    return LamMap(contributions, values, value_image, value_baseline, evaluator.nonfinite)


def _sum(
    evaluator: Evaluator, path: Path, alphas: list[float], first: Tensor, step_by_step: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients times the difference to the step before, or times an equal part of the whole difference."""
    before = first[0].double().cpu().numpy()
    part = (path.images([1.0])[0].double().cpu().numpy() - before) / len(alphas)
    total, values = np.zeros_like(before), []
    for point in evaluator.points(path, alphas):
        total += point.gradient * ((point.image - before) if step_by_step else part)
        before = point.image.astype(np.float64)
        values.append(point.value)
    return total.astype(np.float32), np.array(values)


def _window(image: Tensor, top: int, left: int, window: int, side: int) -> Tensor:
    height, width = image.shape[-2:]
    if min(top, left) < 0 or window < 1 or top + side > height or left + side > width:
        raise InputError(
            f"The window of {side} px at row {top}, column {left} doesn't lie in the picture of {height} x {width} px; "
            "move it inside."
        )
    target = torch.zeros(height, width, dtype=torch.bool, device=image.device)
    target[top : top + side, left : left + side] = True
    return target

"""The explanation of a fill: the map, how far it can be trusted, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..backends.exemplar.provenance import Provenance
from .integral import relative_error
from .region import Diffusion, MassByDistance, diffusion, filled_part, gini, mass_by_distance, smallest_region
from .sentence import sentence
from .smoothing import smoothed


@dataclass(frozen=True)
class StepImages:
    """What was seen at one point of the path.

    Attributes:
        alpha: where on the path, 0 = baseline, 1 = picture.
        image: float32 `[H, W, 3]` in [0, 1]: what the network was given.
        restored: float32 `[H, W, 3]`: the raw output of the network.
        activation: float32 `[H, W]`, signed: the gradient of the objective, summed over the channels (patent eq. 4).
        objective: value of the objective.
    """

    alpha: float
    image: np.ndarray
    restored: np.ndarray
    activation: np.ndarray
    objective: float


@dataclass(frozen=True)
class BaselineFacts:
    """Which baseline the fill was compared with.

    Attributes:
        kind: "blur", "black", "mean", "hidden" (parts are not shown at all) or "none" (the method has none).
        kernel: kernel size of the blur in pixels, 0 for other kinds.
        sigma: standard deviation of the blur in pixels.
        blurriness_percent: share of the grey variance that the blur removed.
        threshold_percent: what it had to pass.
        reached: whether it did; always True for other kinds.
    """

    kind: str
    kernel: int = 0
    sigma: float = 0.0
    blurriness_percent: float = 0.0
    threshold_percent: float = 0.0
    reached: bool = True


@dataclass(frozen=True)
class Attribution:
    """Why the network filled the target as it did.

    Attributes:
        method: name of the method.
        objective: "gradient" (how much structure was painted) or "intensity".
        contributions: float32 `[3, H, W]`, signed; exactly 0 in the hole. In units of the objective for methods that
            add up to its change.
        target: bool `[H, W]`, the part of the fill that is explained.
        hole: bool `[H, W]`, what the model was told to be unknown.
        value_image: the objective for the picture, F(u(I)).
        value_baseline: the objective for the baseline, F(u(I')); None for methods without one.
        local_error: sum of the absolute errors of all intervals of the path; None for methods without them.
        evaluations: pictures that went through the network, with or without a backward pass.
        nonfinite: entries of gradients that were not finite and were set to 0.
        baseline: the baseline that was used.
        tolerance_percent: what the completeness error should be within.
        complete: whether the contributions of this method should add up to the change of the objective.
        steps: what was seen on the way, if it was asked for.
        smooth: smoothing for display, see `display`.
        standard_error: float32 `[H, W]`, of `signed`, for methods that sample; None for the others.
        provenance: from where each pixel was copied, for the method that asks it; None for the others.
    """

    method: str
    objective: str
    contributions: np.ndarray
    target: np.ndarray
    hole: np.ndarray
    value_image: float
    value_baseline: float | None
    local_error: float | None
    evaluations: int
    nonfinite: int
    baseline: BaselineFacts
    tolerance_percent: float
    complete: bool
    steps: tuple[StepImages, ...] = ()
    smooth: str = "none"
    standard_error: np.ndarray | None = None
    provenance: Provenance | None = None

    @cached_property
    def signed(self) -> np.ndarray:
        """Float32 `[H, W]`: the contributions summed over the channels; positive = makes the objective larger."""
        return self.contributions.sum(0, dtype=np.float32)

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Float32 `[H, W]`: how much each pixel matters, whatever the sign."""
        return np.abs(self.signed)

    @cached_property
    def total(self) -> float:
        """Sum of all contributions."""
        return float(self.contributions.sum(dtype=np.float64))

    def _relative(self, error: float) -> tuple[float, str] | None:
        if not self.complete or self.value_baseline is None:
            return None
        return relative_error(error, self.value_image, self.value_baseline)

    @property
    def error_percent(self) -> float | None:
        """Completeness: how far `total` is from F(u(I)) - F(u(I')), in percent; None if the method promises nothing."""
        relative = self._relative(self.total - (self.value_image - (self.value_baseline or 0.0)))
        return relative and relative[0]

    @property
    def local_error_percent(self) -> float | None:
        """Like `error_percent`, but errors of different parts of the path cannot cancel out."""
        relative = None if self.local_error is None else self._relative(self.local_error)
        return relative and relative[0]

    @property
    def error_of(self) -> str | None:
        """What the errors are parts of: "the change" of the objective, or "the value" where it hardly changes."""
        relative = self._relative(0.0)
        return relative and relative[1]

    @property
    def converged(self) -> bool | None:
        """Whether the completeness error is within the tolerance; None if the method promises nothing."""
        return None if self.error_percent is None else self.error_percent <= self.tolerance_percent

    @property
    def certain_percent(self) -> float | None:
        """Share of the magnitude, in percent, in pixels at least two standard errors from 0; None if not sampled."""
        if self.standard_error is None:
            return None
        sure = self.magnitude >= 2 * self.standard_error
        return 100.0 * float(self.magnitude[sure].sum() / max(float(self.magnitude.sum()), 1e-30))

    def display(self) -> np.ndarray:
        """Float32 `[H, W]`: `signed`, smoothed as asked for the eye; numbers never come from this copy."""
        return smoothed(self.signed, self.smooth)

    def region(self, share: float = 0.5) -> np.ndarray:
        """Bool `[H, W]`: the smallest set of pixels that holds `share` of the magnitude."""
        return smallest_region(self.magnitude, share)

    def gini(self) -> float:
        """Gini coefficient of the magnitude over the whole picture."""
        return gini(self.magnitude)

    def diffusion_index(self) -> Diffusion:
        """How widely the network looked, over the whole picture and over a fixed window around the target."""
        return diffusion(self.magnitude, self.target)

    def mass_by_distance(self) -> MassByDistance:
        """How the magnitude grows with the distance from the hole that is explained."""
        return mass_by_distance(self.magnitude, filled_part(self.hole, self.target))

    def sentence(self, pixel_size: float = 1.0, whole: bool | None = None) -> str:
        """What was found and how far to trust it, in plain words; see `sentence.sentence`."""
        return sentence(self, pixel_size, whole)

    def to_json(self) -> dict[str, Any]:
        """Everything but the maps, as plain types."""
        spread, by_distance = self.diffusion_index(), self.mass_by_distance()
        return {
            "method": self.method,
            "objective": self.objective,
            "sentence": self.sentence(),
            "size_px": [int(side) for side in self.target.shape],
            "hole_px": int(self.hole.sum()),
            "target_px": int(self.target.sum()),
            "value_image": self.value_image,
            "value_baseline": self.value_baseline,
            "total": self.total,
            "error_percent": self.error_percent,
            "local_error_percent": self.local_error_percent,
            "error_of": self.error_of,
            "tolerance_percent": self.tolerance_percent,
            "converged": self.converged,
            "evaluations": self.evaluations,
            "nonfinite": self.nonfinite,
            "certain_percent": self.certain_percent,
            "baseline": dict(vars(self.baseline)),
            "region_share": 0.5,
            "region_px": int(self.region().sum()),
            "gini": self.gini(),
            "diffusion_index_whole_picture": spread.whole,
            "diffusion_index_window": spread.window,
            "diffusion_window_top_left_height_width": list(spread.window_box),
            "distance_px_holding": {f"{share:g}": by_distance.holding(share) for share in (0.25, 0.5, 0.75, 0.9)},
            "smooth": self.smooth,
            "steps": [{"alpha": step.alpha, "objective": step.objective} for step in self.steps],
        }

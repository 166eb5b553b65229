"""The attribution methods by name: one function each, found here, loaded when used."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

import numpy as np
from torch import Tensor

from ..backends.exemplar.provenance import Provenance
from ..imaging.errors import InputError
from .baseline import Baseline, find_baseline
from .evaluator import Evaluator
from .objective import Objective
from .path import black, mean_colour
from .report import BaselineFacts, StepImages


@dataclass(frozen=True)
class Task:
    """What a method is asked for.

    Attributes:
        evaluate: the network and the objective.
        target: bool `[H, W]`, the part of the fill to explain.
        objective: what is explained, as a function of raw outputs.
        image: float32 `[1, 3, H, W]` in [0, 1], 0 in the hole.
        known: float32 `[1, 1, H, W]` in {0, 1}, 1 = outside of the hole.
        baseline: kind of baseline, one of those that the method has.
        threshold_percent: degree of blurriness of a blurred baseline.
        steps: exact number of network evaluations, or None for as many as the tolerance takes.
        tolerance_percent: completeness error to reach.
        max_evaluations: never more than these.
        keep_steps: keep the pictures of every step.
        seed: of a method that draws lots itself.
        sources: asks the model from where it copied; None for a model that does not tell.
    """

    evaluate: Evaluator
    target: Tensor
    objective: Objective
    image: Tensor
    known: Tensor
    baseline: str
    threshold_percent: float
    steps: int | None
    tolerance_percent: float
    max_evaluations: int
    keep_steps: bool
    seed: int
    sources: Callable[[], Provenance] | None = None

    @cached_property
    def blurred(self) -> Baseline:
        """The blurred baseline."""
        return find_baseline(self.image, self.known, self.threshold_percent)

    def baseline_image(self) -> tuple[Tensor, BaselineFacts]:
        """The baseline picture float32 `[1, 3, H, W]` of the kind asked for, and the facts about it."""
        if self.baseline == "black":
            return black(self.image), BaselineFacts("black")
        if self.baseline == "mean":
            return mean_colour(self.image, self.known), BaselineFacts("mean")
        return self.blurred.image, blur_facts(self.blurred)


def blur_facts(found: Baseline) -> BaselineFacts:
    """The facts about a blurred baseline, without its picture."""
    return BaselineFacts(
        "blur", found.kernel, found.sigma, found.blurriness_percent, found.threshold_percent, found.reached
    )


@dataclass(frozen=True)
class Outcome:
    """What a method found; see `Attribution` for the fields."""

    contributions: np.ndarray
    value_image: float
    value_baseline: float | None
    baseline: BaselineFacts
    local_error: float | None = None
    steps: tuple[StepImages, ...] = ()
    standard_error: np.ndarray | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True)
class Method:
    """Facts about a method, known without loading it.

    Attributes:
        name: what users type.
        title: one short line for lists.
        where: "module:function" inside this package; the function takes a `Task` and gives an `Outcome`.
        baselines: kinds of baseline that it can use, the usual one first.
        differentiable: it needs gradients.
        complete: its contributions should add up to the change of the objective.
        fewest: smallest number of steps that makes sense.
        keeps_steps: it can keep the pictures of its steps.
        asks_sources: it needs a model that copies and tells from where.
    """

    name: str
    title: str
    where: str
    baselines: tuple[str, ...] = ("none",)
    differentiable: bool = True
    complete: bool = False
    fewest: int = 1
    keeps_steps: bool = False
    asks_sources: bool = False

    def load(self) -> Callable[[Task], Outcome]:
        """The function."""
        module, function = self.where.split(":")
        return getattr(import_module(f".{module}", __package__), function)


METHODS = {
    method.name: method
    for method in (
        Method(
            "path-ig",
            "path integral of the gradient from a blurred picture; checks itself",
            "path_ig:path_ig",
            ("blur",),
            complete=True,
            fewest=2,
            keeps_steps=True,
        ),
        Method("gradient", "plain gradient at the picture; fast and noisy", "captum_methods:gradient"),
        Method("input-x-gradient", "gradient times picture", "captum_methods:input_x_gradient"),
        Method(
            "integrated-gradients",
            "integrated gradients along a straight line from a black, mean or blurred picture",
            "captum_methods:integrated_gradients",
            ("black", "mean", "blur"),
            complete=True,
            fewest=3,
        ),
        Method(
            "occlusion",
            "hides one patch after another, finer where it matters; works with any model",
            "hiding:occlusion",
            differentiable=False,
            fewest=2,
        ),
        Method(
            "provenance",
            "the exact sources of every pixel; for backends that copy",
            "provenance:provenance",
            differentiable=False,
            asks_sources=True,
        ),
        Method(
            "rise",
            "hides random patches many times; works with any model, and says how sure it is",
            "hiding:rise",
            differentiable=False,
            fewest=4,
        ),
    )
}


def method_named(name: str) -> Method:
    """The method called `name`.

    Raises:
        InputError: there is none of that name.
    """
    if name in METHODS:
        return METHODS[name]
    close = difflib.get_close_matches(name, METHODS, 1)
    hint = f' Did you mean "{close[0]}"?' if close else ""
    raise InputError(f'There is no attribution method "{name}"; choose one of {", ".join(METHODS)}.{hint}')

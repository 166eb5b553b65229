"""What the jobs of the page do; all of it through the one operation of `plugin`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from ..attribution.report import StepImages
from ..backends.devices import resolve
from ..backends.protocol import BackendInfo
from ..backends.registry import info, load, status
from ..backends.segment import MODELS
from ..backends.settings import checked
from ..imaging.errors import LensError, MissingError
from ..imaging.monitor import Monitor
from ..imaging.picture import Picture
from ..imaging.writing import encode_picture
from ..plugin.comparison import compare
from ..plugin.explaining import Explanation, explain
from ..plugin.files import step_pictures
from ..plugin.filling import Filling
from ..plugin.operation import Outcome, Source, fill_and_explain
from ..plugin.request import ExplainOptions, FillOptions
from ..plugin.service.jobs import Job, Jobs
from .zero_gpu import on_gpu

T = TypeVar("T")
speeds: dict[str, float] = {}
"""Seconds of the last fill by each backend, in this process."""


@dataclass(frozen=True)
class Parked:
    """Stands for a backend in a result, so that results keep no model in memory."""

    info: BackendInfo
    device: str

    def __call__(self, image: Tensor, hole: Tensor, **more: Any) -> Tensor:
        """Never called: `awake` puts the backend back."""
        raise LensError(f"{self.info.name} is not loaded: fill again.")


@dataclass(frozen=True)
class Frame:
    """One point of the path, ready to be shown.

    Attributes:
        alpha: 0 = the blurred baseline, 1 = the picture.
        pictures: JPEG bytes of `input`, `restored`, `activation`, `activation_smoothed`.
    """

    alpha: float
    pictures: dict[str, bytes]


@dataclass(frozen=True, eq=False)
class Reasons:
    """An explanation, and what was seen along the path of its largest window."""

    explanation: Explanation
    frames: tuple[Frame, ...]
    seconds: float

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        maps = sum(part.contributions.nbytes for _, part in self.explanation.parts)
        return maps + sum(len(data) for frame in self.frames for data in frame.pictures.values())


def place(how: FillOptions) -> str:
    """Where this will run.

    Raises:
        InputError: unknown backend, or a setting out of its range.
        MissingError: it is not ready here, with what to do; nothing is ever fetched by the page.
    """
    backend = info(how.backend)
    checked(backend, how.settings)
    state = status(backend)
    if not state.ready:
        raise MissingError(f"{backend.name} {state.reason}")
    return resolve(how.device, backend)


def selecting_device() -> str:
    """Where things are selected by a click."""
    return resolve("auto", MODELS[0])


def submit(jobs: Jobs, kind: str, work: Callable[[Monitor], T], device: str, label: str) -> Job[T]:
    """Queue work that stops when nobody listens any more; the visitor's request travels along for ZeroGPU's quota."""
    context = copy_context()
    return jobs.submit(
        kind, lambda monitor: context.run(work, monitor), device=device, label=label, ends_with_listeners=True
    )


@on_gpu
def fill(source: Source, how: FillOptions, monitor: Monitor) -> Outcome:
    """Fill, without an explanation yet."""
    outcome = fill_and_explain(source, how, None, monitor)
    speeds[how.backend] = outcome.seconds["fill"]
    return replace(outcome, filling=parked(outcome.filling))


@on_gpu
def give_reasons(filling: Filling, why: ExplainOptions, monitor: Monitor) -> Reasons:
    """Explain a fill that was made before."""
    began = time.perf_counter()
    monitor.report("loading the model", 0.0)
    found = explain(awake(filling), replace(why, keep_steps=_keep(filling, why)), monitor.part(0.02, 0.95))
    monitor.report("drawing", 0.95)
    frames = _frames(found)
    return Reasons(_light(found), frames, time.perf_counter() - began)


@on_gpu
def fill_all(
    source: Source, jobs: Sequence[tuple[FillOptions, ExplainOptions]], monitor: Monitor
) -> tuple[Outcome, ...]:
    """Fill and explain the same hole by several backends."""
    outcomes = compare(source, jobs, monitor)
    speeds.update({outcome.filling.options.backend: outcome.seconds["fill"] for outcome in outcomes})
    return tuple(replace(outcome, filling=parked(outcome.filling)) for outcome in outcomes)


def parked(filling: Filling) -> Filling:
    """The same without its model."""
    return replace(filling, backend=Parked(filling.backend.info, filling.backend.device))


def awake(filling: Filling) -> Filling:
    """The same with its model, loaded if it is not in memory."""
    how = filling.options
    return replace(filling, backend=load(how.backend, how.device, how.weights))


def _keep(filling: Filling, why: ExplainOptions) -> bool:
    """Pictures along the path are kept where one window is explained; of dozens they would fill the memory."""
    return why.method == "path-ig" and (len(filling.views) == 1 or why.target is not None)


def _frames(found: Explanation) -> tuple[Frame, ...]:
    _, part = max(found.parts, key=lambda pair: int(pair[1].target.sum()))
    return tuple(
        Frame(
            step.alpha,
            {
                name: encode_picture(Picture.from_array(pixels), "jpeg")[0]
                for name, pixels in step_pictures(step).items()
            },
        )
        for step in part.steps
    )


def _light(found: Explanation) -> Explanation:
    """The same without the pictures along the path; their places and values stay for the report."""
    none = np.empty((0, 0), np.float32)
    parts = tuple(
        (view, replace(part, steps=tuple(StepImages(one.alpha, none, none, none, one.objective) for one in part.steps)))
        for view, part in found.parts
    )
    return replace(found, parts=parts)

"""Explain a filling: attribution through every window that made the target, mapped back to the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..attribution.explanation import explain as attribute
from ..attribution.objective import has_edges
from ..attribution.region import smallest_region
from ..attribution.report import Attribution
from ..attribution.smoothing import smoothed
from ..backends.network import hidden_pixels
from ..backends.protocol import Backend, Holding
from ..imaging.box import Box
from ..imaging.errors import InputError
from ..imaging.hole import Mask
from ..imaging.monitor import Monitor
from ..imaging.window import Float
from .filling import Filling
from .request import ExplainOptions
from .views import View, call

MOST_WINDOWS_TOLD = 3
"""Of scratches all over a picture, only so many windows are put into words."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a fill looks as it does.

    Attributes:
        box: the part of the picture that the backend saw; all maps below are of this box.
        signed: `[h, w]`, contribution of each pixel to the detected structure of the target.
        target: `[h, w]`, what was explained.
        region: `[h, w]`, the smallest set of pixels that holds `region_share` of the contributions.
        parts: what each window saw and its attribution, in pixels of the model.
        options: how it was made.
        slivers: windows left out because their part of the target is too thin to hold an edge.
    """

    box: Box
    signed: Float
    target: Mask
    region: Mask
    parts: tuple[tuple[View, Attribution], ...]
    options: ExplainOptions
    slivers: int = 0

    @property
    def magnitude(self) -> Float:
        """`[h, w]`, absolute contributions, smoothed for display as the options say."""
        return smoothed(np.abs(self.signed), self.options.smooth)

    @property
    def sentence(self) -> str:
        """The explanation in words."""
        whole = self.options.target is None
        texts = [part.sentence(1 / view.window.factor, whole) for view, part in self.parts]
        if len(texts) == 1:
            return texts[0]
        told = [f"Window {i} of {len(texts)}: {text}" for i, text in enumerate(texts[:MOST_WINDOWS_TOLD], 1)]
        if rest := self.parts[MOST_WINDOWS_TOLD:]:
            over = sum(part.converged is False for _, part in rest)
            doubt = f", {over} of them over the tolerance" if over else ""
            told.append(f"The report tells the same of {len(rest)} more{doubt}.")
        return " ".join(told)

    def region_in(self, size: tuple[int, int]) -> Mask:
        """The region of interest as a mask `[H, W]` of the whole picture, to exclude it from the next fill."""
        mask = np.zeros(size, bool)
        mask[self.box.slices] = self.region
        return mask

    def report(self) -> dict[str, Any]:
        """Plain numbers and words for JSON; distances inside `windows` are in pixels of the model."""
        return {
            "method": self.options.method,
            "sentence": self.sentence,
            "evaluations": sum(part.evaluations for _, part in self.parts),
            "converged": all(part.converged is not False for _, part in self.parts),
            "tolerance_percent": self.options.tolerance_percent,
            "region": {"share": self.options.region_share, "pixels": int(np.count_nonzero(self.region))},
            "windows_left_out": self.slivers,
            "windows": [_window_report(view, part) for view, part in self.parts],
        }


def _window_report(view: View, part: Attribution) -> dict[str, Any]:
    box = view.window.box
    place = {"top": box.top, "left": box.left, "height": box.height, "width": box.width}
    return {"place": place, "model_pixels_per_pixel": view.window.factor, **part.to_json()}


def explain(filling: Filling, options: ExplainOptions, monitor: Monitor | None = None) -> Explanation:
    """Explain all of a filling or the target that `options` names.

    Raises:
        InputError: the target lies outside of the hole, or the method needs gradients that the backend has not.
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    info = filling.backend.info
    if options.method != "occlusion" and not info.differentiable:
        raise InputError(f"{info.name} has no gradients, so '{options.method}' cannot explain it: use occlusion.")
    target = _target_mask(filling, options)
    jobs, slivers = _jobs(filling, target)
    parts = []
    for index, (view, wanted) in enumerate(jobs):
        part = monitor.part(index / len(jobs), (index + 1) / len(jobs))
        parts.append((view, _attribute(view, wanted, filling, options, part)))
    return replace(_assemble(tuple(parts), target, filling.hole.mask, options), slivers=slivers)


def _jobs(filling: Filling, target: Mask) -> tuple[list[tuple[View, Mask]], int]:
    """Which part of the target each window made, in pixels of the model, and how many slivers were left out."""
    jobs = []
    for view in filling.views:
        mine = view.mask & target[view.window.box.slices]
        if mine.any():
            jobs.append((view, view.window.mask_to_model(mine) & (view.hole[0, 0].numpy() > 0.5)))
    kept = [job for job in jobs if has_edges(torch.from_numpy(job[1]))] or jobs
    return kept, len(jobs) - len(kept)


def _target_mask(filling: Filling, options: ExplainOptions) -> Mask:
    """What is explained: all that the backend filled, soft border included, or the part of it in the target's box."""
    filled = np.zeros_like(filling.hole.mask)
    for view in filling.views:
        filled[view.window.box.slices] |= view.mask
    if options.target is None:
        return filled
    box = options.target.box(filling.hole.size)
    if not filling.hole.mask[box.slices].any():
        inside = filling.hole.box
        raise InputError(
            f"The target {options.target.x},{options.target.y} lies outside of the hole: choose a point inside it "
            f"(columns {inside.left} to {inside.right - 1}, rows {inside.top} to {inside.bottom - 1})."
        )
    target = np.zeros_like(filled)
    target[box.slices] = filled[box.slices]
    return target


def _attribute(view: View, target: Mask, filling: Filling, options: ExplainOptions, monitor: Monitor) -> Attribution:
    return attribute(
        _model_of(filling.backend, view, filling.options.seed, monitor),
        view.image,
        hidden_pixels(view.hole, view.exclude),
        target=torch.from_numpy(target),
        method=options.method,
        steps=options.steps,
        tolerance_percent=options.tolerance_percent,
        keep_steps=options.keep_steps,
        smooth=options.smooth,
        monitor=monitor,
    )


def _model_of(backend: Backend, view: View, seed: int, monitor: Monitor):
    """The backend as a function of picture and hidden pixels, with its hole and exclusions as they were."""
    silent = Monitor(token=monitor.token)
    held = backend.held(view.image, view.hole, exclude=view.exclude) if isinstance(backend, Holding) else backend

    def model(image: Tensor, _hidden: Tensor) -> Tensor:
        return call(held, view, image, seed, silent)

    return model


def _assemble(
    parts: tuple[tuple[View, Attribution], ...], target: Mask, hole: Mask, options: ExplainOptions
) -> Explanation:
    box = parts[0][0].window.box
    for view, _ in parts[1:]:
        box = box.union(view.window.box)
    signed = np.zeros(box.size, np.float32)
    for view, part in parts:
        place = view.window.box.relative_to(box).slices
        mapped = view.window.map_from_model(np.asarray(part.signed, np.float32))
        signed[place] += np.where(view.hidden, np.float32(0), mapped)
    # Later windows see what earlier ones filled; a region is there to be excluded, so it lies outside of the hole.
    region = smallest_region(np.where(hole[box.slices], 0, np.abs(signed)), options.region_share)
    return Explanation(box, signed, target[box.slices], region, parts, options)

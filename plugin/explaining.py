"""Explain a filling: attribution through every window that made the target, mapped back to the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..attribution.exclusion import Exclusion, exclusion_test, seed_spread
from ..attribution.explanation import explain as attribute
from ..attribution.methods import METHODS
from ..attribution.objective import has_edges
from ..attribution.region import smallest_region
from ..attribution.report import Attribution
from ..attribution.smoothing import smoothed
from ..backends.network import hidden_pixels
from ..backends.protocol import Convertible
from ..imaging.box import Box
from ..imaging.errors import InputError
from ..imaging.hole import Mask
from ..imaging.monitor import Monitor
from ..imaging.window import Float
from .asking import model_of
from .filling import Filling
from .request import ExplainOptions
from .views import View, call

SEEDS = 3
"""Fills that are compared to see what the seed alone changes."""
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
        tests: for each part, how much the fill changes without its region; empty if that was not asked for.
        spread: how much the fill differs by the seed alone, in levels of 255; None for a backend that draws no lots.
        note: what stood in for the backend to explain it, if anything did.
    """

    box: Box
    signed: Float
    target: Mask
    region: Mask
    parts: tuple[tuple[View, Attribution], ...]
    options: ExplainOptions
    slivers: int = 0
    tests: tuple[Exclusion, ...] = ()
    spread: float | None = None
    note: str = ""

    @property
    def magnitude(self) -> Float:
        """`[h, w]`, absolute contributions, smoothed for display as the options say."""
        return smoothed(np.abs(self.signed), self.options.smooth)

    @property
    def sentence(self) -> str:
        """The explanation in words."""
        whole = self.options.target is None
        texts = [part.sentence(1 / view.window.factor, whole) for view, part in self.parts]
        after = [self.note] if self.note else []
        if self.spread is not None:
            after.append(f"Another seed alone changes it by {self.spread:.1f} of 255 levels.")
        if len(texts) == 1:
            return " ".join([texts[0], *(test.sentence for test in self.tests), *after])
        told = [f"Window {i} of {len(texts)}: {text}" for i, text in enumerate(texts[:MOST_WINDOWS_TOLD], 1)]
        if rest := self.parts[MOST_WINDOWS_TOLD:]:
            over = sum(part.converged is False for _, part in rest)
            doubt = f", {over} of them over the tolerance" if over else ""
            told.append(f"The report tells the same of {len(rest)} more{doubt}.")
        return " ".join(told + after)

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
            "seed_spread_levels": self.spread,
            "note": self.note,
            "windows": [_window_report(view, part) for view, part in self.parts],
            "exclusion_tests": [test.to_json() for test in self.tests],
        }


def _window_report(view: View, part: Attribution) -> dict[str, Any]:
    box = view.window.box
    place = {"top": box.top, "left": box.left, "height": box.height, "width": box.width}
    return {"place": place, "model_pixels_per_pixel": view.window.factor, **part.to_json()}


def explain(filling: Filling, options: ExplainOptions, monitor: Monitor | None = None) -> Explanation:
    """Explain all of a filling or the target that `options` names.

    Raises:
        InputError: the target lies outside of the hole, or the method needs gradients that the backend has not and
            cannot get.
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    info = filling.backend.info
    if METHODS[options.method].asks_sources and not info.copies:
        raise InputError(f"{info.name} does not tell from where it copies: take another --method, occlusion or rise.")
    explained = _as_explained(filling, options, monitor)
    target = _target_mask(filling, options)
    jobs, slivers = _jobs(filling, target)
    parts, tests, spreads = [], [], []
    for index, (view, wanted) in enumerate(jobs):
        part = monitor.part(index / len(jobs), (index + 1) / len(jobs))
        found = _attribute(view, wanted, explained, options, part.part(0.0, 0.9 if options.test else 1.0))
        parts.append((view, found))
        if options.test:
            tests.append(_test(view, found, filling, options, part.part(0.9, 1.0)))
        if info.stochastic:
            spreads.append(_spread(view, wanted, filling, part))
    spread = float(np.mean(spreads)) if spreads else None
    whole = _assemble(tuple(parts), target, filling.hole.mask, options)
    note = "" if explained is filling else f"Explained through {explained.backend.info.title}."
    return replace(whole, slivers=slivers, tests=tuple(tests), spread=spread, note=note)


def _as_explained(filling: Filling, options: ExplainOptions, monitor: Monitor) -> Filling:
    """The filling, with a copy of its backend that has gradients where the method needs them."""
    backend = filling.backend
    if backend.info.differentiable or not METHODS[options.method].differentiable:
        return filling
    if isinstance(backend, Convertible):
        return replace(filling, backend=backend.with_gradients(monitor))
    raise InputError(
        f"{backend.info.name} has no gradients, so '{options.method}' cannot explain it: use occlusion or rise."
    )


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
        model_of(filling.backend, view, filling.options.seed, monitor),
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


def _test(view: View, found: Attribution, filling: Filling, options: ExplainOptions, monitor: Monitor) -> Exclusion:
    """Hide the region of interest of one window and fill again."""
    model = model_of(filling.backend, view, filling.options.seed, monitor)
    hidden = hidden_pixels(view.hole, view.exclude)
    region = found.region(options.region_share)
    return exclusion_test(model, view.image, hidden, region, found.target, seed=filling.options.seed, monitor=monitor)


def _spread(view: View, target: Mask, filling: Filling, monitor: Monitor) -> float:
    """How much the fill of one window differs by the seed alone."""
    first, silent = filling.options.seed, Monitor(token=monitor.token)
    seeds = range(first, first + SEEDS)
    with torch.no_grad():
        fills = [call(filling.backend, view, view.image, seed, silent) for seed in seeds]
    return seed_spread(torch.cat(fills), target)


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

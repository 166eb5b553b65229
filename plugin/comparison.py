"""Several backends on one hole, on one sheet with a shared scale."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..attribution.heatmap import Scale, legend, render, text_size
from ..attribution.outlines import draw_outline
from ..backends.protocol import Value
from ..backends.registry import info, status
from ..evaluation.metrics import Scores, score
from ..evaluation.sheet import Cell, contact_sheet
from ..imaging.box import Box
from ..imaging.errors import InputError, MissingError
from ..imaging.monitor import Monitor
from ..imaging.picture import Picture
from ..weights_registry.fetch import find
from .operation import Outcome, Source, fill_and_explain, view_of
from .request import ExplainOptions, FillOptions

if TYPE_CHECKING:
    from ..evaluation.perceptual import Lpips

RGB = NDArray[np.uint8]
CELL_PX = 420
LPIPS_WEIGHTS = "lpips-alexnet"


def compare(
    source: Source, jobs: Sequence[tuple[FillOptions, ExplainOptions]], monitor: Monitor | None = None
) -> list[Outcome]:
    """Fill and explain the same source once for each job.

    Raises:
        MissingError: a backend is not ready, told before any of them works.
    """
    monitor = monitor or Monitor()
    if source.guide is not None and not any(info(how.backend).guide for how, _ in jobs):
        raise InputError("None of these backends takes drawn lines: leave --guide away.")
    for how, _ in jobs:
        state = status(info(how.backend))
        if not state.ready and not how.weights:
            raise MissingError(f"{how.backend} {state.reason}")
    outcomes = []
    for index, (how, why) in enumerate(jobs):
        part = monitor.part(index / len(jobs), (index + 1) / len(jobs))
        own = source if info(how.backend).guide else replace(source, guide=None)
        outcomes.append(fill_and_explain(own, how, why, part))
    return outcomes


def fitting(how: FillOptions) -> FillOptions:
    """The same with those settings only that the backend has; a comparison gives each what it takes."""
    known = {setting.name for setting in info(how.backend).settings}
    return replace(how, settings={name: value for name, value in how.settings.items() if name in known})


def check_settings(names: Sequence[str], settings: Mapping[str, Value]) -> None:
    """Raise `InputError` for a setting that no backend of a comparison has."""
    known = {setting.name for name in names for setting in info(name).settings}
    for name in settings:
        if name not in known:
            raise InputError(f"None of {', '.join(names)} has a setting '{name}': leave it away.")


def check_original(source: Source, original: Picture) -> None:
    """Raise `InputError`, before any long work, where a picture cannot be the true one of `source`."""
    if original.size != source.picture.size:
        raise InputError("The original has another size than the picture: give the picture before the hole was cut.")


def sheet(source: Source, outcomes: Sequence[Outcome], original: Picture | None = None) -> RGB:
    """First row: picture with its hole, then each fill. Second row: heatmaps, all with the same colours.

    Args:
        original: the true picture; the scores inside the hole are then set below each fill.

    Raises:
        InputError: an outcome without an explanation.
    """
    explanations = [outcome.explanation for outcome in outcomes if outcome.explanation]
    if len(explanations) < len(outcomes):
        raise InputError("Every fill of a comparison needs an explanation.")
    box = explanations[0].box
    for explanation in explanations[1:]:
        box = box.union(explanation.box)
    maps = [_placed(explanation.magnitude, explanation.box, box) for explanation in explanations]
    scale = Scale.shared(maps)
    hole = source.hole.mask[box.slices]
    before = view_of(source.picture, box)
    fills, heats = [Cell(draw_outline(before, hole), "picture and hole")], [Cell(before, "picture")]
    for outcome, explanation, values in zip(outcomes, explanations, maps, strict=True):
        name, after = outcome.filling.backend.info.name, view_of(outcome.filling.picture, box)
        fills.append(Cell(after, name, _note(outcome, original)))
        region = np.zeros(box.size, bool)
        region[explanation.box.relative_to(box).slices] = explanation.region
        heat = render(after, values, hole=hole, region=region, scale=scale, with_legend=False)
        heats.append(Cell(heat, f"{name}: {explanation.options.method}", _completeness(outcome)))
    width = len(fills) * CELL_PX
    foot = legend(scale, [], width, text_size(np.zeros((CELL_PX, width, 3), np.uint8)))
    titles = ["What each backend fills in", "Where it comes from (one scale for all)"]
    return contact_sheet([fills, heats], cell_px=CELL_PX, row_titles=titles, footer=foot)


def _placed(values: NDArray[np.float32], place: Box, box: Box) -> NDArray[np.float32]:
    canvas = np.zeros(box.size, np.float32)
    canvas[place.relative_to(box).slices] = values
    return canvas


def _note(outcome: Outcome, original: Picture | None) -> str:
    seconds = f"{outcome.seconds['fill']:.2f} s on {outcome.filling.backend.device}"
    if original is None:
        return seconds
    inside = scores(outcome, original).inside
    text = f"{seconds}\nin the hole: PSNR {inside.psnr:.2f} dB, SSIM {inside.ssim:.3f}"
    return text if inside.lpips is None else f"{text}, LPIPS {inside.lpips:.3f}"


def _completeness(outcome: Outcome) -> str:
    parts = [part for _, part in outcome.explanation.parts] if outcome.explanation else []
    errors = [part.error_percent for part in parts if part.error_percent is not None]
    count = sum(part.evaluations for part in parts)
    return f"{count} evaluations" + (f", completeness error {max(errors):.2f} %" if errors else "")


def scores(outcome: Outcome, original: Picture) -> Scores:
    """How close the fill is to the true picture, around the hole."""
    filling = outcome.filling
    box = filling.hole.box.pad(32).clamp(filling.hole.size)
    box = box.grow_to((64, 64), filling.hole.size)
    return score(view_of(filling.picture, box), view_of(original, box), filling.hole.mask[box.slices], _lpips())


@cache
def _lpips() -> Lpips | None:
    """LPIPS where the package and its weights are here; a comparison does without it otherwise."""
    weights = find(LPIPS_WEIGHTS)
    if weights is None or importlib.util.find_spec("lpips") is None:
        return None
    from ..evaluation.perceptual import Lpips

    return Lpips(weights)

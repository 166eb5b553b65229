"""What happens on the Compare tab, as functions of plain values."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attribution.outlines import draw_outline
from ..backends.registry import info
from ..imaging.errors import InputError
from ..imaging.hole import Hole
from ..imaging.picture import Picture
from ..imaging.reading import Limits
from ..plugin.comparison import fitting
from ..plugin.operation import Source
from ..plugin.request import ExplainOptions, FillOptions
from ..training.holes import random_hole
from .fill_actions import explain_options, prepared
from .photos import Photo, open_photo, resized, small
from .results import Sheet
from .samples import sample_files
from .visits import Visit
from .widgets import Painted

MOST_BACKENDS = 4
TEST_PX = 512
"""Longest side of a picture that a test hole is cut into; enough to see, and quick."""
HOLE_GRID_PX = 192
"""Random holes are made for small pictures; they are drawn at this size and enlarged."""


@dataclass(frozen=True, eq=False)
class Task:
    """What several backends are to do.

    Attributes:
        name: of the picture.
        source: picture and hole.
        original: the true picture, where the hole was cut by us.
    """

    name: str
    source: Source
    original: Picture | None


def own_task(visit: Visit, painted: Painted, limits: Limits) -> Task:
    """The picture and paint of the Fill tab."""
    photo, source = prepared(visit, painted, FillOptions(), limits)
    return Task(photo.name, source, None)


def test_task(name: str, seed: int, limits: Limits) -> Task:
    """A bundled photograph with a random hole, so that the truth is known."""
    path, _ = sample_files(name)
    photo: Photo = open_photo(path.read_bytes(), path.name, name, limits)
    picture = Picture.from_array(np.ascontiguousarray(small(photo.picture.to_srgb8(), TEST_PX)))
    height, width = picture.size
    share = HOLE_GRID_PX / max(height, width)
    grid = max(8, round(height * share)), max(8, round(width * share))
    hole = resized(random_hole(grid, np.random.default_rng(seed)), picture.size)
    return Task(f"{name}_hole{seed}", Source(picture, Hole(hole)), picture)


def preview(task: Task) -> np.ndarray:
    """The picture with its hole in white, for the eye."""
    shown = task.source.picture.to_srgb8().copy()
    shown[task.source.hole.mask] = 255
    return draw_outline(shown, task.source.hole.mask)


def check_names(names: Sequence[str]) -> list[str]:
    """The backends to compare; raises `InputError` unless they are two to four."""
    chosen = list(dict.fromkeys(names))
    if not 2 <= len(chosen) <= MOST_BACKENDS:
        raise InputError(f"Choose two to {MOST_BACKENDS} backends to compare.")
    return chosen


def jobs_for(
    names: Sequence[str], chosen: dict[str, dict[str, Any]], seed: int
) -> list[tuple[FillOptions, ExplainOptions]]:
    """How each backend fills, with its own settings from the Fill tab, and how it is explained."""
    return [
        (fitting(FillOptions(name, seed=seed, settings=chosen.get(name, {}))), explain_options(name, "auto", "none"))
        for name in names
        if info(name)
    ]


def table_html(sheet: Sheet) -> str:
    """The numbers as an HTML table."""
    rows = sheet.table()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_shown(row.get(column)))}</td>" for column in columns) + "</tr>"
        for row in rows
    )
    note = "" if sheet.original is None else "<p>Measured inside the hole against the true picture.</p>"
    return f'<div class="numbers"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>'


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)

"""Run a benchmark: every backend fills the same holes of the same pictures, and every fill is measured.

A run can be stopped and gone on with: each row is in the table before the next fill begins, and what is there is not
done again. What is wrong with one picture or one backend is noted, and the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..backends.protocol import Backend
from ..backends.registry import load, unload
from ..imaging.errors import Cancelled, InputError, LensError
from ..imaging.hole import Mask
from ..imaging.monitor import Monitor
from ..imaging.reading import read_picture
from ..imaging.writing import write_png
from . import filling
from .distribution import Distances, Inception, distances
from .mask_sets import Holes, hidden_percent
from .metrics import Scores, score
from .models import Model
from .pictures import Selection, TestPicture
from .results import Results, Row

if TYPE_CHECKING:
    from .perceptual import Lpips

log = logging.getLogger(__name__)
RGB = NDArray[np.uint8]

SHOWN = 6
"""Pictures whose fills are kept for the page, if not all are."""
PATIENCE = 3
"""A backend that fails on so many holes of a mask set in a row is not asked for more of that set."""


@dataclass(frozen=True)
class Failure:
    """What could not be done; `mask` and `picture` are empty where it is about all of them."""

    backend: str
    mask: str
    picture: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        models: what fills; the first is what the others are compared with.
        masks: what is hidden.
        selection: which pictures.
        size: their side in pixels.
        seed: of holes, fills and resampling.
        folder: where the table and the fills go.
        device: `auto` or where backends run.
        keep_fills: keep every fill and not just those that the page shows.
    """

    models: tuple[Model, ...]
    masks: tuple[Holes, ...]
    selection: Selection
    size: int
    seed: int
    folder: Path
    device: str = "auto"
    keep_fills: bool = False

    def fill_path(self, label: str, mask: str, picture: str) -> Path:
        """Where a fill is kept."""
        return self.folder / "fills" / mask / label / f"{picture}.png"

    def kept(self, index: int) -> bool:
        """Whether fills of the picture number `index` are kept."""
        return self.keep_fills or index < SHOWN


class Bench:
    """One run of a plan.

    Args:
        plan: what to measure.
        lpips: None leaves LPIPS out.
        monitor: progress and cancelling.
        on_loaded: called with the label of a backend and where it runs.
    """

    def __init__(
        self,
        plan: Plan,
        lpips: Lpips | None = None,
        monitor: Monitor | None = None,
        on_loaded: Callable[[str, str], object] | None = None,
    ) -> None:
        self.plan = plan
        self.results = Results(plan.folder / "results.csv")
        self.failures: list[Failure] = []
        self._on_loaded = on_loaded
        self._lpips = lpips
        self._monitor = monitor or Monitor()
        self._done = 0
        self._total = len(plan.models) * len(plan.masks) * len(plan.selection.pictures)

    def run(self) -> None:
        """Fill and measure all that is not in the table yet.

        Raises:
            Cancelled: the caller asked to stop; the table holds what was done.
            InputError: the table or a fill cannot be written.
        """
        for model in self.plan.models:
            self._run_model(model)

    def _run_model(self, model: Model) -> None:
        open_jobs = {holes.name: self._open_jobs(model, holes) for holes in self.plan.masks}
        count = len(self.plan.masks) * len(self.plan.selection.pictures)
        self._done += count - sum(map(len, open_jobs.values()))
        if not any(open_jobs.values()):
            return
        self._report(model.label)
        unload()
        filling.give_back_memory()
        level = filling.resident_mb()
        try:
            backend = load(model.backend, self.plan.device, model.files)
        except Exception as error:  # another package's backend may raise anything, and the others are to go on
            self._note(Failure(model.label, "", "", _reason(error)))
            self._done += sum(map(len, open_jobs.values()))
            return
        if self._on_loaded:
            self._on_loaded(model.label, backend.device)
        for holes in self.plan.masks:
            self._run_masks(model, backend, holes, open_jobs[holes.name], level)

    def _open_jobs(self, model: Model, holes: Holes) -> list[tuple[TestPicture, bool]]:
        """Pictures that are not done, and whether their fill is kept."""
        jobs = []
        for index, picture in enumerate(self.plan.selection.pictures):
            kept = self.plan.kept(index)
            there = not kept or self.plan.fill_path(model.label, holes.name, picture.name).exists()
            if not there or (picture.name, holes.name, model.label) not in self.results:
                jobs.append((picture, kept))
        return jobs

    def _run_masks(
        self, model: Model, backend: Backend, holes: Holes, jobs: Sequence[tuple[TestPicture, bool]], level: float
    ) -> None:
        failed, watched = 0, False
        for position, (picture, kept) in enumerate(jobs):
            self._report(f"{model.label}, {holes.name}")
            try:
                original = picture.square(self.plan.size)
                hole = holes.hole(picture.name, self.plan.size, self.plan.seed)
                if not watched:  # once for each set: scoring leaves memory behind that would count for later fills
                    filling.give_back_memory()
                monitor = Monitor(token=self._monitor.token)
                made = filling.fill(backend, original, hole, self.plan.seed, None if watched else level, monitor)
                scores = score(made.picture, original, hole, self._lpips)
            except Cancelled:
                raise
            except Exception as error:  # as in `_run_model`
                failed += 1
                self._note(Failure(model.label, holes.name, picture.name, _reason(error)))
                if failed == PATIENCE:
                    self._done += len(jobs) - position
                    return
            else:
                failed, watched = 0, True
                self._keep(Row(picture.name, holes.name, model.label, _values(scores, hole, made)), made.picture, kept)
            self._done += 1

    def _keep(self, row: Row, fill: RGB, kept: bool) -> None:
        if kept:
            path = self.plan.fill_path(row.backend, row.mask, row.picture)
            make_folder(path.parent)
            write_png(fill, path, overwrite=True)
        self.results.add(row)

    def _report(self, stage: str) -> None:
        self._monitor.report(stage, self._done / self._total)

    def _note(self, failure: Failure) -> None:
        self.failures.append(failure)
        log.info("%s failed: %s", failure.backend, failure.reason)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; raises `InputError` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made ({error.strerror or error}): name another.") from error


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, LensError) else f"{type(error).__name__}: {error}"


def _values(scores: Scores, hole: Mask, made: filling.TimedFill) -> dict[str, float | None]:
    areas = {"hole": scores.inside, "picture": scores.whole}
    measured = {f"{key}_{area}": value for area, values in areas.items() for key, value in vars(values).items()}
    return measured | {"hole_percent": hidden_percent(hole), "seconds": made.seconds, "peak_mb": made.peak_mb}


def set_distances(
    plan: Plan, results: Results, inception: Inception, monitor: Monitor | None = None
) -> dict[tuple[str, str], Distances]:
    """FID and KID of the kept fills by mask set and backend, to the originals of the same pictures.

    A pair with fewer than two fills is left out.

    Raises:
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    pictures = {one.name: one for one in plan.selection.pictures}
    groups: dict[tuple[str, str], list[str]] = {}
    for row in results.rows:
        if row.picture in pictures and plan.fill_path(row.backend, row.mask, row.picture).exists():
            groups.setdefault((row.mask, row.backend), []).append(row.picture)
    groups = {pair: names for pair, names in groups.items() if len(names) > 1}
    needed = list(dict.fromkeys(name for names in groups.values() for name in names))
    total = len(needed) + sum(map(len, groups.values()))
    done = 0

    def watched(picture: RGB) -> RGB:
        nonlocal done
        monitor.report("features for FID and KID", done / total)
        done += 1
        return picture

    originals = inception.features(watched(pictures[name].square(plan.size)) for name in needed)
    place = {name: index for index, name in enumerate(needed)}
    found = {}
    for (mask, backend), names in groups.items():
        paths = [plan.fill_path(backend, mask, name) for name in names]
        fills = inception.features(watched(read_picture(path).to_srgb8()) for path in paths)
        found[mask, backend] = distances(fills, originals[[place[name] for name in names]], plan.seed)
    return found

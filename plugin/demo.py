"""The demo: bundled photographs filled by a learned and an exemplar backend, the learned fills explained."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..attribution.outlines import draw_outline
from ..evaluation.sheet import Cell, contact_sheet
from ..imaging.hole import Hole
from ..imaging.monitor import Monitor
from ..imaging.picture import Picture
from ..imaging.writing import write_picture
from . import files
from .operation import Outcome, Source, fill_and_explain
from .request import ExplainOptions, FillOptions, Target

SAMPLES = Path(__file__).parents[1] / "samples"
CELL_PX = 400
SCATTERED_SHARE = 0.1
"""A hole that fills less than this of its box is scratches or specks."""
SCRATCH_TARGET_PX = 128


def photographs() -> list[Path]:
    """The bundled photographs that have a mask."""
    return sorted(path for path in SAMPLES.glob("*.jpg") if path.with_name(f"{path.stem}_mask.png").exists())


def show_all(photos: list[Path], output: Path, learned: str, exemplar: str, monitor: Monitor) -> list[str]:
    """Write all results and the contact sheet into the folder `output`; returns a sentence for each photograph."""
    files.make_folder(output)
    rows, lines = [], []
    for index, photo in enumerate(photos):
        part = monitor.part(index / len(photos), (index + 1) / len(photos))
        part.report(photo.stem, 0.0)
        source = files.read_source(photo, photo.with_name(f"{photo.stem}_mask.png"))
        explained = fill_and_explain(source, FillOptions(learned), _why(source.hole), part.part(0.0, 0.7))
        copied = fill_and_explain(source, FillOptions(exemplar), None, part.part(0.7, 1.0))
        _write(explained, copied, photo, output)
        rows.append(_row(source, explained, copied))
        assert explained.explanation is not None
        lines.append(f"{photo.stem}: {explained.explanation.sentence}")
    titles = [photo.stem.replace("_", " ") for photo in photos]
    sheet = contact_sheet(rows, cell_px=CELL_PX, row_titles=titles, title="Inpaint Lens: fill and explain")
    write_picture(Picture.from_array(sheet), output / "contact_sheet.jpg", overwrite=True)
    return lines


def _why(hole: Hole) -> ExplainOptions:
    """Explain the whole fill, but of scratches all over a picture only the square that holds most of them."""
    if hole.pixels > SCATTERED_SHARE * hole.box.height * hole.box.width:
        return ExplainOptions()
    density = cv2.blur(hole.mask.astype(np.float32), (SCRATCH_TARGET_PX, SCRATCH_TARGET_PX))
    y, x = np.unravel_index(int(density.argmax()), hole.size)
    return ExplainOptions(target=Target(int(x), int(y), SCRATCH_TARGET_PX))


def _write(explained: Outcome, copied: Outcome, photo: Path, output: Path) -> None:
    for outcome in (explained, copied):
        name = f"{photo.stem}_{outcome.filling.backend.info.name}.jpg"
        write_picture(outcome.filling.picture, output / name, overwrite=True)
    files.write_heatmap(explained, output / f"{photo.stem}_heatmap.png", overwrite=True)
    files.write_overlay(explained, output / f"{photo.stem}_overlay.png", overwrite=True)
    files.write_layers(explained, output / f"{photo.stem}.ora", overwrite=True)
    files.write_report(explained, output / f"{photo.stem}.json", overwrite=True)


def _row(source: Source, explained: Outcome, copied: Outcome) -> list[Cell]:
    before: NDArray[np.uint8] = source.picture.to_srgb8()
    cells = [Cell(draw_outline(before, source.hole.mask), "picture and hole")]
    for outcome in (explained, copied):
        name, seconds = outcome.filling.backend.info.name, outcome.seconds["fill"]
        cells.append(Cell(outcome.filling.picture.to_srgb8(), name, f"{seconds:.2f} s"))
    heat = files.overlay_picture(explained)
    return [*cells, Cell(heat, f"why {explained.filling.backend.info.name} filled it so")]

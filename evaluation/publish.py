"""Put a benchmark's report together and write it: Markdown, page and JSON, beside the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..imaging.errors import InputError
from ..imaging.reading import read_picture
from ..imaging.writing import write_bytes
from .bench import SHOWN, Bench, Plan
from .distribution import Distances
from .page import Gallery, Shown, hidden, page
from .record import Record
from .report import Report, markdown, number
from .results import MEASURES, Row
from .summary import Summary, summarise

NOTED = ("psnr_hole", "lpips_hole")


def publish(bench: Bench, record: Record, distances: Mapping[tuple[str, str], Distances]) -> list[Path]:
    """Write `report.md`, `report.html` and `run.json`, each in one step.

    Args:
        bench: after its run, with at least one row.
        record: of the run.
        distances: FID and KID, or nothing.

    Returns:
        The files, the page first.
    """
    plan, rows = bench.plan, bench.results.rows
    names = [holes.name for holes in plan.masks]
    summary = summarise(rows, names, [model.label for model in plan.models], plan.seed)
    count = len({row.picture for row in rows})
    report = Report(
        f"Fills of {count} picture{'s' if count > 1 else ''} by {_listed(summary)}",
        _facts(plan, record, summary),
        summary,
        {holes.name: holes.title for holes in plan.masks},
        distances,
        bench.failures,
        plan.selection.skipped,
    )
    record.finish(report)
    galleries = {name: gallery(plan, name, summary, rows) for name in names}
    files = {"report.html": page(report, galleries), "report.md": markdown(report)}
    for name, text in files.items():
        write_bytes(text.encode(), plan.folder / name, overwrite=True)
    return [plan.folder / name for name in (*files, "results.csv", "run.json")]


def _facts(plan: Plan, record: Record, summary: Summary) -> dict[str, str]:
    """What was done, as name and value."""
    data = record.data
    settings, backends = data["settings"], data["backends"]
    used = {cell.backend for cell in summary.cells}
    places = (
        f"{label} on {one.get('device') or 'an unknown device'}" for label, one in backends.items() if label in used
    )
    skipped = len(plan.selection.skipped)
    return {
        "Pictures": f"{settings['data']}, the middle square at {plan.size} × {plan.size} pixels"
        + (f"; {skipped} skipped" if skipped else ""),
        "Backends": ", ".join(places),
        "Fill": "one window over the whole picture, pasted without a soft border",
        "Seed": str(plan.seed),
        "LPIPS": "AlexNet, version 0.1" if settings["lpips_sha256"] else "left out: give its weights with --lpips",
        "Made": f"{data['started'][:10]} by {data['command']}",
        "Versions": ", ".join(f"{name} {number}" for name, number in data["versions"].items()),
        "Machine": f"{data['machine']['system']}, {data['machine']['processors']} processors",
    }


def _listed(summary: Summary) -> str:
    names = list(dict.fromkeys(cell.backend for cell in summary.cells))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def gallery(plan: Plan, mask: str, summary: Summary, rows: Sequence[Row]) -> Gallery:
    """The first pictures of a mask set: with the hole, each fill with its scores, the original."""
    holes = next(one for one in plan.masks if one.name == mask)
    scores = {row.key: row for row in rows if row.mask == mask}
    labels = [cell.backend for cell in summary.cells if cell.mask == mask]
    found = []
    for picture in plan.selection.pictures[:SHOWN]:
        fills = [
            Shown(read_picture(path).to_srgb8(), label, _note(scores[picture.name, mask, label]))
            for label in labels
            if (picture.name, mask, label) in scores and (path := plan.fill_path(label, mask, picture.name)).is_file()
        ]
        if fills:
            original = picture.square(plan.size)
            hole = holes.hole(picture.name, plan.size, plan.seed)
            ends = Shown(hidden(original, hole), "picture and hole", picture.name), Shown(original, "original")
            found.append([ends[0], *fills, ends[1]])
    return found


def _note(row: Row) -> str:
    parts = [
        f"{one.title} {number(value, one.digits)}"
        for one in MEASURES
        if one.key in NOTED and (value := row.values.get(one.key)) is not None
    ]
    return ", ".join(parts)


def check_folder(folder: Path, resume: bool) -> None:
    """Raise `InputError` where a benchmark is already, unless it is to be gone on with."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file: name a folder for the report.")
    if not resume and ((folder / "results.csv").exists() or (folder / "run.json").exists()):
        raise InputError(f"There is a benchmark in {folder} already: go on with --resume, or name another folder.")

"""What a stage trains on, written down when it starts: a run that is gone on with sees what it saw before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...imaging.errors import InputError, MissingError
from .configuration import TaskSettings
from .decoys import fault_in
from .labels import Labels
from .library import Library, write_json
from .tables import PairRow, ThirdRow
from .tokens import encode

FILE = "samples.json"
MOST_REPEATED = 4
"""How often a sample without a fault comes at most."""
Manifest = dict[str, Any]
"""`train` and `held_out`: lists of items; `leading`: how many of `train` come first."""


def stage_folder(folder: Path, stage: str) -> Path:
    """Where everything of a stage is."""
    return folder / "stages" / stage


def read_manifest(folder: Path, stage: str) -> Manifest:
    """The manifest of a stage.

    Raises:
        MissingError: it was deleted, or the stage was never started.
    """
    path = stage_folder(folder, stage) / FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingError(f"{path} is missing or damaged: start the stage again.") from error


def check_manifest(library: Library, manifest: Manifest) -> None:
    """Raise `MissingError` where pictures were deleted that a stage has begun with."""
    items = [*manifest["train"], *manifest["held_out"]]
    library.check_files({item[key] for item in items for key in ("picture", "first", "second") if item.get(key)})


def write_manifest(library: Library, labels: Labels, settings: TaskSettings, stage: str) -> Manifest:
    """Write down what a stage will train on.

    Raises:
        InputError: there is nothing to train on, or a text is too long.
        MissingError: pictures were deleted.
    """
    manifest = _texts(library, labels, settings) if stage == "third" else _pairs(library, labels, stage)
    write_json(manifest, stage_folder(library.folder, stage) / FILE)
    return manifest


def _pairs(library: Library, labels: Labels, stage: str) -> Manifest:
    rows = library.pairs()
    if not rows:
        raise InputError(
            "The task is empty: import pairs of pictures first, by `inpaint-lens feedback import` or `make`."
        )
    library.check_files({picture.file for row in rows for picture in (row.first, row.second)})
    train = [row for row in rows if not row.held_out]
    if not train:
        raise InputError(f"All {len(rows)} pairs are held out: import more, or make held_out_share smaller.")
    said = labels.linked_to([row.id for row in train]) if stage == "second" else {}
    leading = [row for row in train if row.id in said]
    others = [row for row in train if row.id not in said]
    return {
        "train": [_pair(row) for row in leading + others],
        "held_out": [_pair(row) for row in rows if row.held_out],
        "leading": len(leading),
    }


def _pair(row: PairRow) -> dict[str, Any]:
    return {"pair": row.id, "first": row.first.file, "second": row.second.file}


def _texts(library: Library, labels: Labels, settings: TaskSettings) -> Manifest:
    rows = labels.third()
    if not rows:
        raise InputError("There are no third samples: import pictures first, by `inpaint-lens feedback import`.")
    library.check_files({row.picture.file for row in rows})
    train = _items(labels, [row for row in rows if not _held_out(row)])
    if not train:
        raise InputError("All third samples belong to pairs that are held out: import more pictures.")
    held_out = _items(labels, [row for row in rows if _held_out(row)])
    if settings.second_model.kind == "small":
        for item in train + held_out:
            encode(item["words"])
    return {"train": _balanced(train), "held_out": held_out, "leading": 0}


def _balanced(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items without a fault come as often as those with one, or nearly so.

    There are first samples and predictions, both of which are faulty as a rule, to each good picture; a model that saw
    them in these numbers would take pictures that are hard to judge for faulty ones.
    """
    good = [item for item in items if not item["fault"]]
    faulty = len(items) - len(good)
    return items + good * (min(MOST_REPEATED, round(faulty / len(good))) - 1 if good and faulty > len(good) else 0)


def _held_out(row: ThirdRow) -> bool:
    return row.pair is not None and row.pair.held_out


def _items(labels: Labels, rows: Sequence[ThirdRow]) -> list[dict[str, Any]]:
    return [
        {
            "picture": row.picture.file,
            "words": entry.words,
            "label": entry.label,
            "kind": row.kind,
            "fault": (fault := fault_in(entry.words, entry.label)),
            "better": row.pair.second.file if fault and row.pair and row.kind != "second" else "",
        }
        for row in rows
        for entry in labels.entries(row)
    ]

"""What a benchmark was made with, as JSON: command, versions, seeds, weights, and every number of the report."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..imaging.errors import InputError
from ..imaging.writing import write_bytes
from .models import Model
from .report import Report
from .results import finite

PACKAGES = (
    "inpaint-lens", "torch", "torchvision", "numpy", "scipy", "opencv-python-headless", "pyvips", "torchmetrics",
    "lpips", "torch-fidelity", "onnxruntime",
)  # fmt: skip
Json = dict[str, Any]


class Record:
    """The JSON file beside the table of a benchmark.

    Args:
        path: `run.json`; what an earlier run left there is kept where this one says nothing else.
        settings: what must be equal for rows to belong to one table.
        models: their weights must be equal too where they were in the table before.
        command: the command line.

    Raises:
        InputError: the earlier run had other settings or other weights, or its file cannot be read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], models: Sequence[Model], command: str) -> None:
        self._path = path
        earlier = _read(path) if path.exists() else {}
        self.data: Json = {
            "command": command,
            "earlier_commands": [*earlier.get("earlier_commands", []), *filter(None, [earlier.get("command")])],
            "started": earlier.get("started") or _now(),
            "finished": None,
            "settings": dict(settings),
            "backends": {**earlier.get("backends", {}), **{one.label: _described(one) for one in models}},
            "versions": versions(),
            "machine": {
                "system": platform.platform(),
                "processors": os.cpu_count(),
                "python": platform.python_version(),
            },
        }
        _check_equal(earlier, self.data)
        for label, backend in earlier.get("backends", {}).items():
            self.data["backends"][label].setdefault("device", backend.get("device"))

    def save(self, **more: Any) -> None:
        """Write the file in one step, with `more` in it."""
        self.data |= more
        text = json.dumps(self.data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_bytes(text.encode(), self._path, overwrite=True)

    def place(self, label: str, device: str) -> None:
        """Note where a backend runs, and save."""
        self.data["backends"][label]["device"] = device
        self.save()

    def finish(self, report: Report) -> None:
        """Add all numbers, and save."""
        self.save(finished=_now(), **numbers(report))


def numbers(report: Report) -> Json:
    """The numbers of a report as JSON values."""
    differences = [
        {"mask": one.mask, "backend": one.backend, "measure": one.measure, **asdict(one.comparison)}
        for one in report.summary.differences
    ]
    return {
        "summary": [asdict(cell) for cell in report.summary.cells],
        "reference": report.summary.reference or None,
        "differences": differences,
        "distances": [
            {"mask": mask, "backend": backend, **{name: finite(value) for name, value in asdict(one).items()}}
            for (mask, backend), one in report.distances.items()
        ],
        "failures": [asdict(one) for one in report.failures],
        "skipped": dict(report.skipped),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on; those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def sha256(path: Path) -> str:
    """Of a file's content, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _described(model: Model) -> Json:
    files = {entry: sha256(Path(path)) for entry, path in model.files.items() if Path(path).is_file()}
    return {"backend": model.backend, "own_weights_sha256": files}


def _check_equal(earlier: Json, now: Json) -> None:
    for name, value in earlier.get("settings", {}).items():
        if now["settings"].get(name) != value:
            raise InputError(
                f"The table there was made with {name} {value}, not {now['settings'].get(name)}: give the same, or "
                "name another folder."
            )
    for label, backend in earlier.get("backends", {}).items():
        if now["backends"][label]["own_weights_sha256"] != backend.get("own_weights_sha256"):
            raise InputError(f"The weights of {label} are not those of the table there: name another folder.")


def _read(path: Path) -> Json:
    try:
        data = json.loads(path.read_bytes())
        if not isinstance(data, dict):
            raise ValueError("no mapping")
        return data
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is no record of a benchmark ({error}): name another folder.") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

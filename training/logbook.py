"""Logs of a run: CSV always, TensorBoard where it is installed."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..imaging.errors import LensError
from ..imaging.writing import write_atomically

TABLES = ("log", "validation")


class Table:
    """A CSV file with one row for a step; columns are added as they come.

    Args:
        path: the file; one that is there is gone on with.
        step: rows of later steps are dropped, since they will come again.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        self.columns: list[str] = ["step"]
        rows = self._read()
        kept = [row for row in rows if row["step"].isdigit() and int(row["step"]) <= step]
        if rows:
            self._write(kept)

    def _read(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            # A row that a kill cut short has cells of None.
            rows = [row for row in reader if row.get("step") and None not in row.values()]
            self.columns = list(reader.fieldnames or self.columns)
        return rows

    def _write(self, rows: list[dict[str, str]]) -> None:
        def write(part: Path) -> None:
            with part.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, self.columns, restval="")
                writer.writeheader()
                writer.writerows(rows)

        write_atomically(self.path, write, overwrite=True)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row; raises `LensError` where there is no space or no permission."""
        new = [name for name in values if name not in self.columns]
        if new or not self.path.exists():
            rows = self._read()
            self.columns += new
            self._write(rows)
        row = {"step": step, **{name: f"{value:.6g}" for name, value in values.items()}}
        try:
            with self.path.open("a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, self.columns, restval="").writerow(row)
        except OSError as error:
            raise LensError(
                f"{self.path} cannot be written ({error.strerror}): see to it and go on by --resume."
            ) from error


class Logbook:
    """Where numbers of a run go: `log.csv`, `validation.csv`, and events of TensorBoard.

    Args:
        folder: of the run; None where another process writes.
        step: the one that the run goes on from.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self.tables = {name: Table(folder / f"{name}.csv", step) for name in TABLES} if folder else {}
        self.latest: dict[str, Mapping[str, float]] = {name: {} for name in TABLES}
        self.board: Any = None
        if folder and importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step)

    def add(self, table: str, step: int, values: Mapping[str, float]) -> None:
        """Numbers after a step, to the table `log` or `validation`."""
        self.latest[table] = dict(values)
        if table in self.tables:
            self.tables[table].add(step, values)
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(f"{table}/{name}", value, step)

    def close(self) -> None:
        """Flush what is buffered."""
        if self.board is not None:
            self.board.close()

"""The rows of a benchmark, one for each picture, mask set and backend, in a CSV file that survives being cut short."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..imaging.errors import InputError
from ..imaging.writing import write_bytes

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Measure:
    """A column of numbers.

    Attributes:
        key: its name in files.
        title: its name in reports.
        area: `hole` or `picture`.
        better: 1 if higher is better, -1 if lower is.
        digits: behind the point.
    """

    key: str
    title: str
    area: str
    better: int
    digits: int


MEASURES = tuple(
    Measure(f"{key}_{area}", title, area, better, digits)
    for area in ("hole", "picture")
    for key, title, better, digits in (
        ("psnr", "PSNR (dB)", 1, 2),
        ("ssim", "SSIM", 1, 3),
        ("l1", "L1", -1, 4),
        ("lpips", "LPIPS", -1, 3),
    )
)
COLUMNS = ("picture", "mask", "backend", "hole_percent", *(one.key for one in MEASURES), "seconds", "peak_mb")
NAMES = 3
"""How many of the columns are names."""


@dataclass(frozen=True)
class Row:
    """What was measured of one fill; None = not measured, infinity = the PSNR of equal areas."""

    picture: str
    mask: str
    backend: str
    values: Mapping[str, float | None]

    @property
    def key(self) -> Key:
        """What tells rows apart."""
        return self.picture, self.mask, self.backend


class Results:
    """The rows that there are, in a file and in memory; each new one is in the file before the next fill begins.

    Args:
        path: the CSV file; rows of an earlier run are read from it, and a last one that is not whole is dropped.

    Raises:
        InputError: the file is not one of these, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[Key, Row] = {}
        if path.exists():
            self._rows = {row.key: row for row in _read(path)}
        write_bytes(_text([COLUMNS, *map(_cells, self.rows)]).encode(), path, overwrite=True)

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order in which they came."""
        return list(self._rows.values())

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def add(self, row: Row) -> None:
        """Keep a row; one with the same key counts no more."""
        self._rows.pop(row.key, None)
        self._rows[row.key] = row
        try:
            with self._path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(_text([_cells(row)]))
        except OSError as error:
            raise InputError(
                f"'{self._path}' cannot be written ({error.strerror or error}): free some space, then go on with "
                "--resume."
            ) from error


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row.values.get(name) for name in COLUMNS[NAMES:])
    return (*row.key, *("" if value is None else repr(float(value)) for value in numbers))


def _text(lines: Iterable[tuple[str, ...]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()


def _read(path: Path) -> list[Row]:
    try:
        text = path.read_bytes().decode()
        # A run that was killed may have left the beginning of a line.
        lines = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
        if not lines or tuple(lines[0]) != COLUMNS:
            raise ValueError("its columns are others")
        return [_row(line) for line in lines[1:] if len(line) == len(COLUMNS)]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"'{path}' is no table of a benchmark ({error}): name another folder.") from error


def _row(line: list[str]) -> Row:
    values = {name: float(cell) if cell else None for name, cell in zip(COLUMNS[NAMES:], line[NAMES:], strict=True)}
    return Row(line[0], line[1], line[2], values)


def finite(value: float | None) -> float | None:
    """None for what JSON cannot hold."""
    return value if value is not None and isfinite(value) else None

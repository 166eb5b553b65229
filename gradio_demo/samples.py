"""The bundled photographs as examples."""

from __future__ import annotations

import base64
import csv
from functools import cache
from pathlib import Path

from ..imaging.errors import InputError
from ..imaging.picture import Picture
from ..imaging.reading import read_picture
from ..imaging.writing import encode_picture
from ..plugin.demo import SAMPLES, photographs

THUMBNAIL_PX = 112


def sample_names() -> list[str]:
    """Names of the photographs that have a mask."""
    return [photo.stem for photo in photographs()]


def sample_files(name: str) -> tuple[Path, Path]:
    """Photograph and mask of an example; raises `InputError` for an unknown one."""
    for photo in photographs():
        if photo.stem == name:
            return photo, photo.with_name(f"{name}_mask.png")
    raise InputError("There is no such example: take one of the row below the picture.")


def title(name: str) -> str:
    """A name for people."""
    return name.replace("_", " ").capitalize()


@cache
def thumbnails() -> list[tuple[str, str, str]]:
    """For each example its name, what is done in it, and a small picture as a data URL."""
    from .photos import small

    with (SAMPLES / "SOURCES.tsv").open(encoding="utf-8") as table:
        uses = {Path(row["image"]).stem: row["use"].split("(")[0].split(";")[0].strip() for row in _rows(table)}
    found = []
    for name in sample_names():
        photo, _ = sample_files(name)
        data = encode_picture(Picture.from_array(small(read_picture(photo).to_srgb8(), THUMBNAIL_PX)), "jpeg")[0]
        words = f"{title(name)}: {uses.get(name, 'an example')}"
        found.append((name, words, "data:image/jpeg;base64," + base64.b64encode(data).decode()))
    return found


def _rows(table) -> csv.DictReader:
    return csv.DictReader(table, delimiter="\t")

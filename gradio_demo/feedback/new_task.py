"""A new task: settings from what a person chose, and its first samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...imaging.errors import InputError
from ...imaging.reading import Limits, decode_picture
from ...imaging.writing import encode_png, write_bytes
from ...training.feedback.configuration import TaskSettings, parse_task
from ...training.feedback.session import Session, create
from ..widgets import uploaded
from .shelf import PAIR_FOLDERS, Shelf

UPLOADED = ""
"""Stands for a data set: the pictures that are uploaded with the task."""
UPLOADS, THIRD = "uploads", "third"
"""Folders: of uploads in a task, and of new pictures in a data set."""
NUMBERS: dict[str, tuple[str, ...]] = {
    "pixel_weight": ("pixel_weight",),
    "similarity_weight": ("similarity_weight",),
    "countdown_seconds": ("countdown_seconds",),
    "preview_every": ("preview_every",),
    "side": ("side",),
    "width": ("first_model", "width"),
    "words_width": ("second_model", "width"),
    "first_steps": ("first", "steps"),
    "third_steps": ("third", "steps"),
    "second_steps": ("second", "steps"),
    "first_batch": ("first", "batch"),
    "second_batch": ("second", "batch"),
    "third_batch": ("third", "batch"),
}
"""Where the numbers of the form stand in the settings."""
CHOICES: dict[str, tuple[str, ...]] = {
    "first_kind": ("first_model", "kind"),
    "second_kind": ("second_model", "kind"),
    "loss": ("loss",),
    "device": ("device",),
    "language": ("language",),
}
"""Where the choices of the form stand in the settings; nothing that names a file or a database is among them."""
WHOLE = frozenset(NUMBERS) - {"pixel_weight", "similarity_weight", "countdown_seconds"}


@dataclass(frozen=True)
class Form:
    """What a person chose for a new task.

    Attributes:
        name: of the task.
        data_set: name of a data set, or `UPLOADED`.
        files: good pictures that were uploaded.
        kinds: of degradations that make first samples where there are none.
        values: the settings, by the names of `NUMBERS` and `CHOICES`.
    """

    name: str
    data_set: str
    files: Sequence[str] = ()
    kinds: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def settings_of(form: Form) -> TaskSettings:
    """The settings of a task; raises `InputError` for what makes no sense."""
    table: dict[str, Any] = {"name": form.name.strip()}
    for name, place in (NUMBERS | CHOICES).items():
        value = form.values.get(name)
        if value is None:
            continue
        *sections, last = place
        target = table
        for section in sections:
            target = target.setdefault(section, {})
        target[last] = int(value) if name in WHOLE else value
    return parse_task(table)


def make(shelf: Shelf, form: Form, limits: Limits) -> tuple[str, int]:
    """Make a task with its samples, whole or not at all; returns its name and how many pairs it has.

    Raises:
        InputError: a name that is taken or can be none, settings that make no sense, or pictures that cannot be used.
    """
    folder, settings = shelf.new_folder(form.name), settings_of(form)
    if form.data_set == UPLOADED and not form.files:
        raise InputError("Choose a data set, or upload good pictures.")
    if form.data_set != UPLOADED:
        shelf.data_set(form.data_set)
    session = create(folder, settings)
    try:
        count = _fill(shelf, session, form, limits)
    except BaseException:
        session.close()
        shelf.discard(folder)
        raise
    session.close()
    return folder.name, count


def _fill(shelf: Shelf, session: Session, form: Form, limits: Limits) -> int:
    kinds = list(form.kinds)
    if form.data_set == UPLOADED:
        return len(session.make_pairs(store(form.files, session.folder / UPLOADS, limits), kinds))
    folder = shelf.data_set(form.data_set)
    if not shelf.has_pairs(form.data_set):
        return len(session.make_pairs(folder, kinds))
    count = len(session.import_pairs(*(folder / part for part in PAIR_FOLDERS)))
    if (folder / THIRD).is_dir():
        session.add_third(folder / THIRD)
    return count


def add_new(session: Session, files: Sequence[str], limits: Limits) -> int:
    """Store uploads as new pictures among the third samples; returns how many."""
    folder = session.folder / UPLOADS / f"third-{len(session.third_samples('new'))}"
    return len(session.add_third(store(files, folder, limits)))


def store(files: Sequence[str], folder: Path, limits: Limits) -> Path:
    """Decode uploads within the limits and store them as PNG, under names of our own where they are alike.

    Raises:
        InputError: a file is none of the visitor's uploads, or is no picture that can be used.
    """
    for file in files:
        path = uploaded({"path": file})
        if path is None or not path.is_file():
            raise InputError("An upload is no longer here: upload the pictures again.")
        picture = decode_picture(path.read_bytes(), path.name, limits)
        stem = "".join(letter if letter.isalnum() or letter in " .-_" else "_" for letter in path.stem)[:80].strip(". ")
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(encode_png(picture.to_srgb8()), _free(folder, stem or "picture"))
    return folder


def _free(folder: Path, stem: str) -> Path:
    """A path for a picture that is not there yet."""
    number = 1
    while (path := folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")).exists():
        number += 1
    return path

"""Which backends a benchmark runs, with weights of the registry or of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..imaging.errors import InputError


@dataclass(frozen=True)
class Model:
    """A backend as a benchmark runs it.

    Attributes:
        label: its name in reports.
        backend: its name in the registry.
        files: weights to take instead of the registry's, by catalog entry.
    """

    label: str
    backend: str
    files: dict[str, str] = field(default_factory=dict)


def parse(names: Sequence[str]) -> tuple[Model, ...]:
    """Models from `NAME`, or `NAME=FILE` (several files with + between) for weights of one's own.

    The label of the latter is `NAME@` and the stem of the first file, so that several checkpoints of one backend can be
    compared.

    Raises:
        InputError: an unknown backend, files that are not its own, two models with one label, or none at all.
        WeightsError: a file cannot be read.
    """
    models = tuple(map(_parsed, names))
    labels = [model.label for model in models]
    double = next((label for label in labels if labels.count(label) > 1), None)
    if double:
        raise InputError(f"--backends names '{double}' twice: name each once; rename a file if two have the same name.")
    if not models:
        raise InputError("--backends is empty: name at least one.")
    return models


def _parsed(name: str) -> Model:
    from ..backends.architectures import resolve
    from ..backends.registry import info

    backend, equals, files = name.partition("=")
    info(backend)
    if not equals:
        return Model(backend, backend)
    paths = [path for path in files.split("+") if path]
    if not paths:
        raise InputError(f"--backends has '{name}': write NAME=FILE.")
    return Model(f"{backend}@{Path(paths[0]).stem}", backend, resolve(paths, backend)[1])

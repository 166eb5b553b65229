"""Files that stand in for catalog entries for the length of a call, such as those that `--weights` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_files: ContextVar[Mapping[str, Path]] = ContextVar("files")


def standing() -> Mapping[str, Path]:
    """Files that stand in now, by the name of the entry."""
    return _files.get({})


@contextmanager
def standing_in(files: Mapping[str, str | Path]) -> Iterator[None]:
    """Inside, `files` are taken for the entries whose names they have; they win over the environment."""
    token = _files.set({**standing(), **{name: Path(path) for name, path in files.items()}})
    try:
        yield
    finally:
        _files.reset(token)

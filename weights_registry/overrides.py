"""A local file or folder that stands in for an entry of the catalog."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

from ..imaging.errors import InputError, WeightsError
from .catalog import SUFFIXES, WeightsEntry
from .catalog import entry as catalog_entry
from .checksum import matches
from .formats import PICKLE_SUFFIXES, TENSOR_FORMATS, check_file, kind_of, source_of
from .settings import HubSettings
from .stand_in import standing

log = logging.getLogger(__name__)


def override(entry: WeightsEntry, settings: HubSettings) -> Path | None:
    """The file or folder that the user put in place of `entry`, or None.

    Whoever names a file of their own means it, so another checksum than the catalog's is accepted, with a warning
    in the log; a file that could run code (see `formats`) is not. A file of tensors may be safetensors or torch's.

    Raises:
        InputError: the path does not exist, is a file where a folder is needed, or names an unknown entry.
        WeightsError: the file is of a kind that is never loaded.
    """
    path = _named(entry, settings) or _in_folder(entry, settings)
    if path is None or entry.is_folder:
        return path
    check_file(path, *_accepted(entry))
    pinned = entry.files[0]
    if pinned.sha256 and not matches(path, pinned, settings) and source_of(path) != pinned.sha256:
        if entry.format == "torchscript" and kind_of(path) not in TENSOR_FORMATS:
            raise WeightsError(
                f"{path} stands in for '{entry.name}' but is another file, and TorchScript runs code: "
                "give the file that the catalog pins, or an entry of your own with its sha256 in INPAINT_LENS_CATALOG."
            )
        if entry.name not in standing():  # who names a file for this very call knows it
            log.warning("%s stands in for '%s' and is not the file that the catalog pins.", path, entry.name)
    return path


def _named(entry: WeightsEntry, settings: HubSettings) -> Path | None:
    for name in settings.weights:
        catalog_entry(name, settings)
    path = settings.weights.get(entry.name)
    if path is None:
        return None
    if path.is_dir() and not entry.is_folder:
        path = path / entry.filename
    if entry.is_folder and not path.is_dir():
        raise InputError(f"'{entry.name}' is a folder of files and {path} is no folder: correct INPAINT_LENS_WEIGHTS.")
    if not path.exists():
        raise InputError(f"There is no {path}, which should stand in for '{entry.name}': correct INPAINT_LENS_WEIGHTS.")
    return path


def _in_folder(entry: WeightsEntry, settings: HubSettings) -> Path | None:
    folder = settings.weights_dir
    if folder is None:
        return None
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}: correct INPAINT_LENS_WEIGHTS_DIR.")
    if entry.is_folder:
        return folder / entry.name if (folder / entry.name).is_dir() else None
    named = [f"{entry.name}{suffix}" for suffix in suffixes(entry)]
    own = [] if entry.filename.endswith(PICKLE_SUFFIXES) else [f"{entry.name}/{entry.filename}", entry.filename]
    return next((path for name in (named[0], *own, *named[1:]) if (path := folder / name).is_file()), None)


def suffixes(entry: WeightsEntry) -> tuple[str, ...]:
    """Ends of the names of files that can take the place of an entry of one file, its own first."""
    own = PurePosixPath(entry.filename).suffix or SUFFIXES[entry.format]
    others = (".safetensors", ".pth", ".pt", ".bin") if len(_accepted(entry)) > 1 else ()
    return tuple(dict.fromkeys(suffix for suffix in (own, *others) if suffix not in PICKLE_SUFFIXES))


def _accepted(entry: WeightsEntry) -> tuple[str, ...]:
    """Formats of files that can take the place of an entry, its own first: tensors can that of a program of tensors."""
    others = TENSOR_FORMATS if entry.format in (*TENSOR_FORMATS, "torchscript") else ()
    return tuple(dict.fromkeys((entry.format, *others)))

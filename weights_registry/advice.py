"""How people get weights that are not on this machine, in words."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..imaging.errors import MissingError
from .catalog import WeightsEntry
from .formats import PICKLE_SUFFIXES
from .overrides import suffixes


def how_to_get(entry: WeightsEntry) -> str:
    """The next step: the command that fetches the weights, or where a person finds them and what to do with them."""
    if not entry.by_hand:
        return f"inpaint-lens download {entry.name}"
    return f"get {_file(entry)} from {entry.page}, then {stand_in(entry)}"


def stand_in(entry: WeightsEntry) -> str:
    """What to do with a file so that it is taken for the entry."""
    pickled = entry.filename.endswith(PICKLE_SUFFIXES)
    names = [f"{entry.name}{suffix}" for suffix in suffixes(entry)[: 1 if pickled else 2]]
    given = "--weights FILE" if entry.purpose == "inpaint" else f"INPAINT_LENS_WEIGHTS={entry.name}=FILE"
    made = f"make {names[0]} of it (`inpaint-lens convert {entry.filename} -o {names[0]}`) and " if pickled else ""
    place = f"put it as {' or '.join(names)} into the folder that INPAINT_LENS_WEIGHTS_DIR names"
    return f"{made}give it with {given}, or {place}"


def missing(entry: WeightsEntry, damaged: bool = False) -> MissingError:
    """The sentence for weights that are needed and not here: licence, size and the next step."""
    terms = f"{entry.size_text}, licence {entry.licence}" + ("" if entry.commercial_use else ", no commercial use")
    state = "are damaged" if damaged else "are not on this machine"
    if entry.by_hand:
        state = "are not on this machine and have to be fetched by hand"
        return MissingError(f"The weights '{entry.name}' {state} ({terms}): {how_to_get(entry)}.")
    return MissingError(f"The weights '{entry.name}' {state}: run `{how_to_get(entry)}` to fetch them ({terms}).")


def _file(entry: WeightsEntry) -> str:
    """The file's own name where the catalog has one."""
    return "the file" if PurePosixPath(entry.filename).stem == entry.name else entry.filename

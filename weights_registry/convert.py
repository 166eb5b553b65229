"""Any file of weights as safetensors, without running what a pickle or a program in it would do."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..imaging.errors import InputError, LensError, WeightsError
from ..imaging.monitor import Monitor
from ..imaging.writing import check_target, write_atomically
from .archives import most_bytes, opened
from .catalog import size_text
from .checksum import digest
from .formats import PICKLE_SUFFIXES, kind_of, load_safetensors
from .networks import State, chosen, listed, networks
from .rebuilding import StoredTensor, rebuilt

UNREADABLE = (ValueError, RuntimeError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged file raises; RuntimeError is also torch's and that of an archive with a password."""


@dataclass(frozen=True)
class Conversion:
    """What was written, and what was not.

    Attributes:
        path: the file written.
        network: the name of the network inside the source; empty = the source holds one without a name.
        state: tensors by name, as written.
        source_sha256: of the source.
        notes: one sentence for everything that was left out or is otherwise than asked for.
    """

    path: Path
    network: str
    state: Mapping[str, Tensor]
    source_sha256: str
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many numbers there are in all tensors."""
        return sum(tensor.numel() for tensor in self.state.values())


def convert(
    source: Path,
    target: Path,
    *,
    overwrite: bool = False,
    half: bool = False,
    prefix: str | None = None,
    monitor: Monitor | None = None,
) -> Conversion:
    """Write one network of `source` as safetensors.

    Args:
        source: a file of torch, a pickle of StyleGAN's kind, TorchScript or safetensors. Nothing in it is run.
        target: ends in `.safetensors`.
        overwrite: replace an existing file.
        half: numbers of 32 and 64 bits as such of 16, where they fit.
        prefix: which network or part of one; None = the one that fills holes.
        monitor: progress and cancelling.

    Raises:
        InputError: there is no such file, the target cannot be written, or nothing is called `prefix`.
        WeightsError: the file is damaged, of another kind, or does not show which of its networks fills holes.
        Cancelled: asked to stop; nothing was written.
    """
    source, target = Path(source), Path(target)
    monitor = monitor or Monitor()
    if target.suffix.lower() != ".safetensors":
        raise InputError(f"'{target.name}' is to be a safetensors file; let its name end in .safetensors.")
    if not source.is_file():
        raise InputError(f"There is no file {source}: check the path.")
    check_target(target, overwrite=overwrite)
    monitor.report(f"reading {source.name}", 0.0)
    with _value_of(source) as value:
        found = networks(value, (Tensor, StoredTensor))
        name, stored = chosen(found, source, prefix)
        state, notes = _tensors(dict(stored), source, monitor.part(0.0, 0.6))
    if half:
        notes += _halve(state)
    others = {other: part for other, part in found.items() if other != name}
    if others:
        notes.append(f"Left out: {listed(others)}." if name in found else f"Left out: all but '{name}'.")
    summed = digest(source, monitor=monitor.part(0.6, 0.8))
    monitor.report(f"writing {target.name}", 0.8)
    metadata = {"format": "pt", "source_sha256": summed, "network": name}
    write_atomically(target, lambda path: _save(state, path, metadata), overwrite=overwrite)
    return Conversion(target, name, state, summed, tuple(notes))


@contextmanager
def _value_of(source: Path) -> Iterator[Any]:
    """What a file holds, as mappings whose ends are tensors; told as a sentence where it cannot be read."""
    try:
        kind = kind_of(source)
        if kind == "safetensors":
            yield load_safetensors(source)
        elif kind in ("pytorch", "torchscript", "pickle") or source.suffix.lower() in PICKLE_SUFFIXES:
            with opened(source) as (records, storages):
                yield rebuilt(records, storages)
        else:
            known = "files of torch, StyleGAN's pickles, TorchScript and safetensors"
            raise WeightsError(f"{source} is {_described(kind)}: only {known} can be converted.")
    except LensError:
        raise
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise WeightsError(f"{source} is no whole file of weights ({reason}): get it again.") from error


def _described(kind: str) -> str:
    return "an ONNX graph" if kind == "onnx" else "no file of weights, or is damaged"


def _tensors(stored: State, source: Path, monitor: Monitor) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of their own, taken out of `stored` one after the other, and notes on those that cannot be read."""
    strange = [key for key, part in stored.items() if isinstance(part, StoredTensor) and part.build is None]
    needed = sum(part.bytes for part in stored.values() if isinstance(part, StoredTensor))
    if needed > most_bytes(source):
        raise WeightsError(f"{source} claims to hold {size_text(needed)}, far more than it does: do not use it.")
    state: dict[str, Tensor] = {}
    total = len(stored)
    for index, key in enumerate(list(stored)):
        monitor.report(f"reading {source.name}", index / total)
        part = stored.pop(key)
        if isinstance(part, Tensor):
            state[key] = part
        elif part.build:
            state[key] = part.build()
    if not state:
        raise WeightsError(f"{source} holds no tensors of plain numbers: give another file.")
    some = ", ".join(strange[:4]) + " ..." * (len(strange) > 4)
    return state, [f"Left out, since such tensors cannot be read: {some}."] if strange else []


def _halve(state: dict[str, Tensor]) -> list[str]:
    """Numbers of 32 and 64 bits become such of 16; a tensor with one that would become infinite stays as it is."""
    whole = []
    for key, tensor in state.items():
        if tensor.dtype in (torch.float32, torch.float64):
            smaller = tensor.half()
            if (smaller.isinf() & tensor.isfinite()).any():
                whole.append(key)
            else:
                state[key] = smaller
    some = ", ".join(whole[:4]) + " ..." * (len(whole) > 4)
    return [f"Not halved, since they hold numbers above 65504: {some}."] if whole else []


def _save(state: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    mode = path.stat().st_mode
    try:
        save_file(dict(state), path, metadata)
        path.chmod(mode)  # it makes a new file that nobody else may read
    except SafetensorError as error:
        raise WeightsError(f"The tensors cannot be written as safetensors ({error}).") from error

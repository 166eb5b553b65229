"""Checkpoints: folders that are whole or not there, of safetensors and JSON only.

A checkpoint is written to a folder of another name, flushed to the disk and then renamed, so that a run that is killed
at any moment finds the last whole one. The newest two are kept. A tensor that a network holds under several keys is
written once; the other keys are beside it.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from ..imaging.errors import LensError, WeightsError

KEPT = 2
FORMAT = 1
_TENSORS, _STATE, _PREFIX = "tensors.safetensors", "state.json", "step-"
_SAME = "same_tensors"
"""In the state: keys whose tensor is written under another one."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run is at the end of a step.

    Attributes:
        tensors: of networks, averages and optimisers, by `group/name/key`.
        state: everything else, as JSON can hold it; `step` is among it.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]

    def group(self, group: str, name: str) -> dict[str, Tensor]:
        """Tensors of one network or optimiser by key."""
        prefix = f"{group}/{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie, made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def steps(self) -> list[int]:
        """Steps of all whole checkpoints, the oldest first."""
        names = [path.name for path in self.folder.glob(f"{_PREFIX}*") if (path / _STATE).is_file()]
        return sorted(int(name.removeprefix(_PREFIX)) for name in names if name.removeprefix(_PREFIX).isdigit())

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint and remove those that are older than the newest two.

        Raises:
            LensError: there is no space or no permission; the sentence says which checkpoint is still there.
        """
        step = checkpoint.state["step"]
        place = self.folder / f"{_PREFIX}{step:08d}"
        part = self.folder / f".{place.name}-{secrets.token_hex(4)}"
        try:
            part.mkdir(parents=True)
            self._write(checkpoint, part)
            if place.exists():
                shutil.rmtree(place)
            part.rename(place)
            _flush(self.folder)
        except (OSError, SafetensorError) as error:
            raise self._cannot_save(error, step) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._prune()
        return place

    def _write(self, checkpoint: Checkpoint, folder: Path) -> None:
        tensors, same = distinct(checkpoint.tensors)
        _write_tensors(tensors, folder / _TENSORS)
        (folder / _STATE).write_text(json.dumps({"format": FORMAT, **checkpoint.state, _SAME: same}, indent=1))
        for path in (folder / _TENSORS, folder / _STATE, folder):
            _flush(path)

    def _prune(self) -> None:
        for step in self.steps()[:-KEPT]:
            shutil.rmtree(self.folder / f"{_PREFIX}{step:08d}", ignore_errors=True)
        for left_over in self.folder.glob(f".{_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)

    def _cannot_save(self, error: Exception, step: int) -> LensError:
        steps = self.steps()
        kept = f"The checkpoint of step {steps[-1]} is untouched" if steps else "There is no earlier checkpoint"
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        reason = "there is no space left on the disk" if full else str(error)
        cure = "free some" if full else "make the folder writable"
        return LensError(
            f"The checkpoint of step {step} cannot be written to {self.folder}: {reason}. {kept}; {cure} and go on "
            "with --resume."
        )

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that can be read, or None, and a sentence for each newer one that cannot."""
        notes = []
        for step in reversed(self.steps()):
            place = self.folder / f"{_PREFIX}{step:08d}"
            try:
                state = json.loads((place / _STATE).read_text())
                if state.get("format") != FORMAT:
                    raise ValueError(f"format {state.get('format')}")
                tensors = load_file(place / _TENSORS)
                tensors |= {key: tensors[written] for key, written in state.pop(_SAME, {}).items()}
                return Checkpoint(tensors, state), notes
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                notes.append(f"The checkpoint of step {step} is damaged and is passed over ({error}).")
        return None, notes


def distinct(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors as safetensors can hold them, on the CPU: each once, and none a part of another's memory.

    Returns:
        The tensors by the first of their keys; and for every further key of a tensor its first one.
    """
    first: dict[tuple[Any, ...], str] = {}
    same: dict[str, str] = {}
    for key, value in tensors.items():
        if value.numel():
            place = value.device, value.data_ptr(), value.dtype, value.shape, value.stride()
            if (written := first.setdefault(place, key)) != key:
                same[key] = written
    memory: set[int] = set()
    kept: dict[str, Tensor] = {}
    for key in [key for key in tensors if key not in same]:
        value = tensors[key].detach().cpu().contiguous()
        shared = value.untyped_storage().data_ptr() in memory
        kept[key] = value.clone() if shared else value
        memory.add(kept[key].untyped_storage().data_ptr())
    return kept, same


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file(dict(tensors), path)


def _flush(path: Path) -> None:
    """Wait until a file or the names of a folder are on the disk; Windows has no such wait for folders."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def optimiser_tensors(optimiser: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State of an optimiser: its tensors by `number of the parameter/name`, and the rest as JSON can hold it."""
    tensors, rest = {}, {}
    state = optimiser.state_dict()
    for index, values in state["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{key}"] = value
            else:
                rest[f"{index}/{key}"] = value
    return tensors, {"values": rest, "groups": state["param_groups"]}


def restore_optimiser(optimiser: Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Set what `optimiser_tensors` gave.

    Raises:
        WeightsError: the state is of another optimiser or of other parameters.
    """
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *rest["values"].items()]:
        index, _, name = key.partition("/")
        # Kept on the CPU by Adam; loading would move it to the device of the parameter.
        state.setdefault(int(index), {})[name] = value.clone() if isinstance(value, Tensor) else value
    groups = [{**group, "betas": tuple(group["betas"])} if "betas" in group else group for group in rest["groups"]]
    shapes = [parameter.shape for group in optimiser.param_groups for parameter in group["params"]]
    for index, values in state.items():
        for value in values.values():
            if isinstance(value, Tensor) and value.dim() and (index >= len(shapes) or value.shape != shapes[index]):
                raise WeightsError("The checkpoint's optimiser is of other parameters than the configuration makes.")
    try:
        optimiser.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise WeightsError(f"The checkpoint's optimiser does not fit: {error}.") from error

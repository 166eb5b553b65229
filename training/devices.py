"""Where a run computes."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

from ..backends.devices import CHOICES, unusable
from ..imaging.errors import InputError, MissingError


def device_named(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes a GPU where one is usable.

    Raises:
        InputError: there is no such device.
        MissingError: it is not usable here.
    """
    kind = name.partition(":")[0]
    if kind not in CHOICES:
        raise InputError(f"Unknown device '{name}': take one of {', '.join(CHOICES)}.")
    if name == "auto":
        return torch.device(next((one for one in ("cuda", "mps") if not unusable(one)), "cpu"))
    if kind != "cpu" and (reason := unusable(name)):
        raise MissingError(f"The device '{name}' cannot be used: {reason} Take --device cpu.")
    return torch.device(name)


def make_accelerator(device: torch.device, precision: str) -> Accelerator:
    """An accelerator of its own for one run; several processes are those that accelerate's launcher started.

    Raises:
        InputError: the device does not know the precision.
    """
    if precision == "fp16" and device.type == "cpu":
        raise InputError('[trainer] precision is "fp16", which a processor has not: take "bf16" or "no".')
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        # Accelerate keeps the settings of the first run of a process for all later ones.
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    return Accelerator(cpu=device.type == "cpu", mixed_precision=precision, device_placement=False)

"""Where to compute: an explicit choice never falls back in silence."""

from __future__ import annotations

import logging

from ..imaging.errors import InputError, MissingError
from .protocol import BackendInfo

log = logging.getLogger(__name__)


class DeviceError(MissingError):
    """A device, or what a backend needs to run on it, is not usable here."""


CHOICES = ("auto", "cpu", "cuda", "mps")


def resolve(device: str, info: BackendInfo) -> str:
    """The device for a backend: `cpu`, `cuda`, `cuda:N` or `mps`.

    `auto` takes a usable GPU where the backend can run on one, else the CPU, and logs what it took.

    Raises:
        InputError: not a device's name, or the backend cannot run there.
        DeviceError: that device is not usable on this machine; the sentence says why.
    """
    kind = device.partition(":")[0]
    if kind not in CHOICES:
        raise InputError(f"Unknown device '{device}': take one of {', '.join(CHOICES)}.")
    if kind == "cpu" or (kind == "auto" and not info.gpu):
        return "cpu"
    if not info.gpu:
        raise InputError(f"{info.name} runs on the CPU only: leave --device away or take another backend.")
    if kind == "auto":
        taken = next((name for name in ("cuda", "mps") if not unusable(name)), "cpu")
        log.info("%s runs on %s", info.name, taken)
        return taken
    if reason := unusable(device):
        raise DeviceError(
            f"The device '{device}' cannot be used: {reason} Take --device cpu, or see `inpaint-lens doctor`."
        )
    return device


def unusable(device: str) -> str:
    """Why torch cannot use a device, as a sentence; empty if it can."""
    import torch

    kind, _, index = device.partition(":")
    if kind == "mps":
        return "" if torch.backends.mps.is_available() else "this machine or this PyTorch has no Metal support."
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) was built without CUDA."
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}) finds no usable NVIDIA GPU or driver."
    if index and (not index.isdigit() or int(index) >= torch.cuda.device_count()):
        return f"there are only {torch.cuda.device_count()} CUDA devices."
    return ""

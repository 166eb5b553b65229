"""What works on this machine, checked by doing it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..backends.devices import unusable
from ..backends.registry import backends, load, status
from ..imaging.errors import LensError
from ..weights_registry.settings import HubSettings

PACKAGES = {
    "numpy": "",
    "opencv-python-headless": "",
    "pyvips": "",
    "huggingface_hub": "",
    "captum": "",
    "spandrel": "lama",
    "onnxruntime": "onnx",
    "onnxruntime-gpu": "",
    "PyPatchMatch": "patchmatch",
    "lpips": "metrics",
}
"""Distributions and the extra that brings each; those without one come with the core or replace another."""
LEAST_MEMORY_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: was looked at.
        state: good, bad (something needed does not work) or note (optional, absent).
        found: what there is.
        advice: the next step; empty where none is needed.
    """

    what: str
    state: Literal["good", "bad", "note"]
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """All findings, the most basic first."""
    checks: tuple[Callable[[], list[Finding]], ...] = (_python, _torch, _onnx, _memory, _packages, _caches, _backends)
    return [finding for check in checks for finding in check()]


def _python() -> list[Finding]:
    found = f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    old = sys.version_info < (3, 11)
    return [Finding("Python", "bad" if old else "good", found, "install Python 3.11 or later" if old else "")]


def _torch() -> list[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Finding("PyTorch", "bad", f"cannot be imported ({error})", "pip install --force-reinstall torch")]
    findings = [Finding("PyTorch", "good", f"{torch.__version__}, {torch.get_num_threads()} threads")]
    reason = unusable("cuda")
    if not reason:
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        found = f"{name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, CUDA {torch.version.cuda}"
        return [*findings, Finding("CUDA", "good", found)]
    advice = "nothing to do without an NVIDIA GPU; with one, check `nvidia-smi` and that its driver fits this CUDA"
    if not shutil.which("nvidia-smi"):
        advice = "nothing to do without an NVIDIA GPU; with one, install its driver (`nvidia-smi` is not here)"
    metal = [] if unusable("mps") else [Finding("Metal", "good", "usable")]
    return [*findings, Finding("CUDA", "note", reason, advice), *metal]


def _onnx() -> list[Finding]:
    try:
        import onnxruntime

        from ..backends.onnx import usable_providers
    except ImportError:
        return [Finding("ONNX Runtime", "note", "not installed", "pip install 'inpaint-lens[onnx]'")]
    usable = usable_providers()
    listed = [n for n in onnxruntime.get_available_providers() if n not in usable and not n.startswith("Azure")]
    findings = [Finding("ONNX Runtime", "good", f"{onnxruntime.__version__}, usable: {', '.join(usable)}")]
    if listed:
        advice = "for an NVIDIA GPU: pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime"
        findings.append(
            Finding("ONNX Runtime providers", "note", f"listed but do not start: {', '.join(listed)}", advice)
        )
    return findings


def _memory() -> list[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free, {os.cpu_count()} processors"
    low = memory.available / 1e9 < LEAST_MEMORY_GB
    return [Finding("Memory", "note" if low else "good", found, "close other programs first" if low else "")]


def _packages() -> list[Finding]:
    findings = []
    for name, extra in PACKAGES.items():
        try:
            findings.append(Finding(name, "good", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            if extra:
                findings.append(Finding(name, "note", "not installed", f"pip install 'inpaint-lens[{extra}]'"))
            elif name != "onnxruntime-gpu":
                findings.append(Finding(name, "bad", "not installed", "pip install --force-reinstall inpaint-lens"))
    return findings


def _caches() -> list[Finding]:
    from ..weights_registry.hub import cache_folder

    settings = HubSettings.from_environment()
    findings = []
    for what, folder in (("Cache of the Hub", cache_folder(settings)), ("Cache of inpaint-lens", settings.cache)):
        place = next(p for p in (folder, *folder.parents) if p.exists())
        writable = os.access(place, os.W_OK)
        free = shutil.disk_usage(place).free / 1e9
        advice = "" if writable else f"make {place} writable, or name another folder (HF_HOME, INPAINT_LENS_CACHE)"
        findings.append(Finding(what, "good" if writable else "bad", f"{folder}, {free:.1f} GB free on disk", advice))
    found = "offline (HF_HUB_OFFLINE)" if settings.offline else os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    return [*findings, Finding("Hub", "good", found)]


def _backends() -> list[Finding]:
    findings = []
    for info in backends().values():
        state = status(info)
        if not state.ready:
            findings.append(Finding(f"Backend {info.name}", "note", state.reason))
            continue
        try:
            device = load(info.name).device
        except LensError as error:
            findings.append(Finding(f"Backend {info.name}", "bad", "does not load", str(error)))
        else:
            findings.append(Finding(f"Backend {info.name}", "good", f"loads, on {device}"))
    return findings

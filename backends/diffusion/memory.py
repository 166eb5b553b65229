"""How much memory a diffusion model needs, told before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping

import psutil
import torch

from ...imaging.errors import LensError
from ...weights_registry.catalog import size_text
from .folder import ModelFolder
from .models import OFFLOADS

VALUES_PER_PIXEL = 1300
"""Numbers held at once for each pixel while a decoder runs, its largest layers being at full resolution.

Measured with the decoder of Stable Diffusion on a CPU: 1400 at 256 x 256, 950 at 384 x 384.
"""


def needed(folder: ModelFolder, bytes_per_value: int, pixels: int, full_decoder: bool = False) -> dict[str, int]:
    """Bytes that a run needs on its device, by the way of offloading.

    Args:
        folder: the model.
        bytes_per_value: 4 in full precision, 2 in half.
        pixels: of one picture.
        full_decoder: whether the decoder runs in full precision in any case.
    """
    decoding = pixels * VALUES_PER_PIXEL * (4 if full_decoder else bytes_per_value)
    resident = [part.values * bytes_per_value for part in folder.parts]
    # Moved there one at a time, the other parts have the device to themselves; they take less room to work than the
    # decoder.
    alone = [
        size + decoding // (1 if part.name == "vae" else 2) for size, part in zip(resident, folder.parts, strict=True)
    ]
    tensors = [part.largest * bytes_per_value for part in folder.parts]
    return {
        "none": sum(resident) + decoding,
        "model": max(alone, default=0),
        "sequential": max(tensors, default=0) + decoding,
    }


def available(device: str) -> int:
    """Bytes that can still be had on a device."""
    if not device.startswith("cuda"):
        return psutil.virtual_memory().available
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + cached


def check_memory(name: str, device: str, needs: Mapping[str, int], offload: str) -> None:
    """Raise `LensError` where a model does not fit; the sentence says what it needs and which way it would.

    Args:
        name: of the backend.
        device: where it is to run; with one of its own memory, all weights pass through the computer's first.
        needs: see `needed`.
        offload: the way chosen.
    """
    free = available(device)
    if needs[offload] > free:
        raise LensError(
            f"{name} needs about {size_text(needs[offload])} of memory on {device} and {size_text(free)} is free: "
            f"{_way_out(device, needs, offload, free)}."
        )
    if device.startswith("cuda") and needs["none"] > (left := available("cpu")):
        raise LensError(
            f"{name} passes through the computer's memory and needs about {size_text(needs['none'])} there, of which "
            f"{size_text(left)} is free: close other programs, or take a smaller model."
        )


def _way_out(device: str, needs: Mapping[str, int], offload: str, free: int) -> str:
    if device != "cpu":
        for way in OFFLOADS[OFFLOADS.index(offload) + 1 :]:
            if needs[way] <= free:
                return f"give --set offload={way} (about {size_text(needs[way])}), or take a smaller model"
    elif needs[offload] / 2 <= free:
        return "give --set precision=bfloat16 if it is not, close other programs, or take a smaller model"
    return "close other programs, or take a smaller model"

"""Both models of a task: made by its settings, kept as safetensors that say how they are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ...backends.nets.nafnet import NafNet
from ...backends.nets.restoring_diffusion import STEPS, RestoringDiffusion
from ...backends.restoration import STRUCTURE
from ...imaging.errors import InputError, WeightsError
from ...imaging.writing import write_bytes
from ..generators import load_exactly
from ..recipes.protocol import Batch, bare
from .clip import ClipWords, fetched_clip
from .configuration import FirstModel, SecondModel
from .dual_encoder import DualEncoder

CLEAREST_SHARE = 0.25
"""Of the levels of noise, at which a diffusion model's guess of the picture is good enough to be judged by words."""


def make_first(settings: FirstModel) -> nn.Module:
    """A fresh restoration network.

    Raises:
        MissingError: a package is not installed.
        InputError: sizes that make no network.
    """
    try:
        if settings.kind == "ddpm":
            return RestoringDiffusion(settings.channels, settings.layers)
        return NafNet(settings.width, settings.encoder, settings.middle, settings.decoder)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"[task.first_model] gives no network: {error}.") from error


def structure_of(settings: FirstModel) -> dict[str, Any]:
    """What a backend has to know to make the network again."""
    if settings.kind == "ddpm":
        return {"kind": "ddpm", "channels": list(settings.channels), "layers": settings.layers}
    return {"kind": "nafnet"}


def make_second(settings: SecondModel) -> DualEncoder | ClipWords:
    """A fresh second model; CLIP comes with its weights.

    Raises:
        MissingError: CLIP's weights or a package are not here; the sentence says how to get them.
    """
    if settings.kind == "clip":
        return ClipWords(settings.folder, settings.whole) if settings.folder else fetched_clip(settings.whole)
    return DualEncoder(settings.width)


@dataclass(frozen=True)
class Attempt:
    """What the first model makes of a batch in training.

    Attributes:
        output: what the pixel loss looks at, `[N, 3, S, S]`.
        wanted: what `output` should be.
        picture: the restored pictures, about [0, 1].
    """

    output: Tensor
    wanted: Tensor
    picture: Tensor


def attempt(network: nn.Module, batch: Batch, clear: bool = False) -> Attempt:
    """One forward pass of the first model, for either kind.

    Args:
        network: maybe in the wrapper of several devices.
        batch: `first`, `second` `[N, 3, S, S]` in [0, 1], `draw` `[N]`, which seeds what is drawn for each picture.
        clear: of diffusion, draw low levels of noise only, where its guess of the picture can be judged.
    """
    plain = bare(network)
    if not isinstance(plain, RestoringDiffusion):
        restored = network(batch["first"])
        return Attempt(restored, batch["second"], restored)
    wanted, times = [], []
    for seed in batch["draw"].tolist():
        drawing = torch.Generator().manual_seed(seed)
        times.append(torch.randint(0, int(STEPS * (CLEAREST_SHARE if clear else 1)), (1,), generator=drawing))
        wanted.append(torch.randn(batch["first"].shape[1:], generator=drawing))
    noise, time = torch.stack(wanted).to(batch["first"]), torch.cat(times).to(batch["first"].device)
    kept = plain.kept_share(time)
    noisy = kept.sqrt() * (batch["second"] * 2 - 1) + (1 - kept).sqrt() * noise
    predicted = network(batch["first"], noisy, time)
    guess = (noisy - (1 - kept).sqrt() * predicted) / kept.sqrt()
    return Attempt(predicted, noise, (guess + 1) / 2)


def save_model(network: nn.Module, path: Path, structure: Mapping[str, Any]) -> None:
    """Write a model in full precision, whole or not at all."""
    state = {key: value.detach().cpu().contiguous().clone() for key, value in bare(network).state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(save(state, metadata={STRUCTURE: json.dumps(structure)}), path, overwrite=True)


def load_model(network: nn.Module, path: Path) -> None:
    """Set the weights of a model.

    Raises:
        WeightsError: the file is missing, damaged or of a model of another structure.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The model {path} cannot be read ({error}): train its stage again.") from error
    load_exactly(network, state, str(path))

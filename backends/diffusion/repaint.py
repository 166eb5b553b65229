"""RePaint: fill with any unconditional diffusion model of pictures, which never learned to fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Generator, Tensor

from ...imaging.errors import InputError, WeightsError
from ...imaging.monitor import Monitor
from ...imaging.size_rule import SizeRule
from ...weights_registry.fetch import require
from ..network import hidden_pixels
from ..protocol import BackendInfo, Value
from ..registry import own_random_state
from ..settings import checked
from .chain import Chain, Prediction, way
from .folder import read_index
from .preparing import generators

KINDS = ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline", "RePaintPipeline")
"""Pipelines of an unconditional network and a scheduler."""


@dataclass(frozen=True)
class Diffusion:
    """An unconditional diffusion model of pictures in [-1, 1].

    Attributes:
        network: called with pictures and time steps.
        kept: alpha bar of every time step of training.
        clip: within what a foreseen picture is kept; None = not at all.
        prediction: what the network's output means.
    """

    network: UNet2DModel
    kept: tuple[float, ...]
    clip: float | None
    prediction: Prediction


def load(info: BackendInfo, device: str) -> RePaintBackend:
    """RePaint over the model of the registry; its size rule is that of the model.

    Raises:
        MissingError: the weights are not here.
        WeightsError: they are not of an unconditional diffusion model of colour pictures.
    """
    path = require(info.weights[0])
    index = read_index(path, info.name)
    if index.get("_class_name") not in KINDS:
        raise WeightsError(
            f"{path} holds a {index.get('_class_name')} and {info.name} needs an unconditional diffusion model "
            f"({', '.join(KINDS)}): give the folder of one."
        )
    diffusion = _read(path, info.name, device)
    side = diffusion.network.config["sample_size"]
    if not isinstance(side, int):
        side = side[0] if side and side[0] == side[1] else info.size_rule.fixed
    return RePaintBackend(replace(info, size_rule=SizeRule(fixed=side)), diffusion, device)


def _read(path: Path, name: str, device: str) -> Diffusion:
    """The model of a folder; older ones keep their parts in the folder itself."""
    parts = [path / part if (path / part).is_dir() else path for part in ("unet", "scheduler")]
    try:
        with own_random_state(device):
            # Of another file than safetensors diffusers reads tensors only (torch.load with weights_only).
            safe = any(parts[0].glob("*.safetensors"))
            network: Any = UNet2DModel.from_pretrained(str(parts[0]), local_files_only=True, use_safetensors=safe)
            scheduler: Any = DDPMScheduler.from_pretrained(str(parts[1]), local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .:")
        raise WeightsError(f"{path} cannot be loaded as {name} ({reason}): fetch it again.") from error
    about, noising = network.config, scheduler.config
    classes = about.get("class_embed_type") or about.get("num_class_embeds")
    if about["in_channels"] != 3 or about["out_channels"] not in (3, 6) or classes:
        raise WeightsError(
            f"{path} is no unconditional model of colour pictures: {name} needs one of three channels, without classes."
        )
    if noising["prediction_type"] not in get_args(Prediction):
        raise WeightsError(f"{path} predicts '{noising['prediction_type']}', which {name} does not know.")
    clip = float(noising.get("clip_sample_range") or 1.0) if noising["clip_sample"] else None
    # Multiplied up here: in the scheduler's own single precision the first steps would be off by a part in a thousand.
    kept = tuple((1 - scheduler.betas.double()).cumprod(0).tolist())
    return Diffusion(network.eval().requires_grad_(False).to(device), kept, clip, noising["prediction_type"])


class RePaintBackend:
    """Lugmayr et al. 2022, algorithm 1 with jumps; no gradients."""

    def __init__(self, info: BackendInfo, diffusion: Diffusion, device: str) -> None:
        self.info, self.diffusion, self.device = info, diffusion, device

    @torch.no_grad()
    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int | Sequence[int] = 0,
        monitor: Monitor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; excluded pixels are unknown to the model and painted as if they were hole.

        Args:
            image: float32 `[N, 3, S, S]` in [0, 1], S the side of the model.
            hole: float32 `[N, 1, S, S]`, 1 = fill this.
            exclude: like `hole`, 1 = do not look.
            seed: one for all pictures, or one for each.
            monitor: told of every step; cancelling ends the run before the next one.
            settings: `steps`, `jump-length`, `jump-resamples`, `eta`.

        Raises:
            InputError: more steps than the model was trained on, jumps as long as the chain, or not one seed for each
                picture.
            Cancelled: asked to stop.
        """
        monitor = monitor or Monitor()
        chosen = checked(self.info, settings or {})
        steps, length, resamples = (int(chosen[name]) for name in ("steps", "jump-length", "jump-resamples"))
        self._check(steps, length, resamples)
        noise = _Noise(generators(seed, len(image)), image.shape[1:], self.device)
        hidden = hidden_pixels(hole, exclude).to(self.device) > 0
        known = torch.where(hidden, 0.0, image.to(self.device).float() * 2 - 1)
        chain = Chain.shortened(self.diffusion.kept, steps)
        result = self._run(chain, way(steps, length, resamples), known, hidden, noise, float(chosen["eta"]), monitor)
        return ((result + 1) / 2).clamp(0, 1).to(image.device)

    def _check(self, steps: int, length: int, resamples: int) -> None:
        trained = len(self.diffusion.kept)
        if steps > trained:
            raise InputError(f"steps is {steps} and the model was trained on {trained}: give as many or fewer.")
        if length >= steps and resamples > 1:
            raise InputError(
                f"jump-length is {length}, as long as the chain of {steps} steps: give a smaller one, or "
                "jump-resamples=1."
            )

    def _run(
        self,
        chain: Chain,
        levels: list[int],
        known: Tensor,
        hidden: Tensor,
        noise: _Noise,
        eta: float,
        monitor: Monitor,
    ) -> Tensor:
        """Algorithm 1, the levels given; pictures in [-1, 1]."""
        x = noise.draw()
        total = sum(there < here for here, there in pairwise(levels))
        done = 0
        for here, there in pairwise(levels):
            if there > here:
                x = chain.forward(x, there, noise.draw())
                continue
            monitor.report("filling", done / total)
            done += 1
            outside = chain.noised(known, there, noise.draw() if there else torch.zeros_like(x))
            inside = self._back(chain, x, here, noise.draw() if there else torch.zeros_like(x), eta)
            x = torch.where(hidden, inside, outside)
        monitor.report("filling", 1.0)
        return x

    def _back(self, chain: Chain, x: Tensor, level: int, noise: Tensor, eta: float) -> Tensor:
        time = torch.full((len(x),), chain.times[level - 1], device=x.device)
        # A network that learned variances too gives them in channels of their own; eta stands for them here.
        output = self.diffusion.network(x, time, return_dict=False)[0][:, :3]
        clip, prediction = self.diffusion.clip, self.diffusion.prediction
        return chain.back(x, output, level, noise, eta=eta, clip=clip, prediction=prediction)


class _Noise:
    """Standard normal noise for each picture from its own generator."""

    def __init__(self, sources: Sequence[Generator], shape: torch.Size, device: str) -> None:
        self.sources, self.shape, self.device = sources, shape, device

    def draw(self) -> Tensor:
        """The next noise, `[N, 3, S, S]`."""
        return torch.stack([torch.randn(self.shape, generator=source) for source in self.sources]).to(self.device)

"""Train `lens-small` from nothing: `python -m inpaint_lens.training.lens_small --data DIR --vgg FILE --out DIR`.

Runs in stages (small crops first, then larger ones), saves a checkpoint every few minutes, goes on from it when
started again, and writes the averaged weights in half precision at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from ..backends.nets.lens_small import LensSmall
from .losses import PerceptualVgg, hole_l1
from .pictures import RandomCrops, read_rgb, split_by_picture


@dataclass(frozen=True)
class Stage:
    """One part of the run: crops of `size` pixels until `minutes` (of the whole run) have passed."""

    size: int
    batch: int
    minutes: float
    rate: float


@dataclass
class Progress:
    """What a checkpoint remembers besides the weights."""

    step: int = 0
    seconds: float = 0.0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--vgg", type=Path, required=True, help="safetensors file with VGG16 and its LPIPS heads")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the result")
    parser.add_argument("--minutes", type=float, default=60, help="time for the whole run")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--perceptual", type=float, default=1.0, help="weight of the perceptual loss")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Run:
    """One training run: network, its running average, optimiser, checkpoint."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        self.device = torch.device(options.device)
        self.network = LensSmall().to(self.device)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4)
        self.perceptual = PerceptualVgg(options.vgg).to(self.device)
        self.progress = Progress()
        self.checkpoint = options.out / "checkpoint.pt"
        if self.checkpoint.exists():
            self._restore()

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.progress = Progress(**saved["progress"])

    def save(self) -> None:
        """Write the checkpoint and the averaged weights; an older file survives a full disk."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)
        averaged = self.average.module.state_dict()
        half = {k: v.half().contiguous() for k, v in averaged.items() if v.is_floating_point()}
        part = self.options.out / "lens_small.safetensors.part"
        save_file(half, part)
        part.replace(self.options.out / "lens_small.safetensors")

    def step(self, image: Tensor, hole: Tensor, rate: float) -> tuple[float, float]:
        """One update; returns the two loss terms."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16):
            output = self.network(image, hole)
            composite = image * (1 - hole) + output * hole
            pixel = hole_l1(output, image, hole)
            feature = self.perceptual(composite, image)
        loss = pixel + self.options.perceptual * feature / hole.mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.progress.step += 1
        return float(pixel.detach()), float(feature.detach())

    def stage(self, stage: Stage, loader: DataLoader[tuple[Tensor, Tensor]]) -> None:
        """Train until the stage's time is up; the rate warms up, then falls by a cosine to a tenth."""
        start, begun, saved = time.monotonic() - self.progress.seconds, self.progress.seconds, time.monotonic()
        losses: list[tuple[float, float]] = []
        for image, hole in loader:
            self.progress.seconds = time.monotonic() - start
            if self.progress.seconds > stage.minutes * 60:
                break
            share = (self.progress.seconds - begun) / max(1.0, stage.minutes * 60 - begun)
            cosine = 0.1 + 0.45 * (1 + torch.cos(torch.tensor(share * torch.pi)).item())
            rate = stage.rate * cosine * min(1.0, (self.progress.step + 1) / 200)
            image = image.to(self.device, memory_format=torch.channels_last)
            losses.append(self.step(image, hole.to(self.device), rate))
            if self.progress.step % 50 == 0:
                self._log(stage, losses)
                losses.clear()
            if time.monotonic() - saved > 120:
                self.save()
                saved = time.monotonic()
        self.save()

    def _log(self, stage: Stage, losses: list[tuple[float, float]]) -> None:
        pixel, feature = (sum(column) / len(losses) for column in zip(*losses, strict=True))
        line = {"step": self.progress.step, "minutes": round(self.progress.seconds / 60, 2), "size": stage.size}
        line |= {"l1": round(pixel, 5), "perceptual": round(feature, 5)}
        with (self.options.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")


def main() -> None:
    """Train as the command line says."""
    options = parse_arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    files, _ = split_by_picture(options.data)
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(read_rgb, files))
    run = Run(options)
    total = options.minutes
    for stage in (Stage(192, 4, 0.75 * total, 6e-4), Stage(256, 4, total, 2.5e-4)):
        if run.progress.seconds >= stage.minutes * 60:
            continue
        crops = RandomCrops(pictures, stage.size, options.seed + run.progress.step)
        workers = 4 if run.device.type == "cuda" else 1
        run.stage(stage, DataLoader(crops, batch_size=stage.batch, num_workers=workers))
    sys.stdout.write(f"Weights: {options.out / 'lens_small.safetensors'}; state after {run.progress.step} steps.\n")


if __name__ == "__main__":
    main()

"""The trainer: runs a recipe on pictures by Hugging Face accelerate, so that it can be killed and gone on with."""

from __future__ import annotations

import hashlib
import platform
import time
from pathlib import Path
from typing import Any, cast

import accelerate
import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor

from ..backends.registry import own_random_state
from ..imaging.errors import Cancelled, InputError, WeightsError
from ..imaging.writing import write_atomically
from ..weights_registry.formats import load_state_dict
from . import outcome
from .averages import Averages
from .checkpoints import Checkpoint, Checkpoints, optimiser_tensors, restore_optimiser
from .config import Config
from .devices import device_named, make_accelerator
from .generators import load_exactly
from .loading import StepBatches, make_loader, on_device
from .logbook import Logbook
from .optimisers import rate_share, set_rate
from .pictures import find_pictures
from .recipes.protocol import Batch, Samples, bare
from .recipes.registry import make_recipe
from .settings import as_table
from .stepping import Stepper
from .watch import Meter, Watch, duration

FIRST_STEPS = 10
"""Steps after which the time that is left is told."""
POLL_STEPS = 10
"""How often several processes agree on whether to stop."""


class Trainer:
    """One run in one folder.

    Setting up reads the headers of the pictures, makes the networks and, to go on with a run, its newest checkpoint.

    Args:
        config: what to train.
        folder: of the run; made if it is not there.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        resume: go on from the newest checkpoint; without one the run begins anew.
        watch: who looks on.

    Raises:
        InputError: the configuration does not fit together, the pictures cannot be used, or the folder holds a run and
            `resume` is not set.
        MissingError: weights or a device are not here.
        WeightsError: weights or a checkpoint are of another network.
    """

    def __init__(
        self, config: Config, folder: Path, device: str = "auto", resume: bool = False, watch: Watch | None = None
    ) -> None:
        self.config, self.folder, self.settings = config, folder, config.trainer
        self.watch = watch or Watch()
        self.pictures = find_pictures(config.data)
        self.checkpoints = Checkpoints(folder / "checkpoints")
        if self.checkpoints.steps() and not resume:
            raise InputError(f"{folder} holds a run already: go on with it by --resume, or choose another folder.")
        self.device = device_named(device)
        self.accelerator = make_accelerator(self.device, self.settings.precision)
        if self.accelerator.num_processes > 1 and self.device.type != "cpu":
            self.device = self.accelerator.device
        if self.settings.batch % self.accelerator.num_processes:
            raise InputError(
                f"[trainer] batch is {self.settings.batch}: give a multiple of the "
                f"{self.accelerator.num_processes} processes."
            )
        self.step, self.seconds = 0, 0.0
        self._make_networks()
        part = self.settings.part or self.settings.batch
        self.stepper = Stepper(self.recipe, self.accelerator, {}, self.settings, part, self._say)
        if resume:
            self._go_on()
        self._wrap()
        self.dataset = self.recipe.dataset(self.pictures.train, held_out=False)

    def _make_networks(self) -> None:
        with own_random_state(str(self.device)):
            torch.manual_seed(self.settings.seed)
            self.recipe = make_recipe(self.config)
        if self.config.init.weights:
            file = self.config.init.weights
            if not file.is_file():
                raise InputError(f"[init] weights: there is no file '{file}'; check the path.")
            self.recipe.start_from(load_state_dict(file), str(file))
        layout = torch.channels_last if self.settings.channels_last else torch.preserve_format
        for network in (*self.recipe.networks.values(), *self.recipe.frozen):
            network.to(device=self.device).to(memory_format=layout)  # pyright: ignore[reportCallIssue]
        self.averages = Averages(self.recipe.networks, self.recipe.averaged, self.settings.average)

    def _wrap(self) -> None:
        """Put networks and optimisers into the wrappers of the accelerator."""
        for name, network in self.recipe.networks.items():
            self.recipe.networks[name] = self.accelerator.prepare_model(network.train(), device_placement=False)
        for name, optimiser in self.recipe.optimisers.items():
            wrapped = self.accelerator.prepare_optimizer(optimiser, device_placement=False)
            self.stepper.optimisers[name] = cast(AcceleratedOptimizer, wrapped)

    @property
    def main(self) -> bool:
        """Whether this process writes and speaks, one of several at most."""
        return self.accelerator.is_main_process

    def _say(self, text: str) -> None:
        if self.main:
            self.watch.say(text)

    def describe(self) -> list[str]:
        """What the run will do, a sentence in each line."""
        networks = ", ".join(
            f"{name} with {sum(p.numel() for p in network.parameters()) / 1e6:.2f} million parameters"
            for name, network in self.recipe.networks.items()
        )
        losses = ", ".join(f"{weight:g} × {name}" for name, weight in self.config.losses.items() if weight)
        start = f" from step {self.step}" if self.step else ""
        batch = f"{self.settings.batch} crops of {self.config.data.side} × {self.config.data.side}"
        where = f"{self.device}, {self.accelerator.num_processes} process(es), precision {self.settings.precision}"
        return [
            f"Recipe {self.recipe.name}: {networks}.",
            f"Pictures of {self.config.data.folder}: {self.pictures.summary}.",
            f"Losses: {losses}.",
            f"Steps: {self.settings.steps}{start}, each of {batch}, on {where}.",
            f"Run: {self.folder}, a checkpoint every {self.settings.checkpoint_every} steps.",
        ]

    def train(self) -> dict[str, Any]:
        """Train to the last step and write weights and report; returns the report.

        Raises:
            Cancelled: the token of the watch was set; a checkpoint has been written.
            LensError: no memory, no disk, or losses that are no numbers.
        """
        self._prepare_folder()
        fast = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = self.device.type == "cuda"
        try:
            with own_random_state(str(self.device)):
                self._steps()
                return self._finish()
        finally:
            torch.backends.cudnn.benchmark = fast
            self.logbook.close()

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The folder {self.folder} cannot be made ({error.strerror}); choose another.") from error
        if self.main:
            text = self.config.to_toml()
            write_atomically(self.folder / "config.toml", lambda part: part.write_text(text), overwrite=True)
        self.logbook = Logbook(self.folder if self.main else None, self.step)

    def _steps(self) -> None:
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        batches = StepBatches(self.step, self.settings.steps, self.settings.batch, rank, processes)
        loader = make_loader(self.dataset, batches, self.settings.workers, self.device.type == "cuda")
        self.meter = Meter(self.settings.steps, self.settings.batch)
        first, begun = self.step, time.monotonic() - self.seconds
        for batch in loader:
            self._rates()
            losses = self.stepper.run(self.step, on_device(batch, self.device, self.settings.channels_last))
            self.averages.update(self.recipe.networks, self.step)
            self.step += 1
            self.seconds = time.monotonic() - begun
            self.meter.add(losses)
            if self.main:
                self.watch.on_progress(self.meter.progress(self.step))
            if self.step == first + FIRST_STEPS:
                now = self.meter.progress(self.step)
                self._say(f"{now.pictures_per_second:.3g} pictures a second: {duration(now.seconds_left)} left.")
            self._at_intervals()
            if self._asked_to_stop():
                self.save()
                raise Cancelled(f"Stopped after step {self.step}; go on with --resume.")

    def _rates(self) -> None:
        share = rate_share(self.step, self.settings.steps, self.config.optimiser)
        for optimiser in self.recipe.optimisers.values():
            set_rate(optimiser, share)

    def _at_intervals(self) -> None:
        """Log, sheet and checkpoint where they are due; the last step has them all."""
        last = self.step == self.settings.steps
        saving = last or self.step % self.settings.checkpoint_every == 0
        if saving or self.step % self.settings.log_every == 0:
            self._log()
        if self.settings.sample_every and (last or self.step % self.settings.sample_every == 0):
            self._sample()
        if saving:
            self.save()
        self.meter.skip()

    def _log(self) -> None:
        broken = int(self.dataset.broken.sum())
        if 2 * broken > len(self.pictures.train):
            raise InputError(
                f"[data] folder: {broken} of {len(self.pictures.train)} pictures cannot be read; check them."
            )
        losses = self._over_processes(self.meter.read())
        outcome.check_finite(losses, self.step)
        now = self.meter.progress(self.step)
        rate = {f"rate_{name}": one.param_groups[0]["lr"] for name, one in self.recipe.optimisers.items()}
        speed = {"pictures_per_second": now.pictures_per_second, "seconds": self.seconds}
        self.logbook.add("log", self.step, {**losses, **rate, **speed})

    def _over_processes(self, losses: dict[str, float]) -> dict[str, float]:
        """Means over the processes, the same in each."""
        if self.accelerator.num_processes == 1:
            return losses
        values = torch.tensor(list(losses.values()), dtype=torch.float64, device=self.device)
        means = torch.as_tensor(self.accelerator.reduce(values, "mean")).tolist()
        return dict(zip(losses, means, strict=True))

    @torch.no_grad()
    def _sample(self) -> None:
        """A sheet of held-out pictures and what is measured on them; of trained ones where none are held out."""
        if not self.main:
            return
        networks = [bare(network) for network in self.recipe.networks.values()]
        for network in networks:
            network.eval()
        try:
            shown, measured = self._examine()
        finally:
            for network in networks:
                network.train()
        self.logbook.add("validation", self.step, measured)
        place = self.folder / "samples" / f"step-{self.step:08d}.png"
        outcome.write_sheet(shown, f"step {self.step}", place)

    def _examine(self) -> tuple[list[tuple[str, Tensor]], dict[str, float]]:
        """Columns of a sheet, and means over the held-out pictures."""
        files = self.pictures.validation or self.pictures.train
        crops = self.recipe.dataset(files, held_out=True)
        count, samples = min(self.settings.validation, len(files)), min(self.settings.samples, len(files))
        shown = self.recipe.sample(self._held_out(crops, range(samples)), self.averages.networks)
        sums: dict[str, float] = {}
        for start in range(0, count, self.stepper.part):
            indices = range(start, min(count, start + self.stepper.part))
            for name, value in self.recipe.measure(self._held_out(crops, indices), self.averages.networks).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(indices) / count
        return shown, sums

    def _held_out(self, crops: Samples, indices: range) -> Batch:
        items = [crops[index] for index in indices]
        stacked = {name: torch.stack([item[name] for item in items]) for name in items[0]}
        return on_device(stacked, self.device, self.settings.channels_last)

    def _asked_to_stop(self) -> bool:
        asked = self.watch.token.cancelled
        if self.step == self.settings.steps:
            return False
        if self.accelerator.num_processes == 1:
            return asked
        if self.step % POLL_STEPS:
            return False
        flag = torch.tensor([float(asked)], device=self.device)
        return bool(torch.as_tensor(self.accelerator.reduce(flag, "sum")).item())

    def save(self) -> None:
        """Write a checkpoint of the present step.

        Raises:
            LensError: it cannot be written; earlier ones are untouched.
        """
        if self.main:
            self.checkpoints.save(self._snapshot())
        self.accelerator.wait_for_everyone()

    def _snapshot(self) -> Checkpoint:
        tensors: dict[str, Tensor] = {}
        optimisers: dict[str, Any] = {}
        for group, networks in (("networks", self.recipe.networks), ("averages", self.averages.networks)):
            for name, network in networks.items():
                tensors |= {f"{group}/{name}/{key}": value for key, value in bare(network).state_dict().items()}
        for name, optimiser in self.recipe.optimisers.items():
            own, optimisers[name] = optimiser_tensors(optimiser)
            tensors |= {f"optimisers/{name}/{key}": value for key, value in own.items()}
        scaler = self.accelerator.scaler
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "recipe": self.recipe.name,
            "optimisers": optimisers,
            "part": self.stepper.part,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "order": self._order(),
        }
        return Checkpoint(tensors, state)

    def _order(self) -> dict[str, Any]:
        """What the order of the pictures depends on."""
        names = "\n".join(str(path.relative_to(self.config.data.folder)) for path in self.pictures.train)
        pictures = hashlib.sha256(names.encode()).hexdigest()[:16]
        return {"seed": self.settings.seed, "batch": self.settings.batch, "pictures": pictures}

    def _go_on(self) -> None:
        checkpoint, notes = self.checkpoints.latest()
        for note in notes:
            self._say(note)
        if checkpoint is None:
            self._say(f"{self.folder} has no checkpoint yet: the run begins at its first step.")
            return
        state = checkpoint.state
        if state["recipe"] != self.recipe.name:
            raise WeightsError(
                f"The checkpoint in {self.folder} is of the recipe '{state['recipe']}', not of '{self.recipe.name}': "
                "choose another folder, or the configuration that it was made with."
            )
        name = f"The checkpoint in {self.folder}"
        for group, networks in (("networks", self.recipe.networks), ("averages", self.averages.networks)):
            for key, network in networks.items():
                load_exactly(network, checkpoint.group(group, key), f"{name} ({key})")
        for key, optimiser in self.recipe.optimisers.items():
            restore_optimiser(optimiser, checkpoint.group("optimisers", key), state["optimisers"][key])
        if state["scaler"] and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        if state["order"] != self._order():
            self._say("Pictures, batch or seed have changed since the checkpoint: what follows is another run.")
        self.step, self.seconds = state["step"], state["seconds"]
        if self.step >= self.settings.steps:
            self._say(f"All {self.step} steps are done already: only weights and report are written.")
        self.stepper.part = min(self.stepper.part, state["part"])

    def _finish(self) -> dict[str, Any]:
        """Weights and report."""
        if not self.main:
            return {}
        facts = {"recipe": self.config.recipe, "step": self.step}
        weights = self.folder / "weights.safetensors"
        digest = outcome.write_weights(self.recipe.export(self.averages.networks), weights, facts)
        report = {
            "weights": weights.name,
            "weights_sha256": digest,
            "steps": self.step,
            "seconds": round(self.seconds, 1),
            "pictures": {"train": len(self.pictures.train), "validation": len(self.pictures.validation)},
            "left_out": self._left_out(),
            "losses": self.meter.losses,
            "validation": dict(self.logbook.latest["validation"]),
            "device": str(self.device),
            "processes": self.accelerator.num_processes,
            "part": self.stepper.part,
            "versions": {
                "torch": torch.__version__,
                "accelerate": accelerate.__version__,
                "python": platform.python_version(),
            },
            "config": as_table(self.config),
        }
        outcome.write_report(report, self.folder / "report.json")
        return report

    def _left_out(self) -> dict[str, Any]:
        broken = [str(path) for path in self.pictures.broken]
        broken += [str(self.pictures.train[i]) for i in self.dataset.broken.nonzero().flatten().tolist()]
        return {"broken": broken, "too_small": len(self.pictures.small)}

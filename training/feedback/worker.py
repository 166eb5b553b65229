"""The process that trains one stage of a task: it tells the board how it goes and does what it is told there."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from filelock import FileLock, Timeout

from ...imaging.errors import Cancelled, InputError, LensError
from ...imaging.monitor import CancelToken
from ..config import Config, DataSettings, OptimiserSettings, TrainerSettings
from ..recipes.restoration import NETWORK as FIRST_NETWORK
from ..trainer import Trainer
from ..watch import Progress, Watch
from .configuration import TITLES, TaskSettings
from .library import SAMPLES
from .manifest import read_manifest, stage_folder
from .models import save_model, structure_of
from .predictions import Predictor
from .session import LOCK_SECONDS, Session, several_gpus
from .views import StageView

log = logging.getLogger(__name__)
RECIPES = {"first": "restoration", "second": "restoration_by_words", "third": "quality_words"}
TELL_SECONDS = 0.5
POLL_SECONDS = 0.1
MOST_VALIDATION = 32


def stage_config(settings: TaskSettings, folder: Path, stage: str, held_out: int) -> Config:
    """The run of a stage as the trainer takes it.

    Args:
        settings: of the task.
        folder: of the task.
        stage: first, third or second.
        held_out: how many samples are measured and not trained on.
    """
    own = settings.of(stage)
    loss = {"first": {settings.loss: 1.0}, "third": {"cross_entropy": 1.0}}
    both = {settings.loss: settings.pixel_weight, "similarity": settings.similarity_weight}
    return Config(
        data=DataSettings(folder / SAMPLES, side=settings.side, smallest=1, validation_share=0.0),
        recipe={"name": RECIPES[stage], "task": str(folder)},
        losses=loss.get(stage, both),
        optimiser=OptimiserSettings(rate=own.rate, warmup=min(50, own.steps // 10)),
        trainer=TrainerSettings(
            steps=own.steps,
            batch=own.batch,
            seed=settings.seed,
            checkpoint_every=min(settings.checkpoint_every, own.steps),
            sample_every=settings.preview_every if stage != "third" else 0,
            samples=max(1, min(6, held_out)),
            validation=max(1, min(MOST_VALIDATION, held_out)),
            log_every=settings.log_every,
            workers=0,
        ),
    )


def work(
    folder: Path,
    stage: str,
    token: CancelToken | None = None,
    say_progress: Callable[[StageView], None] = lambda _view: None,
) -> None:
    """Train a stage that `Session.prepare` has prepared, to its end or until it is told to stop.

    Args:
        folder: of the task.
        stage: first, third or second.
        token: stops it with a checkpoint.
        say_progress: told now and then how it goes.

    Raises:
        InputError: another process is at it.
        LensError: it failed; the board says so too.
    """
    session = Session(folder)
    guide = _Guide(session, stage, token or CancelToken(), say_progress)
    if int(os.environ.get("RANK", "0")):
        _train(guide)
        return
    place = stage_folder(session.folder, stage)
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / "lock", timeout=LOCK_SECONDS):
            _train_and_tell(guide)
    except Timeout as error:
        raise InputError(f"{TITLES[stage].capitalize()} is running already, in another process.") from error
    finally:
        session.close()


def _train_and_tell(guide: _Guide) -> None:
    try:
        _train(guide)
    except BaseException as error:
        known = isinstance(error, LensError)
        text = str(error) if known else f"Unexpected error ({type(error).__name__}: {error})."
        guide.session.board.write(guide.stage, state="failed", message=text)
        raise


def _train(guide: _Guide) -> None:
    session, stage = guide.session, guide.stage
    held_out = read_manifest(session.folder, stage)["held_out"]
    config = stage_config(session.settings, session.folder, stage, len(held_out))
    watch = Watch(log.info, guide.on_progress, guide.token)
    run = stage_folder(session.folder, stage) / "run"
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    device = session.settings.device if alone or several_gpus() else "cpu"
    trainer = Trainer(config, run, device, resume=True, watch=watch)
    guide.begin(trainer)
    try:
        trainer.train()
    except Cancelled:
        if guide.reason != "end":
            guide.stopped()
            return
    guide.finish()


@dataclass
class _Guide:
    """Between a trainer and the board.

    Attributes:
        session: of the task.
        stage: which one.
        token: ends the training.
        say_progress: told now and then how it goes.
        reason: why it was ended: `stop` or `end`.
    """

    session: Session
    stage: str
    token: CancelToken
    say_progress: Callable[[StageView], None]
    reason: str = ""

    def begin(self, trainer: Trainer) -> None:
        """Take a trainer that is about to start."""
        self.trainer, self.told, self.losses = trainer, 0.0, None
        # The recipes of a task have more than the trainer asks for.
        self.recipe: Any = cast(Any, trainer.recipe)
        self.predictor = Predictor(self.session, self.stage, trainer) if self.stage != "third" else None
        if trainer.main:
            self.session.board.forget_points(self.stage, trainer.step)
            self.session.board.write(
                self.stage, state="running", step=trainer.step, steps=trainer.settings.steps, message=""
            )

    def on_progress(self, progress: Progress) -> None:
        """After each step, in the main process."""
        if progress.losses and progress.losses is not self.losses:
            self.losses = progress.losses
            self.session.board.add_point(self.stage, progress.step - 1, progress.losses)
            if self._content(progress.losses):
                self._end("end")
        every = self.session.settings.preview_every
        if self.predictor and every and progress.step % every == 0:
            self.predictor.preview(progress.step)
        if time.monotonic() - self.told > TELL_SECONDS or progress.step == progress.steps:
            self.told = time.monotonic()
            self._tell(progress)
            self.say_progress(StageView.of(self.session.board.read(self.stage)))
            self._obey()

    def _tell(self, progress: Progress) -> None:
        self.session.board.write(
            self.stage,
            step=progress.step,
            numbers=dict(progress.losses),
            pairs={"current": self.recipe.current},
            seconds_left=progress.seconds_left,
        )

    def _obey(self) -> None:
        """Do what the person wants; waits here while the stage is paused."""
        command = self.session.board.read(self.stage).command
        if command == "pause" and self.trainer.accelerator.num_processes > 1:
            # The others would wait for this one and give up; a checkpoint costs little.
            command = "stop"
        if command == "pause":
            self.session.board.write(self.stage, state="paused")
            while command == "pause":
                time.sleep(POLL_SECONDS)
                command = self.session.board.read(self.stage).command
            self.session.board.write(self.stage, state="running")
        if command in ("stop", "end"):
            self._end(command)

    def _content(self, losses: Mapping[str, float]) -> bool:
        """Whether loss, and in the second training similarity, have passed their thresholds, those that are set."""
        own = self.session.settings.of(self.stage)
        passed = []
        if own.loss_below:
            passed.append(losses["loss"] < own.loss_below)
        if own.similarity_above and self.stage == "second":
            passed.append(losses["similarity"] > own.similarity_above)
        return bool(passed) and all(passed)

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.token.cancel()

    def stopped(self) -> None:
        """The training has stopped with a checkpoint."""
        if self.trainer.main:
            text = f"Stopped after step {self.trainer.step}; start it again to go on."
            self.session.board.write(self.stage, state="stopped", step=self.trainer.step, message=text)

    def finish(self) -> None:
        """Keep the model, predict all pairs and say that the stage is done."""
        if not self.trainer.main:
            return
        name = FIRST_NETWORK if self.stage != "third" else "words"
        network = self.trainer.averages.networks[name]
        structure = structure_of(self.session.settings.first_model) if self.stage != "third" else {"kind": "words"}
        save_model(network, self.session.model(self.stage), structure)
        last = self.trainer.meter.losses
        if last:
            self.session.board.add_point(self.stage, self.trainer.step, last)
        measured = self.predictor.all(self.trainer.step) if self.predictor else self._accuracy()
        self.session.board.write(
            self.stage,
            state="done",
            step=self.trainer.step,
            numbers={**last, **measured},
            pairs={"current": []},
            seconds_left=0.0,
        )

    @torch.no_grad()
    def _accuracy(self) -> dict[str, float]:
        """Share of right answers about all held-out texts; nothing where none are held out."""
        items = self.recipe.manifest["held_out"]
        if not items:
            return {}
        crops = self.recipe.dataset(self.trainer.pictures.train, held_out=True)
        network, right = self.trainer.averages.networks["words"], []
        for index in range(len(items)):
            sample = crops[index]
            image = sample["image"][None].to(self.trainer.device).float() / 255
            _, logit = network(image, sample["numbers"][None].to(self.trainer.device))
            right.append(float((logit.item() > 0) == bool(sample["label"])))
        return {"held_out_accuracy": float(np.mean(right))}

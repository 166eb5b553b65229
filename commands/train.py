"""Train a network on a folder of pictures, as a TOML file says."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import cancelled_by_interrupt, say

if TYPE_CHECKING:
    from ..imaging.monitor import CancelToken
    from ..training.watch import Progress, Watch

LINE_SECONDS = 30
"""Least time between lines about a run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `train`."""
    parser.add_argument("config", metavar="CONFIG.toml", type=Path, help="what to train, such as recipes/*.toml")
    parser.add_argument("-o", "--output", metavar="RUN", type=Path, help="folder of the run (default: runs/CONFIG)")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint of the run")
    parser.add_argument("--steps", metavar="N", type=int, help="train to this step instead of the file's")
    parser.add_argument("--device", default="auto", metavar="WHERE", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--set",
        metavar="SECTION.NAME=VALUE",
        action="append",
        default=[],
        help="a setting to take instead of the file's, such as data.folder=photos; may be repeated",
    )
    parser.add_argument("--check", action="store_true", help="say what the run would do, and end")


def run(options: argparse.Namespace) -> int:
    """Run `train`."""
    from ..imaging.errors import InputError, MissingError

    try:
        from ..training.trainer import Trainer
    except ModuleNotFoundError as error:
        if error.name != "accelerate":
            raise
        raise MissingError("Training needs a package: pip install 'inpaint-lens[train]'") from error
    from ..training.config import read_config

    if options.steps is not None and options.steps < 1:
        raise InputError(f"--steps is {options.steps}: give 1 or more.")
    changes = [*options.set, *([f"trainer.steps={options.steps}"] if options.steps else [])]
    config = read_config(options.config, changes)
    folder = options.output or Path("runs") / options.config.stem
    with _watch() as watch:
        trainer = Trainer(config, folder, options.device, options.resume, watch)
        for line in trainer.describe() if trainer.main else []:
            say(line)
        if options.check:
            return 0
        report = trainer.train()
    if report:
        say(f"Weights: {folder / report['weights']}, after {report['steps']} steps.")
        sheets = f"; sheets: {folder / 'samples'}" if config.trainer.sample_every else ""
        say(f"Report: {folder / 'report.json'}; log: {folder / 'log.csv'}{sheets}")
    return 0


@contextmanager
def _watch() -> Iterator[Watch]:
    """Lines, a bar where there is a terminal, and Ctrl-C, which stops after a checkpoint."""
    from ..training.watch import Watch

    with cancelled_by_interrupt() as token, _cancelled_by_termination(token), ExitStack() as stack:
        yield Watch(say, _Bar(stack) if sys.stderr.isatty() else _Lines(), token)


class _Bar:
    """A bar with rate, time left and losses, drawn from the first step on."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack, self.bar = stack, None

    def __call__(self, progress: Progress) -> None:
        if self.bar is None:
            from tqdm import tqdm

            layout = "{n}/{total} steps |{bar:16}| {elapsed}{postfix}"
            self.bar = tqdm(total=progress.steps, initial=progress.step - 1, bar_format=layout, leave=False)
            self.stack.callback(self.bar.close)
        self.bar.set_postfix_str(_postfix(progress), refresh=False)
        self.bar.update(progress.step - self.bar.n)


class _Lines:
    """A line now and then, where there is no terminal to draw a bar on."""

    def __init__(self) -> None:
        self.last, self.losses = time.monotonic(), None

    def __call__(self, progress: Progress) -> None:
        if progress.losses is not self.losses and time.monotonic() - self.last > LINE_SECONDS:
            self.last, self.losses = time.monotonic(), progress.losses
            say(f"Step {progress.step} of {progress.steps}: {_postfix(progress)}")


@contextmanager
def _cancelled_by_termination(token: CancelToken) -> Iterator[None]:
    """What asks a process to end, as a scheduler does, leaves a checkpoint."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: token.cancel())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _postfix(progress: Progress) -> str:
    """Time left, speed and losses."""
    from ..training.watch import duration

    losses = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
    speed = f"{duration(progress.seconds_left)} left, {progress.pictures_per_second:.3g} pictures/s"
    return f"{speed}, {losses}" if losses else speed

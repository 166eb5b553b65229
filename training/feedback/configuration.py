"""What a task is: its settings, in a TOML file of its folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...imaging.errors import InputError, MissingError
from ...imaging.writing import write_bytes
from ..settings import apply_change, as_table, number, one_of, read_settings, to_toml

FILE = "task.toml"
STAGES = ("first", "third", "second")
"""In the usual order; the third may also come before the first, or run alongside it."""
TITLES = {"first": "training 1", "second": "training 2", "third": "training 3"}


@dataclass(frozen=True)
class FirstModel:
    """Section `[first_model]`, the network that restores.

    Attributes:
        kind: `nafnet`, or `ddpm` for a conditional diffusion model.
        width, encoder, middle, decoder: sizes of NAFNet; see `NafNet`.
        channels, layers: sizes of the diffusion model; see `RestoringDiffusion`.
    """

    kind: str = one_of("nafnet", "ddpm")
    width: int = number(16, 2, 512)
    encoder: tuple[int, ...] = number((1, 1), 1, 64)
    middle: int = number(1, 1, 64)
    decoder: tuple[int, ...] = number((1, 1), 1, 64)
    channels: tuple[int, ...] = number((16, 32, 32), 8, 1024)
    layers: int = number(1, 1, 8)


@dataclass(frozen=True)
class SecondModel:
    """Section `[second_model]`, the one that judges words about pictures.

    Attributes:
        kind: `small`, which learns from nothing, or `clip`, OpenAI's CLIP ViT-B/32.
        width: of the vectors of the small one.
        whole: train all of CLIP; else its projections only.
        folder: of CLIP's files; by default those of the weights registry.
    """

    kind: str = one_of("small", "clip")
    width: int = number(64, 8, 1024)
    whole: bool = False
    folder: Path | None = None


@dataclass(frozen=True)
class StageSettings:
    """Sections `[first]`, `[second]` and `[third]`.

    Attributes:
        steps: at most.
        batch: pictures of a step.
        rate: learning rate.
        loss_below: the stage is done when its loss is below this; 0 = it is not looked at.
        similarity_above: of the second training: and when the similarity is above this; 0 = not looked at.
    """

    steps: int = number(2000, 1)
    batch: int = number(8, 1, 4096)
    rate: float = number(1e-3, 0, 1)
    loss_below: float = number(0.0, 0)
    similarity_above: float = number(0.0, 0, 1)


@dataclass(frozen=True)
class TaskSettings:
    """A task.

    Attributes:
        name: for people.
        key: of the task in its database.
        database: address as SQLAlchemy names it; empty = SQLite in the task's folder.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        language: of preset texts.
        loss: mean absolute or mean squared error over channels and pixels.
        pixel_weight, similarity_weight: of the terms of the second training.
        views: random parts of each prediction whose similarity is averaged, with a little noise: what only tricks the
            second model does not survive both.
        side: of the crops, in pixels.
        countdown_seconds: how long a person is asked for a text before the preset is taken; 0 = nobody is asked.
        passes: how often labelled pairs come, and then the others, in a round of the second training.
        held_out_share: share of the pairs that training never sees.
        preview_every: steps between predictions that are shown; 0 = none before the end.
        checkpoint_every: steps that a crash can cost.
        log_every: steps between points of the curve.
        largest_px: longest side of a picture that is predicted; larger ones are scaled down for it.
        seed: of everything that is drawn.
    """

    name: str
    key: str = "task"
    database: str = ""
    device: str = "auto"
    language: str = one_of("en", "zh")
    loss: str = one_of("mae", "mse")
    pixel_weight: float = number(1.0, 0)
    similarity_weight: float = number(0.025, 0)
    views: int = number(2, 1, 16)
    side: int = number(64, 24, 2048)
    countdown_seconds: float = number(0.0, 0, 3600)
    passes: int = number(4, 1, 1000)
    held_out_share: float = number(0.1, 0, 0.9)
    preview_every: int = number(200, 0)
    checkpoint_every: int = number(100, 1)
    log_every: int = number(10, 1)
    largest_px: int = number(1024, 32, 16_384)
    seed: int = number(0, 0)
    first_model: FirstModel = FirstModel()
    second_model: SecondModel = SecondModel()
    first: StageSettings = StageSettings()
    second: StageSettings = StageSettings(steps=500, rate=3e-4)
    third: StageSettings = StageSettings(steps=1000, batch=32)

    def of(self, stage: str) -> StageSettings:
        """Settings of one stage."""
        return {"first": self.first, "second": self.second, "third": self.third}[stage]


def parse_task(table: Mapping[str, Any]) -> TaskSettings:
    """A task's settings from tables as a TOML file holds them.

    Raises:
        InputError: unknown keys, or values that make no sense.
    """
    settings = read_settings(TaskSettings, table, "task")
    if not settings.name.strip():
        raise InputError("[task] name is empty: give the task a name.")
    if len(settings.first_model.encoder) != len(settings.first_model.decoder):
        raise InputError("[task.first_model] encoder and decoder differ in length: give both as many levels.")
    if any(channels % 8 for channels in settings.first_model.channels):
        raise InputError("[task.first_model] channels must be multiples of 8.")
    return settings


def table_of(table: dict[str, Any], changes: Sequence[str] = ()) -> TaskSettings:
    """A task's settings from a few values and changes of the form `name=value` or `section.name=value`.

    Raises:
        InputError: a change that is none, or settings that are wrong.
    """
    for change in changes:
        apply_change(table, change, "NAME=VALUE, for example loss=mse or first.steps=500")
    return parse_task(table)


def read_task(folder: Path) -> TaskSettings:
    """The settings of the task in a folder.

    Raises:
        MissingError: there is no task.
        InputError: its file is damaged.
    """
    path = folder / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingError(
            f"There is no task in {folder}: make one by `inpaint-lens feedback create {folder}`, or correct the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): correct it.") from error
    return parse_task(table)


def write_task(settings: TaskSettings, folder: Path) -> None:
    """Write the settings of a task."""
    write_bytes(to_toml(as_table(settings)).encode(), folder / FILE, overwrite=True)

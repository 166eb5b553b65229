"""What a training run is: a TOML file read into frozen settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..imaging.errors import InputError
from .settings import apply_change, as_table, number, one_of, read_settings, to_toml


@dataclass(frozen=True)
class DataSettings:
    """Section `[data]`.

    Attributes:
        folder: pictures, in folders within it too.
        side: of the square crops, in pixels.
        scale: range of the side of what is cut, as a multiple of `side`; it is then scaled to `side`.
        flips: mirror every second crop, left to right.
        crops: of each picture in an epoch.
        smallest: pictures whose short side is below this many pixels are left out; by default `side`.
        short_side: pictures with a longer short side are first scaled down to it; 0 = never.
        validation_share: share of the pictures that training never sees.
        cache: folder for decoded pictures, which are then read many times faster.
    """

    folder: Path
    side: int = number(256, 8, 4096)
    scale: tuple[float, float] = number((1.0, 2.2), 0.05, 100)
    flips: bool = True
    crops: int = number(1, 1, 1000)
    smallest: int | None = number(None, 1, 100_000)
    short_side: int = number(0, 0, 100_000)
    validation_share: float = number(0.1, 0, 0.9)
    cache: Path | None = None


@dataclass(frozen=True)
class HoleSettings:
    """Section `[holes]`.

    Attributes:
        kinds: how often each kind is drawn, as weights of any sum.
        coverage: range of the share of the crop that a hole covers.
    """

    kinds: dict[str, float] = field(default_factory=lambda: {"strokes": 1.0, "boxes": 1.0, "blobs": 1.0})
    coverage: tuple[float, float] = number((0.03, 0.5), 0.0, 1.0)


@dataclass(frozen=True)
class OptimiserSettings:
    """Section `[optimiser]`.

    Attributes:
        name: `adamw` or `adam`.
        rate: learning rate after warming up.
        betas: of Adam (Kingma and Ba 2015, algorithm 1).
        weight_decay: decoupled from the gradient with `adamw` (Loshchilov and Hutter 2019, algorithm 2).
        warmup: steps over which the rate rises from zero.
        schedule: `cosine` falls to `final` of the rate at the last step; `constant` stays.
        final: share of the rate at the end.
    """

    name: str = one_of("adamw", "adam")
    rate: float = number(5e-4, 0, 10)
    betas: tuple[float, float] = number((0.9, 0.99), 0, 1)
    weight_decay: float = number(0.0, 0, 10)
    warmup: int = number(0, 0)
    schedule: str = one_of("cosine", "constant")
    final: float = number(0.1, 0, 1)


@dataclass(frozen=True)
class TrainerSettings:
    """Section `[trainer]`; intervals are in steps.

    Attributes:
        steps: of the whole run.
        batch: pictures of one step, over all processes.
        part: pictures that go through the networks at once; 0 = all of the batch.
        clip: largest norm of the gradient of a network; 0 = not limited.
        average: decay of the running average of the weights, which the result is.
        precision: `no`, `bf16` or `fp16`.
        seed: of everything that is drawn.
        checkpoint_every: interval of checkpoints.
        sample_every: interval of sheets of pictures; 0 = none.
        samples: pictures of a sheet.
        validation: held-out pictures that are measured whenever a sheet is made.
        log_every: interval of lines in the log.
        workers: processes that load pictures; -1 = by the number of processor cores.
        channels_last: keep channels together in memory, which is faster on most GPUs.
    """

    steps: int = number(10_000, 1)
    batch: int = number(8, 1, 65_536)
    part: int = number(0, 0, 65_536)
    clip: float = number(1.0, 0)
    average: float = number(0.999, 0, 1)
    precision: str = one_of("no", "bf16", "fp16")
    seed: int = number(0, 0)
    checkpoint_every: int = number(1000, 1)
    sample_every: int = number(1000, 0)
    samples: int = number(6, 1, 64)
    validation: int = number(32, 1)
    log_every: int = number(50, 1)
    workers: int = number(-1, -1, 256)
    channels_last: bool = False


@dataclass(frozen=True)
class VggSettings:
    """Section `[vgg]`, for losses on features of VGG16.

    Attributes:
        weights: file with torchvision's VGG16 convolutions; with the LPIPS heads for `lpips`.
        levels: how many of the five levels of features the loss `lpips` uses.
    """

    weights: Path | None = None
    levels: int = number(5, 1, 5)


@dataclass(frozen=True)
class InitSettings:
    """Section `[init]`: `weights` is a file that the run starts from."""

    weights: Path | None = None


@dataclass(frozen=True)
class Config:
    """A training run.

    Attributes:
        recipe: `name`, and settings that the recipe itself reads.
        losses: weight of each term by its name.
    """

    data: DataSettings
    recipe: dict[str, Any] = field(default_factory=lambda: {"name": "inpainting"})
    holes: HoleSettings = HoleSettings()
    losses: dict[str, float] = field(default_factory=lambda: {"l1_hole": 1.0, "l1_valid": 0.1})
    vgg: VggSettings = VggSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    trainer: TrainerSettings = TrainerSettings()
    init: InitSettings = InitSettings()

    def to_toml(self) -> str:
        """The text of a file that gives this configuration."""
        return to_toml(as_table(self)).lstrip()


def read_config(path: Path, changes: Sequence[str] = ()) -> Config:
    """The configuration of a TOML file.

    Args:
        path: the file. Paths in it that are not absolute start at the current folder.
        changes: `section.name=value` each, taken over the file; the value is written as in TOML, and a text may go
            without quotes.

    Raises:
        InputError: no such file, no TOML, or settings that are wrong; the sentence names section and setting.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give the TOML file of a training run.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid TOML file ({error}).") from error
    for change in changes:
        apply_change(table, change, "SECTION.NAME=VALUE, for example trainer.steps=500")
    return parse_config(table)


def parse_config(table: Mapping[str, Any]) -> Config:
    """The configuration of tables as a TOML file holds them.

    Raises:
        InputError: as `read_config`.
    """
    for section in table:
        if section not in Config.__dataclass_fields__:
            known = ", ".join(Config.__dataclass_fields__)
            raise InputError(f"There is no section [{section}]: take some of {known}.")
    if "data" not in table:
        raise InputError("The section [data] is missing: give at least its folder of pictures.")
    config = Config(
        data=read_settings(DataSettings, table["data"], "data"),
        recipe=_recipe(table.get("recipe", {})),
        holes=read_settings(HoleSettings, table.get("holes", {}), "holes"),
        losses=_losses(table.get("losses")),
        vgg=read_settings(VggSettings, table.get("vgg", {}), "vgg"),
        optimiser=read_settings(OptimiserSettings, table.get("optimiser", {}), "optimiser"),
        trainer=read_settings(TrainerSettings, table.get("trainer", {}), "trainer"),
        init=read_settings(InitSettings, table.get("init", {}), "init"),
    )
    _check_together(config)
    return config


def _recipe(table: object) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise InputError(f"[recipe] must be a table of settings, not {table!r}.")
    return {"name": "inpainting", **table}


def _losses(table: object) -> dict[str, float]:
    if table is None:
        return Config.__dataclass_fields__["losses"].default_factory()  # pyright: ignore[reportCallIssue]
    if not isinstance(table, Mapping):
        raise InputError(f"[losses] must be a table of weights, not {table!r}.")
    for name, weight in table.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise InputError(f"[losses] {name} is {weight!r}: give its weight, a number that is 0 or more.")
    return {name: float(weight) for name, weight in table.items()}


def _check_together(config: Config) -> None:
    for where, name, (low, high) in (
        ("data", "scale", config.data.scale),
        ("holes", "coverage", config.holes.coverage),
    ):
        if low > high:
            raise InputError(f"[{where}] {name} is [{low:g}, {high:g}]: give the smaller number first.")
    if config.holes.coverage[1] <= 0:
        raise InputError("[holes] coverage is [0, 0]: holes must cover something.")
    if not any(weight > 0 for weight in config.holes.kinds.values()) or min(config.holes.kinds.values()) < 0:
        raise InputError("[holes] kinds: give at least one kind a weight above 0, and none a weight below.")
    if max(config.optimiser.betas) >= 1:
        raise InputError("[optimiser] betas must be below 1.")
    if config.data.short_side and config.data.short_side < (config.data.smallest or config.data.side):
        raise InputError("[data] short_side must not be below smallest, which is the side of the crops by default.")

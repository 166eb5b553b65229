"""Arguments that several verbs share, and how they become requests."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..plugin.choices import DEFAULT_BACKEND, DEVICES, METHODS, SMOOTHINGS

if TYPE_CHECKING:
    from ..plugin.request import ExplainOptions, FillOptions


def add_input(parser: argparse.ArgumentParser) -> None:
    """PHOTO and MASK."""
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="picture (PNG, JPEG, WebP, TIFF)")
    parser.add_argument("mask", metavar="MASK", type=Path, help="mask of the same size, white = fill this")


def add_filling(parser: argparse.ArgumentParser, backend: bool = True) -> None:
    """How to fill."""
    group = parser.add_argument_group("how to fill")
    if backend:
        group.add_argument(
            "--backend", metavar="NAME", help=f"what fills (default {DEFAULT_BACKEND}; see `inpaint-lens backends`)"
        )
        group.add_argument(
            "--weights", metavar="FILE", action="append", default=[], help="weights of your own; may be repeated"
        )
    group.add_argument("--exclude", metavar="MASK2", type=Path, help="mask of what the model may not look at")
    group.add_argument("--guide", metavar="LINES", type=Path, help="picture of lines that steer the fill")
    group.add_argument("--prompt", metavar="TEXT", help="what to paint, for backends that take words")
    group.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of the backend; may be repeated"
    )
    group.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default auto)")
    group.add_argument("--seed", metavar="N", type=int, default=0, help="for backends that draw lots (default 0)")
    group.add_argument("--grow", metavar="PX", type=int, default=0, help="grow the hole first (default 0)")
    group.add_argument("--feather", metavar="PX", type=int, default=4, help="width of the soft border (default 4)")
    group.add_argument("--context", metavar="PX", type=int, help="surroundings that the model sees (default: by hole)")
    group.add_argument("--match-border", action="store_true", help="shift the fill's colours to meet the picture's")
    group.add_argument("--no-refine", action="store_true", help="add no detail to what was filled at reduced size")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def add_explaining(parser: argparse.ArgumentParser, title: str = "how to explain") -> None:
    """How to explain; what is not given is None, so that the defaults stand in `ExplainOptions` alone."""
    group = parser.add_argument_group(title)
    group.add_argument("--method", choices=METHODS, help="default: path-ig; without gradients provenance or occlusion")
    group.add_argument("--target", metavar="X,Y,SIZE", help="explain a square of the fill only (default: all of it)")
    group.add_argument("--steps", metavar="auto|N", help="network evaluations (default auto)")
    group.add_argument("--tolerance", metavar="PERCENT", type=float, help="largest error of the sum (default 1)")
    group.add_argument("--test", action="store_true", default=None, help="hide what it points at and fill again")
    group.add_argument("--smooth", choices=SMOOTHINGS, help="smooth the heatmap for display (default none)")


def explaining_given(options: argparse.Namespace) -> list[str]:
    """Names of the explaining options that the command line gives."""
    names = ("method", "target", "steps", "tolerance", "test", "smooth")
    return [name for name in names if getattr(options, name) is not None]


def fill_options(options: argparse.Namespace, backend: str | None = None) -> FillOptions:
    """The filling part of the command line; the backend may follow from the weights."""
    from ..plugin.request import FillOptions

    files: dict[str, str] = {}
    name = backend or options.backend
    if backend is None and options.weights:
        from ..backends.architectures import resolve

        name, files = resolve(options.weights, options.backend)
    return FillOptions(
        backend=name or DEFAULT_BACKEND,
        device=options.device,
        seed=options.seed,
        grow_px=options.grow,
        feather_px=options.feather,
        context_px=options.context,
        match_border=options.match_border,
        refine=not options.no_refine,
        settings=chosen_settings(options),
        weights=files,
    )


def chosen_settings(options: argparse.Namespace) -> dict[str, str]:
    """`--set NAME=VALUE` and `--prompt` as a mapping, not yet checked."""
    from ..imaging.errors import InputError

    chosen = {} if options.prompt is None else {"prompt": options.prompt}
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set is '{text}': write NAME=VALUE, for example --set steps=20.")
        chosen[name.strip().lower().replace("_", "-")] = value.strip()
    return chosen


def explain_options(options: argparse.Namespace, backend: str, keep_steps: bool = False) -> ExplainOptions:
    """The explaining part of the command line; the method follows from the backend if none is named."""
    from ..backends.registry import info
    from ..plugin.request import ExplainOptions, Target, default_method

    values: dict[str, Any] = {
        "method": options.method or default_method(info(backend)),
        "target": None if options.target is None else Target.parse(options.target),
        "steps": None if options.steps is None else steps(options.steps),
        "tolerance_percent": options.tolerance,
        "smooth": options.smooth,
        "test": options.test,
    }
    given = {name: value for name, value in values.items() if value is not None}
    return ExplainOptions(**given, keep_steps=keep_steps)


def steps(text: str) -> int | Literal["auto"]:
    """`auto` or a number."""
    from ..imaging.errors import InputError

    if text == "auto":
        return "auto"
    if not text.isdigit():
        raise InputError(f"--steps is '{text}': give 'auto' or a number from 2 to 4096.")
    return int(text)

"""Arguments that several verbs share, and how they become requests."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..plugin.choices import DEFAULT_BACKEND, DEVICES, METHODS, SMOOTHINGS

if TYPE_CHECKING:
    from ..plugin.request import ExplainOptions, FillOptions


def add_input(parser: argparse.ArgumentParser) -> None:
    """PHOTO and MASK."""
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="picture (PNG, JPEG, WebP, TIFF)")
    parser.add_argument("mask", metavar="MASK", type=Path, help="mask of the same size, white = fill this")


def add_filling(parser: argparse.ArgumentParser, backend: bool = True) -> None:
    """How to fill."""
    if backend:
        parser.add_argument(
            "--backend", metavar="NAME", default=DEFAULT_BACKEND, help=f"what fills (default {DEFAULT_BACKEND})"
        )
    parser.add_argument("--exclude", metavar="MASK2", type=Path, help="mask of what the model may not look at")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default auto)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="for backends that draw lots (default 0)")
    parser.add_argument("--grow", metavar="PX", type=int, default=0, help="grow the hole first (default 0)")
    parser.add_argument("--feather", metavar="PX", type=int, default=4, help="width of the soft border (default 4)")
    parser.add_argument("--context", metavar="PX", type=int, help="surroundings that the model sees (default: by hole)")
    parser.add_argument("--match-border", action="store_true", help="shift the fill's colours to meet the picture's")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def add_explaining(parser: argparse.ArgumentParser) -> None:
    """How to explain."""
    parser.add_argument("--method", choices=METHODS, help="default: path-ig, or occlusion for a backend without it")
    parser.add_argument("--target", metavar="X,Y,SIZE", help="explain a square of the fill only (default: all of it)")
    parser.add_argument("--steps", metavar="auto|N", default="auto", help="network evaluations (default auto)")
    parser.add_argument("--tolerance", metavar="PERCENT", type=float, default=1.0, help="completeness (default 1)")
    parser.add_argument("--smooth", choices=SMOOTHINGS, default="none", help="smooth the heatmap for display")


def fill_options(options: argparse.Namespace, backend: str | None = None) -> FillOptions:
    """The filling part of the command line."""
    from ..plugin.request import FillOptions

    return FillOptions(
        backend=backend or options.backend,
        device=options.device,
        seed=options.seed,
        grow_px=options.grow,
        feather_px=options.feather,
        context_px=options.context,
        match_border=options.match_border,
    )


def explain_options(options: argparse.Namespace, backend: str, keep_steps: bool = False) -> ExplainOptions:
    """The explaining part of the command line; the method follows from the backend if none is named."""
    from ..backends.registry import info
    from ..plugin.request import ExplainOptions, Target

    default = "path-ig" if info(backend).differentiable else "occlusion"
    return ExplainOptions(
        method=options.method or default,
        target=Target.parse(options.target) if options.target else None,
        steps=steps(options.steps),
        tolerance_percent=options.tolerance,
        smooth=options.smooth,
        keep_steps=keep_steps,
    )


def steps(text: str) -> int | Literal["auto"]:
    """`auto` or a number."""
    from ..imaging.errors import InputError

    if text == "auto":
        return "auto"
    if not text.isdigit():
        raise InputError(f"--steps is '{text}': give 'auto' or a number from 2 to 4096.")
    return int(text)

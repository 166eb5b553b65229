"""Make safetensors of a file of weights; what a pickle would run is not run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import progress, say

if TYPE_CHECKING:
    from torch import Tensor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `convert`."""
    parser.add_argument("file", metavar="FILE", type=Path, help="weights: torch (.pth, .ckpt), pickle, TorchScript")
    parser.add_argument(
        "-o", "--output", metavar="FILE.safetensors", type=Path, required=True, help="where to write the weights"
    )
    parser.add_argument("--half", action="store_true", help="16 bits for each number: half the size, less exact")
    parser.add_argument("--prefix", metavar="KEY", help="which network of several (default: the one that fills holes)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def run(options: argparse.Namespace) -> int:
    """Run `convert`."""
    from ..weights_registry.catalog import size_text
    from ..weights_registry.convert import convert

    with progress(options.file.name) as monitor:
        made = convert(
            options.file,
            options.output,
            overwrite=options.overwrite,
            half=options.half,
            prefix=options.prefix,
            monitor=monitor,
        )
    network = f"'{made.network}' of " if made.network else ""
    say(f"Weights: {made.path} ({network}{options.file})")
    size = size_text(made.path.stat().st_size)
    say(f"{len(made.state)} tensors, {made.parameters:,} numbers, {size}; source sha256 {made.source_sha256}")
    for note in made.notes:
        say(note)
    say(_likely(made.state, made.path))
    return 0


def _likely(state: Mapping[str, Tensor], path: Path) -> str:
    """Whose weights they seem to be, and how to use them."""
    from ..backends.architectures import identify

    found = identify(state)
    if found is None:
        return "They have the keys of no network that is known here."
    if not found.backend:
        return f"They look like weights of {found.title}, which judges fills and makes none."
    return f"They look like weights of {found.title}: fill with --backend {found.backend} --weights {path}"

"""Explain a fill: which pixels of the picture it came from, as a heatmap."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_explaining, add_filling, add_input, explain_options, fill_options
from .terminal import progress, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `explain`."""
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="HEATMAP.png", type=Path, required=True, help="where to write")
    parser.add_argument("--json", metavar="REPORT.json", type=Path, help="write the numbers too")
    parser.add_argument(
        "--sources", metavar="PICTURE.png", type=Path, help="draw from where the fill was copied (--backend exemplar)"
    )
    parser.add_argument("--save-steps", metavar="DIR", type=Path, help="write the pictures along the path")
    add_filling(parser)
    add_explaining(parser)


def run(options: argparse.Namespace) -> int:
    """Run `explain`."""
    from ..imaging.errors import InputError
    from ..plugin import files, operation

    files.check_suffix(options.output, ".png")
    files.check_outputs([path for path in (options.output, options.json, options.sources) if path], options.overwrite)
    if options.save_steps:
        files.check_steps(options.save_steps, options.overwrite)
    how = fill_options(options)
    why = explain_options(options, how.backend, keep_steps=options.save_steps is not None)
    if options.sources:
        files.check_suffix(options.sources, ".png")
        if why.method != "provenance":
            raise InputError("--sources needs a backend that copies: take --backend exemplar, or leave it away.")
    source = files.read_source(options.photo, options.mask, options.exclude, options.guide)
    with progress(options.photo.name) as monitor:
        outcome = operation.fill_and_explain(source, how, why, monitor)
    assert outcome.explanation is not None
    files.write_heatmap(outcome, options.output, options.overwrite)
    say(f"Heatmap: {options.output}")
    if options.json:
        files.write_report(outcome, options.json, options.overwrite)
        say(f"Report: {options.json}")
    if options.sources:
        files.write_sources(outcome, options.sources, options.overwrite)
        say(f"Sources: {options.sources}")
    if options.save_steps:
        count = files.write_steps(outcome.explanation, options.save_steps, options.overwrite)
        say(f"Pictures along the path: {count} in {options.save_steps}")
    say(outcome.explanation.sentence)
    return 0

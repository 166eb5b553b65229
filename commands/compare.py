"""Fill one hole with several backends: results and heatmaps side by side on one shared scale."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_explaining, add_filling, add_input, chosen_settings, explain_options, fill_options
from .terminal import progress, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `compare`."""
    add_input(parser)
    parser.add_argument("--backends", metavar="A,B[,C]", required=True, help="names, with commas between")
    parser.add_argument("-o", "--output", metavar="SHEET.png", type=Path, required=True, help="where to write")
    parser.add_argument(
        "--original",
        metavar="PHOTO2",
        type=Path,
        help="the true picture: adds PSNR and SSIM, and LPIPS after `download lpips-alexnet`",
    )
    add_filling(parser, backend=False)
    add_explaining(parser)


def run(options: argparse.Namespace) -> int:
    """Run `compare`."""
    from ..imaging.errors import InputError
    from ..imaging.reading import read_picture
    from ..imaging.writing import write_png
    from ..plugin import comparison, files

    files.check_suffix(options.output, ".png")
    files.check_outputs([options.output], options.overwrite)
    names = list(dict.fromkeys(name.strip() for name in options.backends.split(",") if name.strip()))
    if not 2 <= len(names) <= 6:
        raise InputError(f"--backends names {len(names)}: give 2 to 6 different ones with commas between.")
    jobs = [(comparison.fitting(fill_options(options, name)), explain_options(options, name)) for name in names]
    comparison.check_settings(names, chosen_settings(options))
    source = files.read_source(options.photo, options.mask, options.exclude, options.guide)
    original = read_picture(options.original) if options.original else None
    if original:
        comparison.check_original(source, original)
    with progress(options.photo.name) as monitor:
        outcomes = comparison.compare(source, jobs, monitor)
    write_png(comparison.sheet(source, outcomes, original), options.output, overwrite=options.overwrite)
    say(f"Comparison: {options.output}")
    for outcome in outcomes:
        assert outcome.explanation is not None
        say(f"{outcome.filling.backend.info.name}: {outcome.explanation.sentence}")
    return 0

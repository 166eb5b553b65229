"""Fill and explain the bundled photographs, to see what the package does."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plugin.choices import DEFAULT_BACKEND
from .terminal import progress, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, default=Path("out/demo"), help="default out/demo")
    parser.add_argument("--learned", metavar="NAME", default=DEFAULT_BACKEND, help="filled with and explained")
    parser.add_argument("--exemplar", metavar="NAME", default="patchmatch", help="filled with for comparison")


def run(options: argparse.Namespace) -> int:
    """Run `demo`."""
    from ..plugin.demo import photographs, show_all
    from ..plugin.files import make_folder

    names = photographs()
    make_folder(options.output)
    say(f"Filling {len(names)} photographs with {options.learned} and {options.exemplar} ...")
    with progress("demo") as monitor:
        lines = show_all(names, options.output, options.learned, options.exemplar, monitor)
    for line in lines:
        say(line)
    say(f"\nAll pictures are in {options.output.resolve()}; open {options.output / 'contact_sheet.jpg'} first.")
    return 0

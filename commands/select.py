"""Find the thing at a point of a picture and write a mask of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..plugin.choices import DEVICES
from .terminal import progress, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `select`."""
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="picture (PNG, JPEG, WebP, TIFF)")
    parser.add_argument("points", metavar="X,Y", nargs="+", help="points of the thing, in pixels from the upper left")
    parser.add_argument("-o", "--output", metavar="MASK.png", type=Path, required=True, help="mask, white = the thing")
    parser.add_argument(
        "--not", dest="outside", metavar="X,Y", action="append", default=[], help="what is here is not; may be repeated"
    )
    parser.add_argument(
        "--grow", metavar="PX", type=int, help="grow the mask, to take soft borders too (default: by the picture)"
    )
    parser.add_argument("--model", metavar="NAME", help="network to select with (default: the first that is ready)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default auto)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(options: argparse.Namespace) -> int:
    """Run `select`."""
    import numpy as np

    from ..imaging.reading import read_picture
    from ..imaging.writing import write_png
    from ..plugin import files
    from ..plugin.selecting import Point, select

    files.check_suffix(options.output, ".png")
    files.check_outputs([options.output], options.overwrite)
    points = [Point.parse(text) for text in options.points]
    points += [Point.parse(text, inside=False) for text in options.outside]
    picture = read_picture(options.photo)
    with progress(options.photo.name) as monitor:
        found = select(picture, points, options.model, device=options.device, monitor=monitor, grow_px=options.grow)
    write_png(found.mask.astype(np.uint8) * 255, options.output, overwrite=options.overwrite)
    say(f"Mask: {options.output} ({found.mask.mean():.1%} of the picture; {found.model}, score {found.score:.2f})")
    return 0

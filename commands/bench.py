"""Measure how well backends fill: the same holes for each, scores with intervals and tests, a page with pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..plugin.choices import DEVICES
from .terminal import progress, say

if TYPE_CHECKING:
    from ..evaluation.bench import Bench, Plan
    from ..evaluation.perceptual import Lpips
    from ..evaluation.record import Record

SMALLEST_PX, LARGEST_PX = 32, 4096
LPIPS_ENTRY = "lpips-alexnet"
TOLD = 5
"""Skipped pictures and failures that the terminal names; the report has more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `bench`."""
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with pictures, and those below")
    parser.add_argument(
        "--backends",
        metavar="A,B,C",
        required=True,
        help="names; NAME=FILE for weights of your own; the first is what the others are compared with",
    )
    parser.add_argument(
        "--masks",
        metavar="A,B,C",
        default="centre,random",
        help="centre, random, wide, narrow, super-resolve, alternating-lines, half, expand, irregular-0-10 to "
        "irregular-50-60; repaint and irregular for all of theirs; a folder of masks (default centre,random)",
    )
    parser.add_argument("-o", "--output", metavar="REPORT/", type=Path, required=True, help="folder for the report")
    parser.add_argument("--limit", metavar="N", type=int, help="take N pictures, chosen by the seed (default all)")
    parser.add_argument("--held-out", action="store_true", help="take only pictures that `train` keeps for validation")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of holes and fills (default 0)")
    parser.add_argument("--size", metavar="PX", type=int, default=256, help="side of the pictures (default 256)")
    parser.add_argument(
        "--lpips", metavar="FILE", type=Path, help=f"AlexNet weights for LPIPS (default: {LPIPS_ENTRY}, if downloaded)"
    )
    parser.add_argument("--inception", metavar="FILE", type=Path, help="weights of torch-fidelity, for FID and KID")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default auto)")
    parser.add_argument("--keep-fills", action="store_true", help="keep every fill, not only those that are shown")
    parser.add_argument("--resume", action="store_true", help="go on with the benchmark in REPORT/")


def run(options: argparse.Namespace) -> int:
    """Run `bench`."""
    from ..evaluation import publish
    from ..evaluation.bench import Bench, Plan, make_folder, set_distances
    from ..evaluation.distribution import Inception
    from ..evaluation.mask_sets import mask_sets
    from ..evaluation.models import parse
    from ..evaluation.pictures import select
    from ..imaging.errors import Cancelled, LensError

    _check(options)
    publish.check_folder(options.output, options.resume)
    models, masks = parse(_names(options.backends)), tuple(mask_sets(_names(options.masks)))
    lpips_file = _lpips_file(options.lpips)
    lpips = _lpips(lpips_file)
    inception = Inception(options.inception) if options.inception else None
    files = _files(options)
    with progress("bench") as monitor:
        looking, filling, comparing = monitor.part(0, 0.03), monitor.part(0.03, 0.95), monitor.part(0.95, 1)
        selection = select(files, options.data, options.size, options.seed, options.limit, looking)
        keep = options.keep_fills or inception is not None
        plan = Plan(models, masks, selection, options.size, options.seed, options.output, options.device, keep)
        make_folder(options.output)
        record = _record(options, plan, lpips_file)
        bench = Bench(plan, lpips, filling, record.place)
        record.save()
        try:
            bench.run()
            found = set_distances(plan, bench.results, inception, comparing) if inception else {}
        except Cancelled:
            count = len(bench.results.rows)
            raise Cancelled(f"Stopped: {count} fills are measured; go on with the same command and --resume.") from None
        if not bench.results.rows:
            raise LensError(f"Nothing could be filled, at first because: {bench.failures[0].reason}")
        paths = publish.publish(bench, record, found)
    for line in _outcome(bench):
        say(line)
    say(f"Report: {', '.join(map(str, paths))}")
    return 1 if bench.failures else 0


def _check(options: argparse.Namespace) -> None:
    from ..imaging.errors import InputError

    if not SMALLEST_PX <= options.size <= LARGEST_PX:
        raise InputError(f"--size is {options.size}: give {SMALLEST_PX} to {LARGEST_PX} pixels.")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit is {options.limit}: give 1 or more, or leave it away for all pictures.")
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}: give 0 or more.")


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _files(options: argparse.Namespace) -> list[Path]:
    from ..evaluation.pictures import find_pictures
    from ..imaging.errors import InputError

    files = find_pictures(options.data)
    if not options.held_out:
        return files
    from ..training.pictures import split_by_picture

    held_out = set(split_by_picture(options.data)[1])
    files = [path for path in files if path in held_out]
    if not files:
        raise InputError(f"None of the pictures in {options.data} is held out from training: leave --held-out away.")
    return files


def _lpips_file(given: Path | None) -> Path | None:
    from ..weights_registry.fetch import find

    return given or find(LPIPS_ENTRY)


def _lpips(weights: Path | None) -> Lpips | None:
    from ..imaging.errors import MissingError

    if weights is None:
        return None
    try:
        from ..evaluation.perceptual import Lpips
    except ImportError as error:
        raise MissingError("LPIPS needs a package: pip install 'inpaint-lens[metrics]'") from error
    return Lpips(weights)


def _record(options: argparse.Namespace, plan: Plan, lpips: Path | None) -> Record:
    import shlex
    import sys

    from ..evaluation.record import Record, sha256

    settings = {
        "data": str(options.data.resolve()),
        "size": options.size,
        "seed": options.seed,
        "lpips_sha256": sha256(lpips) if lpips else None,
    }
    command = shlex.join(["inpaint-lens", *sys.argv[1:]])
    return Record(options.output / "run.json", settings, plan.models, command)


def _outcome(bench: Bench) -> list[str]:
    """What to tell about what was left out."""
    skipped, failures = bench.plan.selection.skipped, bench.failures
    lines = [f"skipped: {reason}" for reason in list(skipped.values())[:TOLD]]
    lines += [f"failed: {' '.join(filter(None, (one.backend, one.mask, one.picture)))}: {one.reason}"
              for one in failures[:TOLD]]  # fmt: skip
    more = max(0, len(skipped) - TOLD) + max(0, len(failures) - TOLD)
    return [*lines, *([f"... and {more} more of these"] if more else [])]

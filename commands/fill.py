"""Fill the hole of a picture, or of every picture of a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import add_explaining, add_filling, add_input, explain_options, explaining_given, fill_options
from .terminal import progress, say

if TYPE_CHECKING:
    from ..imaging.monitor import Monitor
    from ..plugin.operation import Outcome

MOST_CANDIDATES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `fill`."""
    add_input(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True, help="picture, or folder for folders"
    )
    parser.add_argument("--explain", action="store_true", help="write OUT.heatmap.png and OUT.report.json too")
    parser.add_argument("--layers", metavar="FILE.ora", type=Path, help="write a layered OpenRaster file too")
    parser.add_argument(
        "--candidates",
        metavar="N",
        type=int,
        default=1,
        help="make N fills to choose from, with one seed after another",
    )
    add_filling(parser)
    add_explaining(parser, "how to explain, with --explain")


def run(options: argparse.Namespace) -> int:
    """Run `fill` on a file or a folder."""
    from ..imaging.errors import InputError

    if not options.explain and (idle := explaining_given(options)):
        raise InputError(f"--{idle[0]} is for explaining: add --explain, or leave it away.")
    if not 1 <= options.candidates <= MOST_CANDIDATES:
        raise InputError(f"--candidates is {options.candidates}: give a number from 1 to {MOST_CANDIDATES}.")
    if options.photo.is_dir():
        for name in ("layers", "guide"):
            if getattr(options, name):
                raise InputError(f"--{name} is for one picture: leave it away, or name a picture instead of a folder.")
        return _run_folder(options)
    if options.mask.is_dir():
        raise InputError(f"{options.mask} is a folder but {options.photo} is not: name one mask, or two folders.")
    with progress(options.photo.name) as monitor:
        lines = _fill_one(options, options.photo, options.mask, options.output, monitor)
    for line in lines:
        say(line)
    return 0


def _fill_one(
    options: argparse.Namespace, photo: Path, mask: Path, output: Path, monitor: Monitor, stem: str = ""
) -> list[str]:
    """Fill one picture and write all that was asked for, beside it under `stem`; returns what to tell."""
    from ..backends.registry import info
    from ..imaging.writing import format_of
    from ..plugin import files, operation

    files.check_outputs([output], options.overwrite)
    format_of(output)
    if options.layers:
        files.check_suffix(options.layers, ".ora")
    places = [_places(options, output, stem or output.stem, index) for index in range(options.candidates)]
    files.check_outputs([path for place in places for path in place.values()], options.overwrite)
    how = fill_options(options)
    why = explain_options(options, how.backend) if options.explain else None
    source = files.read_source(photo, mask, options.exclude, options.guide, whole=info(how.backend).task == "restore")
    outcomes = operation.candidates(source, how, why, monitor, count=options.candidates)
    return [
        line
        for outcome, place in zip(outcomes, places, strict=True)
        for line in _write(outcome, place, options.overwrite)
    ]


def _places(options: argparse.Namespace, output: Path, stem: str, index: int) -> dict[str, Path]:
    """Where each result of one candidate goes; several are numbered from 1."""
    number = f"-{index + 1}" if options.candidates > 1 else ""
    places = {"result": output.with_stem(f"{output.stem}{number}")}
    if options.explain:
        places |= {
            "heatmap": output.with_name(f"{stem}{number}.heatmap.png"),
            "report": output.with_name(f"{stem}{number}.report.json"),
        }
    return places | ({"layers": options.layers.with_stem(f"{options.layers.stem}{number}")} if options.layers else {})


def _write(outcome: Outcome, places: dict[str, Path], overwrite: bool) -> list[str]:
    from ..imaging.writing import write_picture
    from ..plugin import files

    notes = write_picture(outcome.filling.picture, places["result"], overwrite=overwrite)
    backend, seconds = outcome.filling.backend, outcome.seconds["fill"]
    lines = [f"Result: {places['result']} ({backend.info.name} on {backend.device}, {seconds:.1f} s)", *notes]
    if outcome.explanation:
        files.write_heatmap(outcome, places["heatmap"], overwrite)
        files.write_report(outcome, places["report"], overwrite)
        lines += [f"Heatmap: {places['heatmap']}", f"Report: {places['report']}", outcome.explanation.sentence]
    if "layers" in places:
        files.write_layers(outcome, places["layers"], overwrite)
        lines.append(f"Layers: {places['layers']}")
    return lines


def _run_folder(options: argparse.Namespace) -> int:
    """Fill every picture of a folder; a bad one is reported and the rest is done."""
    from collections import Counter

    from ..backends.registry import load
    from ..imaging.errors import Cancelled, InputError, LensError
    from ..plugin.batch import pairs
    from ..plugin.files import make_folder

    jobs = pairs(options.photo, options.mask)
    # What is wrong with the options is wrong for every picture: say it once, before anything is written.
    how = fill_options(options)
    if options.explain:
        explain_options(options, how.backend)
    load(how.backend, how.device, how.weights)
    make_folder(options.output)
    stems = Counter(photo.stem.lower() for photo, _ in jobs)
    failed = 0
    with progress(options.photo.name) as monitor:
        for index, (photo, mask) in enumerate(jobs):
            part = monitor.part(index / len(jobs), (index + 1) / len(jobs))
            try:
                part.report(photo.name, 0.0)
                if mask is None:
                    raise InputError(f"{photo.name} has no mask in {options.mask}: name it {photo.stem}.png.")
                stem = photo.stem if stems[photo.stem.lower()] == 1 else photo.name
                _fill_one(options, photo, mask, options.output / photo.name, part, stem)
            except (Cancelled, KeyboardInterrupt):
                done = f"{index - failed} of {len(jobs)} pictures filled, in {options.output}"
                raise Cancelled(f"Stopped: {done}; nothing half-written is left.") from None
            except LensError as error:
                failed += 1
                say(f"failed: {photo.name}: {error}")
    say(
        f"{len(jobs) - failed} of {len(jobs)} pictures filled, in {options.output}"
        + (f"; {failed} failed" * bool(failed))
    )
    return 1 if failed else 0

"""The verb `download`: fetch weights by name, say where people find the others, or list them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from ..imaging.errors import InputError, LensError
from ..imaging.monitor import Monitor
from .catalog import WeightsEntry, entry, load_catalog, size_text
from .fetch import fetch, find
from .settings import HubSettings

ASK_ABOVE_BYTES = 1_000_000_000
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `download` on `parser`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights to fetch, see --list")
    parser.add_argument(
        "--all",
        action="store_true",
        help="all weights that fill holes, without diffusion models and what is got by hand",
    )
    parser.add_argument(
        "--list", action="store_true", help="show what there is, how large, on what terms, and what is here"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask, even for large or non-commercial weights")
    parser.add_argument("--force", action="store_true", help="download again even what is here")


def run(args: argparse.Namespace, settings: HubSettings | None = None) -> int:
    """Do what the arguments say.

    Returns:
        0 when all is well, 2 when something was wrong (told on standard error), 130 when stopped.
    """
    try:
        settings = settings or HubSettings.from_environment()
        if args.list:
            sys.stdout.write(table(settings))
            return 0
        wanted = _wanted(args, settings)
        missing = [item for item in wanted if args.force or not find(item.name, settings=settings)]
        for item in wanted:
            if item not in missing:
                _say(f"{item.name}: already here, {find(item.name, settings=settings)}")
        _announce([item for item in missing if not item.by_hand])
        if missing and not (args.yes or _agreed(missing)):
            _say("Nothing was downloaded.")
            return 0
        return max((_fetch_one(item, settings, force=args.force) for item in missing), default=0)
    except LensError as error:
        _say(f"inpaint-lens download: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("Stopped; nothing half-downloaded is left.")
        return INTERRUPTED


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m inpaint_lens.weights_registry`."""
    program = "python -m inpaint_lens.weights_registry"
    parser = argparse.ArgumentParser(prog=program, description="Fetch weights by name.")
    add_arguments(parser)
    return run(parser.parse_args(argv))


def table(settings: HubSettings) -> str:
    """All entries as a table in plain text: name, size, licence, commercial use, here or not, title."""
    head = ("NAME", "SIZE", "LICENCE", "COMMERCIAL", "HERE", "WHAT")
    rows: list[tuple[str, ...]] = [head]
    for item in load_catalog(settings).values():
        rows.append(
            (
                item.name,
                item.size_text,
                item.licence,
                "yes" if item.commercial_use else "no",
                _here(item, settings),
                item.title,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    lines = [
        "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[-1]]) for row in rows
    ]
    return "\n".join(lines) + "\n"


def _here(item: WeightsEntry, settings: HubSettings) -> str:
    try:
        return "yes" if find(item.name, settings=settings) else "by hand" if item.by_hand else "no"
    except LensError:
        return "unusable"


def _wanted(args: argparse.Namespace, settings: HubSettings) -> list[WeightsEntry]:
    if args.all:
        fills = [item for item in load_catalog(settings).values() if item.purpose == "inpaint"]
        return [item for item in fills if not item.superseded_by and not item.by_hand]
    if not args.names:
        raise InputError("Say which weights to download, or --all, or --list to see what there is.")
    return [entry(name, settings) for name in dict.fromkeys(args.names)]


def _announce(items: Sequence[WeightsEntry]) -> None:
    """Say size and licence of everything before anything is fetched."""
    for item in items:
        terms = item.licence + ("" if item.commercial_use else " - NO COMMERCIAL USE")
        gate = f"; conditions to accept on {item.page_url}" if item.gated else ""
        _say(f"{item.name}: {item.size_text}, licence {terms}{gate}")
    unknown = sum(1 for item in items if not item.size)
    extra = f", and {unknown} of unknown size" if unknown else ""
    if len(items) > 1:
        _say(f"In all {size_text(sum(item.size for item in items))}{extra}.")


def _agreed(items: Sequence[WeightsEntry]) -> bool:
    """Whether to go on: people at a terminal are asked about large, gated and non-commercial weights."""
    items = [item for item in items if not item.by_hand]
    large = sum(item.size for item in items) > ASK_ABOVE_BYTES
    special = any(item.gated or not item.commercial_use for item in items)
    if not (large or special) or not sys.stdin.isatty():
        return True
    sys.stderr.write("Download these? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _fetch_one(item: WeightsEntry, settings: HubSettings, *, force: bool) -> int:
    """Fetch one entry and say where it is; an error is told and does not keep the others from being fetched."""
    try:
        with _progress(item) as bar:
            path = fetch(item.name, monitor=_monitor(item, bar), force=force, settings=settings)
    except LensError as error:
        _say(f"inpaint-lens download: {error}")
        return error.exit_code
    sys.stdout.write(f"{item.name}: {path}\n")
    return 0


def _progress(item: WeightsEntry) -> Any:
    if not sys.stderr.isatty():
        return nullcontext(None)
    from tqdm import tqdm

    return tqdm(
        total=item.size or 100, unit="B" if item.size else "%", unit_scale=bool(item.size), desc=item.name, leave=False
    )


def _monitor(item: WeightsEntry, bar: Any) -> Monitor:
    if bar is None:
        return Monitor()

    def show(stage: str, share: float) -> None:
        bar.set_description(stage, refresh=False)
        bar.n = int(share * bar.total)
        bar.refresh()

    return Monitor(on_progress=show)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")

"""List what can fill a hole, and what each needs."""

from __future__ import annotations

import argparse

from .terminal import say, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `backends`."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Run `backends`."""
    import json

    from ..plugin.listing import describe

    facts = describe()
    if options.json:
        say(json.dumps(facts, indent=2))
        return 0
    rows = [["name", "ready", "explained by", "licence", "download", "what for"]]
    for fact in facts:
        methods = "all methods" if fact["differentiable"] else "occlusion"
        size = f"{fact['download_mb']:.0f} MB" if fact["download_mb"] else "-"
        licence = fact["licence"] + ("" if fact["commercial_use"] else " (not for commercial use)")
        rows.append([fact["name"], "yes" if fact["ready"] else "no", methods, licence, size, fact["advice"]])
    say(table(rows))
    lacking = [f"{fact['name']} {fact['status']}" for fact in facts if not fact["ready"]]
    if lacking:
        say("\n" + "\n".join(lacking))
    return 0

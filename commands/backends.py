"""List what can fill a hole, and what each needs; or tell all about one."""

from __future__ import annotations

import argparse
from typing import Any

from .terminal import say, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `backends`."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="tell all about this one")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Run `backends`."""
    import json

    from ..backends.registry import info
    from ..plugin.listing import describe

    if options.name:
        info(options.name)
    facts = [fact for fact in describe() if options.name in (None, fact["name"])]
    if options.json:
        say(json.dumps(facts, indent=2))
    elif options.name:
        say("\n".join(_details(facts[0])))
    else:
        say(table([["name", "ready", "explained by", "licence", "download", "what for"], *map(_row, facts)]))
        say("\n" + "\n".join(_next_steps(facts)))
    return 0


def _row(fact: dict[str, Any]) -> list[str]:
    methods = "all methods" if fact["differentiable"] else "without gradients"
    return [fact["name"], "yes" if fact["ready"] else "no", methods, _licence(fact), _size(fact), fact["advice"]]


def _next_steps(facts: list[dict[str, Any]]) -> list[str]:
    """What to do about those that are not ready; what is to be had by hand is told for one at a time."""
    waiting = [fact for fact in facts if not fact["ready"]]
    links = [fact for fact in waiting if fact["status"].startswith("needs weights: inpaint-lens download")]
    hands = [fact for fact in waiting if fact["by_hand"] and fact not in links]
    lines = [f"{fact['name']} {fact['status']}" for fact in waiting if fact not in links and fact not in hands]
    if links:
        names = ", ".join(name for fact in links for name in fact["weights"])
        lines.append(f"To fetch weights: inpaint-lens download NAME ({names})")
    if hands:
        lines.append("Weights by hand: inpaint-lens backends NAME tells where they are and what to do with them.")
    return [*lines, "More about one, its settings too: inpaint-lens backends NAME"]


def _licence(fact: dict[str, Any]) -> str:
    return fact["licence"] + ("" if fact["commercial_use"] else " (not for commercial use)")


def _size(fact: dict[str, Any]) -> str:
    if fact["by_hand"]:
        return "by hand"
    return f"{fact['download_mb']:.0f} MB" if fact["download_mb"] else "-"


def _details(fact: dict[str, Any]) -> list[str]:
    """All about one backend, a line for each thing."""
    weights = ", ".join(fact["weights"]) or "none, or inside the package"
    lines = [
        f"{fact['name']}: {fact['title']}",
        f"Take it: {fact['advice']}",
        f"Ready: {'yes' if fact['ready'] else 'no, it ' + fact['status']}",
        f"Licence: {_licence(fact)}",
        f"Weights: {weights} ({_size(fact)})" if fact["weights"] else f"Weights: {weights}",
        f"Method: {fact['paper']}",
        f"Explained by: {'every method' if fact['differentiable'] else 'methods without gradients'}",
    ]
    if fact["guide"]:
        lines.append(f"Drawn lines: --guide LINES.png, taken as {fact['guide']}")
    if fact["settings"]:
        lines.append("Settings (--set NAME=VALUE):")
        rows = [[setting["name"], _default(setting), setting["help"]] for setting in fact["settings"]]
        lines += table([["name", "values (default)", "what it does"], *rows]).splitlines()
    return lines


def _default(setting: dict[str, Any]) -> str:
    default, choices = setting["default"], setting["choices"]
    if isinstance(default, bool):
        return "yes" if default else "no"
    text = "|".join(choices) if choices else ""
    if not isinstance(default, str) and setting["low"] is not None and setting["high"] is not None:
        text = f"{setting['low']:g}..{setting['high']:g}"
    return f"{text} ({default})" if text else f"({default})" if default != "" else "(empty)"

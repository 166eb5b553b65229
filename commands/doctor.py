"""Say what is installed and usable here, and what to do about what is not."""

from __future__ import annotations

import argparse

from .terminal import say

MARKS = {"good": "ok  ", "bad": "no  ", "note": "--  "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Run `doctor`; 0 if everything that is needed works, 1 if not."""
    import json
    from dataclasses import asdict

    from ..plugin.health import examine

    findings = examine()
    if options.json:
        say(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            say(f"{MARKS[finding.state]}{finding.what}: {finding.found}")
            if finding.advice:
                say(f"      -> {finding.advice}")
    return 1 if any(finding.state == "bad" for finding in findings) else 0

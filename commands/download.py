"""Fetch weights once, check them, use them offline."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `download`."""
    from ..weights_registry.commands import add_arguments as add

    add(parser)


def run(options: argparse.Namespace) -> int:
    """Run `download`."""
    from ..weights_registry.commands import run as download

    return download(options)

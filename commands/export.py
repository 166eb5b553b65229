"""Write the network of a backend as an ONNX graph, for programs without PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import progress, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `export`."""
    parser.add_argument("backend", metavar="BACKEND", help="name of a torch network, see `inpaint-lens backends`")
    parser.add_argument("-o", "--output", metavar="FILE.onnx", type=Path, required=True, help="the graph to write")
    parser.add_argument(
        "--side", metavar="PX", type=int, default=256, help="height and width of the pictures it takes (default: 256)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def run(options: argparse.Namespace) -> int:
    """Run `export`."""
    from ..backends.onnx_export import export
    from ..backends.registry import load
    from ..weights_registry.catalog import size_text

    backend = load(options.backend, "cpu")
    with progress(options.backend) as monitor:
        monitor.report("writing the graph", 0.0)
        apart = export(backend, options.output, options.side, overwrite=options.overwrite)
    say(f"Graph: {options.output} ({size_text(options.output.stat().st_size)}, {options.side} x {options.side} pixels)")
    say(f"ONNX Runtime and PyTorch agree within {apart:.1e} of the largest value.")
    return 0

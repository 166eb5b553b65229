"""Measure how true explanations are: blur what each method names first, and see how fast the fill is lost."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_filling, add_input, fill_options, steps
from .terminal import progress, say, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `faithfulness`."""
    add_input(parser)
    parser.add_argument("--methods", metavar="A,B", help="names, with commas between (default: all that work)")
    parser.add_argument("-o", "--output", metavar="PLOT.png", type=Path, required=True, help="where to draw the curves")
    parser.add_argument("--json", metavar="REPORT.json", type=Path, help="write the numbers too")
    parser.add_argument("--target", metavar="X,Y,SIZE", help="look at a square of the fill only (default: all of it)")
    parser.add_argument("--steps", metavar="auto|N", default="auto", help="evaluations for each method (default auto)")
    add_filling(parser)


def run(options: argparse.Namespace) -> int:
    """Run `faithfulness`."""
    import json

    from ..attribution.charts import faithfulness_chart
    from ..imaging.writing import write_atomically, write_png
    from ..plugin import faithfulness, files
    from ..plugin.request import ExplainOptions, Target

    files.check_suffix(options.output, ".png")
    files.check_outputs([path for path in (options.output, options.json) if path], options.overwrite)
    how = fill_options(options)
    methods = _methods(options.methods) if options.methods else faithfulness.usable_methods(how.backend)
    target = None if options.target is None else Target.parse(options.target)
    why = ExplainOptions(target=target, steps=steps(options.steps))
    source = files.read_source(options.photo, options.mask, options.exclude, options.guide)
    with progress(options.photo.name) as monitor:
        rows = faithfulness.examine(source, how, methods, why, monitor)
    write_png(faithfulness_chart({row.name: row.curves for row in rows}), options.output, overwrite=options.overwrite)
    if options.json:
        text = json.dumps([row.to_json() for row in rows], indent=2) + "\n"
        write_atomically(options.json, lambda part: part.write_text(text), overwrite=options.overwrite)
    cells = [["order of pixels", "deletion area", "insertion area", "evaluations", "seconds"]]
    for row in rows:
        cost = ["-", "-"] if row.seconds is None else [str(row.evaluations), f"{row.seconds:.1f}"]
        cells.append([row.name, f"{row.curves.deletion.area:.3f}", f"{row.curves.insertion.area:.3f}", *cost])
    say(table(cells))
    say("A method is true to the model where its deletion area is small and its insertion area large.")
    say(f"Curves: {options.output}")
    return 0


def _methods(text: str) -> list[str]:
    from ..attribution.methods import method_named

    return [method_named(name.strip()).name for name in text.split(",") if name.strip()]

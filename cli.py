"""The `inpaint-lens` command: one file for each verb under `commands/`; nothing heavy is imported here."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from . import __version__
from .commands import (
    backends,
    bench,
    compare,
    convert,
    demo,
    doctor,
    download,
    explain,
    export,
    faithfulness,
    feedback,
    fill,
    gimp,
    select,
    serve,
    train,
)
from .imaging.errors import LensError

VERBS = (
    fill,
    select,
    explain,
    compare,
    faithfulness,
    bench,
    train,
    feedback,
    backends,
    download,
    convert,
    export,
    serve,
    gimp,
    doctor,
    demo,
)


def build_parser() -> argparse.ArgumentParser:
    """The parser with all verbs."""
    parser = argparse.ArgumentParser(
        prog="inpaint-lens",
        description="Fill a hole in a picture and see why it was filled so.",
        epilog="inpaint-lens VERB --help tells more. Try `inpaint-lens demo` first.",
    )
    parser.add_argument("--version", action="version", version=f"inpaint-lens {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log what happens; show where an unexpected error is")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        text = (verb.__doc__ or "").strip().splitlines()[0]
        sub = verbs.add_parser(name, help=text, description=text)
        verb.add_arguments(sub)
        sub.set_defaults(run=verb.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when all went well, 1 when part of a batch failed or something unexpected happened, 2 when the user can put
        it right, 130 when stopped.
    """
    # Waiting threads that spin slow down every other program of a busy machine, a second inpaint-lens most of all.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = build_parser().parse_args(arguments)
    verbose = options.verbose or bool(os.environ.get("INPAINT_LENS_DEBUG"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    logging.getLogger("huggingface_hub").propagate = False  # it writes to the terminal itself
    try:
        return options.run(options)
    except LensError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("Stopped; nothing half-written is left.", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except MemoryError:
        return _fail("There is not enough memory: give a smaller --context or close other programs.", 2)
    except Exception as error:  # the last net: a person gets a sentence, a developer asks for more with --verbose
        if verbose:
            raise
        return _fail(f"Unexpected error ({type(error).__name__}: {error}). Run again with --verbose and report it.", 1)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"inpaint-lens: {message}\n")
    return code

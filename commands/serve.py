"""Serve the web pages and the interface for programs."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import say

if TYPE_CHECKING:
    from ..plugin.service.app import Pages
    from ..plugin.service.settings import ServiceSettings

PACKAGES = ("fastapi", "python_multipart", "uvicorn")
PAGES = "gradio"
TRAINING = ("accelerate", "sqlalchemy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `serve`."""
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument("--port", metavar="N", type=int, default=7860, help="default 7860; 0 = any that is free")
    parser.add_argument(
        "--auth", metavar="USER:PASSWORD", help="ask for it; better set INPAINT_LENS_AUTH, which no one sees in `ps`"
    )
    parser.add_argument(
        "--max-pixels", metavar="N", type=int, default=40_000_000, help="of a picture (default 40000000)"
    )
    parser.add_argument("--queue", metavar="N", type=int, default=16, help="jobs that may wait (default 16)")
    parser.add_argument("--no-pages", action="store_true", help="only the interface for programs, /v1")
    parser.add_argument("--allow-remote", action="store_true", help="let other machines in without a password")
    parser.add_argument(
        "--tasks",
        metavar="DIR",
        type=Path,
        help="show the tab Train, over the feedback trainings in this folder; data sets lie in DIR/data",
    )


def run(options: argparse.Namespace) -> int:
    """Run `serve` until it is stopped."""
    _check_packages(pages=not options.no_pages)
    from ..plugin.service.settings import ServiceSettings, auth_from, default_spool

    settings = ServiceSettings(
        host=options.host,
        port=options.port,
        auth=auth_from(options.auth),
        allow_remote=options.allow_remote,
        max_pixels=options.max_pixels,
        queue=options.queue,
        spool=default_spool(options.host, options.port),
    )
    settings.check()
    _check_tasks(options, settings)
    from ..plugin.service.server import address, listen

    with listen(settings) as socket:
        from ..plugin.service.app import create_app
        from ..plugin.service.server import make_server

        app = create_app(settings, None if options.no_pages else _pages(settings, options.tasks))
        say(f"Inpaint Lens is at {address(settings, socket)} (for programs: /v1/docs). Ctrl-C stops it.")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn when all is stopped
            make_server(app).run(sockets=[socket])
    say("Stopped.")
    return 0


def _pages(settings: ServiceSettings, tasks: Path | None) -> Pages:
    from ..gradio_demo import mount

    return lambda app, jobs: mount(app, jobs, settings, tasks=tasks)


def _check_tasks(options: argparse.Namespace, settings: ServiceSettings) -> None:
    """Raise `InputError` where anyone could start trainings, and `MissingError` where packages are not installed."""
    if options.tasks is None:
        return
    from importlib.util import find_spec

    from ..imaging.errors import InputError, MissingError

    if options.no_pages:
        raise InputError("--tasks adds a page, and --no-pages leaves all pages out: take one of them.")
    if "SPACE_ID" in os.environ:
        raise InputError("--tasks lets visitors train on this machine, so it is not for a Space: leave it out.")
    if options.allow_remote and not settings.auth:
        raise InputError("--tasks with --allow-remote needs a password: give --auth USER:PASSWORD too.")
    if any(find_spec(name) is None for name in TRAINING):
        raise MissingError("--tasks needs packages for feedback training: pip install 'inpaint-lens[feedback]'")


def _check_packages(pages: bool) -> None:
    """Raise `MissingError` where the optional packages are not installed."""
    from importlib.util import find_spec

    from ..imaging.errors import MissingError

    lacking = [name for name in (*PACKAGES, *([PAGES] if pages else [])) if find_spec(name) is None]
    if lacking:
        raise MissingError(f"serve needs {', '.join(lacking)}: pip install 'inpaint-lens[web]'")

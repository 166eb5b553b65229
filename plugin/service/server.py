"""Run the service: its socket is bound before anything is started, and jobs are stopped before connections are."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import uvicorn
from anyio.to_thread import run_sync
from fastapi import FastAPI

from ...imaging.errors import InputError
from .settings import ServiceSettings

GRACE_S = 5
"""How long open connections may take to end when the service stops."""
_CONNECTIONS = 256


class Server(uvicorn.Server):
    """uvicorn that stops the jobs first, so that their listeners hear of it and go, and then the streams of pages."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop jobs, then connections, then the application."""
        app = self.config.app
        if isinstance(app, FastAPI):
            await run_sync(app.state.jobs.close)
            app.state.streams.end()
        await super().shutdown(sockets)


def make_server(app: FastAPI) -> Server:
    """A server that logs through `logging` and never the addresses of requests, which hold the names of jobs."""
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


def listen(settings: ServiceSettings) -> socket.socket:
    """A bound socket: a Unix one for its owner only, or TCP.

    Raises:
        InputError: the port is taken, or the address is not this machine's.
    """
    if settings.uds is not None:
        return _unix(settings.uds)
    host = settings.host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, settings.port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise _refused(error, settings) from error
    return made


def address(settings: ServiceSettings, made: socket.socket) -> str:
    """Where a browser finds the service."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    host, port = made.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def _unix(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
        made.listen(128)
    except OSError as error:
        made.close()
        raise InputError(f"The socket '{path}' cannot be made ({error.strerror}): name another place.") from error
    finally:
        os.umask(before)
    return made


def _refused(error: OSError, settings: ServiceSettings) -> InputError:
    if error.errno == errno.EADDRINUSE:
        return InputError(f"Port {settings.port} is taken by another program: give another --port, or 0 for any.")
    if error.errno == errno.EACCES:
        return InputError(f"Port {settings.port} needs more rights than you have: give a --port above 1023.")
    return InputError(f"--host {settings.host} is no address of this machine ({error.strerror}): give another one.")

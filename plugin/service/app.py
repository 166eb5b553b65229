"""`create_app`: the service with its routes, guards and, if wanted, the pages."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ... import __version__
from ...imaging.errors import InputError, LensError
from .api import problem, router
from .ending import Ending, OpenStreams
from .guards import BodyLimit, Guard
from .idle import give_back_memory
from .jobs import Jobs, QueueFull
from .schema import sentence_of
from .settings import ServiceSettings
from .wording import UNEXPECTED, told

log = logging.getLogger(__name__)
Pages = Callable[[FastAPI, Jobs], object]
AT_ONCE = 2
"""Pictures that are decoded or encoded at the same time, since a crowd of them could take any amount of memory."""
RETRY_S = 2
"""What a client whose job was not taken is told to wait."""


def create_app(settings: ServiceSettings, pages: Pages | None = None) -> FastAPI:
    """The service as an ASGI application; its jobs are `app.state.jobs`, its settings `app.state.settings`.

    Args:
        settings: who may use it, and how much.
        pages: mounts web pages into the application, which work through the same jobs and stand behind the same
            guards.

    Raises:
        InputError: settings that make no sense, or a spool that cannot be used.
    """
    settings.check()
    jobs = Jobs(
        settings.queue,
        settings.expire_s,
        settings.spool,
        idle_unload_s=settings.idle_unload_s,
        on_idle=give_back_memory,
        leave_s=settings.leave_s,
        longest_s=settings.longest_s,
    )

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_sync(jobs.close)

    app = FastAPI(
        title="Inpaint Lens",
        version=__version__,
        description="Fill a hole in a picture and see why it was filled so.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.jobs, app.state.settings, app.state.turns = jobs, settings, CapacityLimiter(AT_ONCE)
    app.state.streams = OpenStreams()
    app.include_router(router)
    _tell_errors(app)
    if pages:
        pages(app, jobs)
    else:
        app.add_api_route("/", lambda: RedirectResponse("/v1/docs"), include_in_schema=False)
    app.add_middleware(Ending, streams=app.state.streams)
    app.add_middleware(BodyLimit, max_bytes=settings.max_bytes)
    app.add_middleware(Guard, hosts=settings.allowed_hosts, auth=settings.auth, token=settings.token)
    return app


def _tell_errors(app: FastAPI) -> None:
    """Every error is one sentence without paths."""

    def ours(_request: Request, error: Exception) -> Response:
        sentence = str(told(error))
        if isinstance(error, QueueFull):
            return problem(429, sentence, {"Retry-After": str(RETRY_S)})
        return problem(422 if isinstance(error, InputError) else 409, sentence)

    def invalid(_request: Request, error: Exception) -> Response:
        return problem(422, sentence_of(list(cast(RequestValidationError, error).errors())))

    def http(_request: Request, error: Exception) -> Response:
        known = cast(HTTPException, error)
        return problem(known.status_code, str(known.detail), dict(known.headers or {}))

    def unexpected(_request: Request, _error: Exception) -> Response:
        return problem(500, UNEXPECTED)

    app.add_exception_handler(LensError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)

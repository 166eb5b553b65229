"""Routes that only a private service has: who it is, its end, and fetching weights."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from ... import __version__
from ...backends.registry import info
from ...imaging.monitor import Monitor
from ...weights_registry.catalog import WeightsEntry, entry
from ...weights_registry.fetch import fetch
from .api import DOWNLOAD
from .app import create_app
from .jobs import Jobs
from .lifetime import LOOK_S, Attendance, Life
from .schema import JobAnswer
from .settings import ServiceSettings

BackendName = Annotated[str, StringConstraints(max_length=64)]
router = APIRouter(prefix="/v1")


class Identity(BaseModel):
    """Which service this is."""

    version: str
    python: str = Field(description="the interpreter that it runs in")
    pid: int


class DownloadRequest(BaseModel):
    """What to fetch."""

    names: list[BackendName] = Field(min_length=1, max_length=32, description="backends of `/v1/backends`")


def create_private_app(
    settings: ServiceSettings, idle_s: float, signs: Sequence[Path] = (), look_s: float = LOOK_S
) -> FastAPI:
    """The service with the routes of this file; its `Life` is `app.state.life`. Raises as `create_app`."""
    app = create_app(settings)
    app.state.life = Life(app.state.jobs.counts, idle_s, signs, look_s)
    app.include_router(router)
    app.add_middleware(Attendance, life=app.state.life)
    return app


@router.get("/private", summary="Which service this is")
def identity() -> Identity:
    """A client compares version and Python with its own."""
    return Identity(version=__version__, python=sys.executable, pid=os.getpid())


@router.post("/private/stop", status_code=202, summary="End")
def stop(request: Request) -> Identity:
    """No new work from now on; jobs have a few seconds to end, then they are stopped."""
    request.app.state.life.leave()
    return identity()


@router.post("/downloads", status_code=202, summary="Fetch the weights of backends")
def download(request: Request, response: Response, wanted: DownloadRequest) -> JobAnswer:
    """Queue a job; it is followed and stopped as any other. Size and licence stand in `/v1/backends`."""
    names = dict.fromkeys(name for backend in wanted.names for name in info(backend).weights)
    entries = [entry(name) for name in names]
    jobs: Jobs = request.app.state.jobs
    job = jobs.submit(
        DOWNLOAD,
        lambda monitor: _fetch(entries, monitor),
        device="network",
        label=", ".join(wanted.names),
        save=lambda _value, _folder: None,
        ends_with_listeners=True,
    )
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobAnswer.model_validate(job.snapshot())


def _fetch(entries: Sequence[WeightsEntry], monitor: Monitor) -> None:
    """Fetch entries one after another, with progress in megabytes over all of them."""
    total = sum(one.size for one in entries) or 1
    done = 0
    for one in entries:
        part = monitor.part(done / total, (done + one.size) / total)
        done += one.size
        fetch(one.name, monitor=_counting(one, part))
    monitor.report("ready", 1.0)


def _counting(one: WeightsEntry, monitor: Monitor) -> Monitor:
    """A monitor that tells megabytes where the size is known."""

    def tell(stage: str, share: float) -> None:
        amount = f", {share * one.megabytes:.0f} of {one.size_text}" if one.size else ""
        monitor.report(f"{stage}{amount}", share)

    return Monitor(tell, monitor.token)

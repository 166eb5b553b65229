"""The routes of `/v1`; see the page at `/v1/docs`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, TypeVar, cast

from anyio.to_thread import run_sync
from fastapi import APIRouter, File, Form, HTTPException, Path, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Json

from ... import __version__
from ...imaging.errors import LensError
from ...imaging.writing import encode_png
from ..listing import describe
from . import work
from .docs import page
from .jobs import Job, Jobs
from .results import Result, npy_bytes, slug_of
from .schema import BackendAnswer, Health, JobAnswer, JobRequest, LayerPlace, Problem
from .settings import ServiceSettings
from .uploads import Upload
from .wording import without_paths

T = TypeVar("T")
KEEP_ALIVE_S = 10.0
"""Silence on a stream of events after which a comment tells that both ends are there."""
RECONNECT_MS = 300
"""When a browser takes up a broken stream again; before the job is stopped for want of listeners."""
DOWNLOAD = "download"
"""The kind of a job that fetches weights, which only a private service has."""
Name = Annotated[str, Path(max_length=64, description="the `id` of the job")]
Slug = Annotated[str, Path(max_length=64, description="the layer's `slug`, with .png or .npy")]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "user and password, or the token, are asked for"},
    422: {"model": Problem, "description": "the request cannot be used"},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "no such job, or it expired"}}
_NOT_DONE: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "not done yet, or it failed: the sentence tells which"}
}
_NO_LAYER = "This job has no such layer: take one of its `layers`, with .png or .npy."
_STANDING = {"contentMediaType": "application/json", "contentSchema": {"$ref": "#/components/schemas/JobAnswer"}}
_EVENT = {
    "type": "object",
    "required": ["id", "data"],
    "properties": {"id": {"type": "string"}, "data": {"type": "string", **_STANDING}},
}
router = APIRouter(prefix="/v1", responses=_REFUSALS)


@router.post(
    "/jobs",
    status_code=202,
    summary="Fill a hole, and explain the fill",
    responses={
        400: {"model": Problem, "description": "the form cannot be read"},
        409: {"model": Problem, "description": "the backend or device is not ready here"},
        413: {"model": Problem, "description": "the request is too large"},
        429: {"model": Problem, "description": "the queue is full"},
    },
)
async def submit(
    request: Request,
    response: Response,
    picture: Annotated[UploadFile, File(description="PNG, JPEG, WebP, TIFF, or .npy of uint8, uint16 or floats")],
    mask: Annotated[UploadFile, File(description="the same size as the picture; white = fill this")],
    exclude: Annotated[UploadFile | None, File(description="white = the model may not look at this")] = None,
    guide: Annotated[UploadFile | None, File(description="drawn lines, for backends that take them")] = None,
    options: Annotated[Json[JobRequest] | None, Form(description="a JSON object: fill, explain, ...")] = None,
) -> JobAnswer:
    """Queue a job; the answer comes at once and names the job, whose events tell how far it is."""
    wanted = cast(JobRequest, options) or JobRequest()

    def queue() -> Job[Result]:
        files = [None if file is None else file.file.read() for file in (picture, mask, exclude, guide)]
        upload = Upload(files[0] or b"", files[1] or b"", files[2] or None, files[3] or None)
        return work.submit(_jobs(request), upload, wanted, _settings(request).limits)

    job = await _in_turn(request, queue)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobAnswer.model_validate(job.snapshot())


@router.get("/jobs/{job_id}", summary="How a job stands", responses=_UNKNOWN)
def state(request: Request, job_id: Name) -> JobAnswer:
    """State, place in the queue, progress, and what can be fetched."""
    return _answer(_job(request, job_id))


@router.delete("/jobs/{job_id}", summary="Stop a job, or forget a finished one", responses=_UNKNOWN)
def stop(request: Request, job_id: Name) -> JobAnswer:
    """A job that waits leaves the queue at once, one that runs stops within a second; a finished one is deleted."""
    job = _job(request, job_id)
    job.cancel()
    answer = _answer(job)
    if job.ended:
        _jobs(request).forget(job)
    return answer


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses=_UNKNOWN
    | {
        200: {"content": {"text/event-stream": {"schema": _EVENT}}},
        204: {"description": "it has ended, as the caller has seen already"},
    },
)
def events(request: Request, job_id: Name) -> Response:
    """Server-sent events: each is a job as JSON; the last one has ended, after which the stream closes."""
    job = _job(request, job_id)
    if job.ended and request.headers.get("last-event-id") == str(job.snapshot()["version"]):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(job), media_type="text/event-stream", headers=headers)


async def _events(job: Job[Result]) -> AsyncIterator[str]:
    with job.listening():
        yield f"retry: {RECONNECT_MS}\n\n"
        seen = -1
        while True:
            snapshot = await job.achanges(KEEP_ALIVE_S, since=seen)
            if snapshot["version"] == seen and not job.ended:
                yield ": waiting\n\n"
                continue
            seen = snapshot["version"]
            yield f"id: {seen}\ndata: {json.dumps(snapshot)}\n\n"
            if snapshot["expires_in_s"] is not None:
                return


def _made(kind: str) -> dict[str, Any]:
    """How a route that answers with a file is declared."""
    content = {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}
    return {"response_class": Response, "responses": _UNKNOWN | _NOT_DONE | content}


@router.get("/jobs/{job_id}/result.png", summary="The filled picture", **_made("image/png"))
async def result_png(request: Request, job_id: Name) -> Response:
    """At full size, in the depth and colours of the picture that was sent."""
    return await _file(request, job_id, Result.png, "image/png")


@router.get("/jobs/{job_id}/result.npy", summary="The filled picture as an array", **_made("application/octet-stream"))
async def result_npy(request: Request, job_id: Name) -> Response:
    """`[H, W]` or `[H, W, channels]`, of the type that was sent."""
    return await _file(request, job_id, Result.npy, "application/octet-stream")


@router.get("/jobs/{job_id}/heatmap.png", summary="The heatmap over the fill", **_made("image/png"))
async def heatmap(request: Request, job_id: Name) -> Response:
    """With outlines and colour bar; for a job that explains."""
    return await _file(request, job_id, Result.heatmap_png, "image/png")


@router.get(
    "/jobs/{job_id}/region.npy", summary="The region of interest as an array", **_made("application/octet-stream")
)
async def region(request: Request, job_id: Name) -> Response:
    """`[H, W]` of uint8, 255 in the region; may be sent as `exclude`. For a job that explains."""
    return await _file(request, job_id, Result.region_npy, "application/octet-stream")


@router.get("/jobs/{job_id}/layers.ora", summary="All layers as OpenRaster", **_made("image/openraster"))
async def layers(request: Request, job_id: Name) -> Response:
    """For GIMP, Krita and others."""
    return await _file(request, job_id, Result.ora, "image/openraster")


@router.get("/jobs/{job_id}/report.json", summary="The numbers", responses=_UNKNOWN | _NOT_DONE)
def report(request: Request, job_id: Name) -> dict[str, Any]:
    """What was done, how long it took, and the explanation's numbers."""
    return _result(_job(request, job_id)).report


@router.get(
    "/jobs/{job_id}/layers/{layer}",
    summary="One layer",
    response_class=Response,
    responses=_UNKNOWN
    | _NOT_DONE
    | {
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/png", "application/octet-stream")
            }
        }
    },
)
async def layer(request: Request, job_id: Name, layer: Slug) -> Response:
    """RGBA of the layer's own size; where it lies stands in the job."""
    slug, _, kind = layer.rpartition(".")
    if kind not in ("png", "npy"):
        raise HTTPException(404, _NO_LAYER)

    def encoded() -> bytes:
        if (found := _result(_job(request, job_id)).layer(slug)) is None:
            raise HTTPException(404, _NO_LAYER)
        return encode_png(found.pixels) if kind == "png" else npy_bytes(found.pixels)

    media_type = "image/png" if kind == "png" else "application/octet-stream"
    return _attachment(await _in_turn(request, encoded), media_type, layer)


@router.get("/backends", summary="What can fill")
def backends() -> list[BackendAnswer]:
    """Every backend with its licence, size, settings, and whether it is ready."""
    return [BackendAnswer.model_validate(facts | {"status": without_paths(facts["status"])}) for facts in describe()]


@router.get("/health", summary="How the service stands")
def health(request: Request) -> Health:
    """Whether it answers, how much waits, and how long results are kept."""
    jobs, settings = _jobs(request), _settings(request)
    facts = {
        "version": __version__,
        "results": "kept over a restart" if jobs.spool.lasting else "gone with the service",
        "expire_s": settings.expire_s,
        "max_pixels": settings.max_pixels,
        "max_bytes": settings.max_bytes,
    }
    return Health.model_validate(facts | jobs.counts())


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> Response:
    """This interface for people, without scripts and without other servers."""
    return page(request.app.openapi())


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs


def _settings(request: Request) -> ServiceSettings:
    return request.app.state.settings


def _job(request: Request, name: str) -> Job[Result]:
    job = _jobs(request).get(name)
    if job is None or not job.fetchable:
        raise HTTPException(404, "There is no such job, or it has expired: submit it again.")
    return job


def _result(job: Job[Result]) -> Result:
    """The result from memory or from its folder; answers 409 where there is none, 404 where there never is one."""
    if job.kind == DOWNLOAD:
        raise HTTPException(404, "This job fetches weights: it makes no picture.")
    if not job.ended:
        raise HTTPException(409, f"This job is {job.state}: read its events, and come back when it is done.")
    if job.state != "done":
        raise HTTPException(409, job.error)
    if job.held:
        with contextlib.suppress(LensError):  # another job may push it out of the memory at this moment
            return job.result
    return Result.load(job.folder) if job.folder else job.result


def _answer(job: Job[Result]) -> JobAnswer:
    facts = JobAnswer.model_validate(job.snapshot())
    if facts.state != "done" or facts.kind == DOWNLOAD:
        return facts
    try:
        result = _result(job)
    except LensError as error:
        return facts.model_copy(update={"error": str(error)})
    places = [
        LayerPlace(
            slug=slug_of(layer),
            name=layer.name,
            top=layer.offset[0],
            left=layer.offset[1],
            height=layer.pixels.shape[0],
            width=layer.pixels.shape[1],
            opacity=layer.opacity,
            blend_mode=layer.blend_mode,
        )
        for layer in result.layers
    ]
    files = ["result.png", "result.npy", "layers.ora", "report.json"]
    files += ["heatmap.png"] if result.heatmap is not None else []
    files += ["region.npy"] if result.region is not None else []
    sentence = result.report.get("explanation", {}).get("sentence", "")
    return facts.model_copy(update={"files": files, "layers": places, "sentence": sentence})


async def _in_turn(request: Request, function: Callable[[], T]) -> T:
    """Call what takes much memory in a thread, so many at a time as the service allows."""
    return await run_sync(function, limiter=request.app.state.turns)


async def _file(request: Request, name: str, make: Callable[[Result], bytes | None], kind: str) -> Response:
    data = await _in_turn(request, lambda: make(_result(_job(request, name))))
    if data is None:
        raise HTTPException(404, "Nothing was explained in this job: submit it with `explain`.")
    return _attachment(data, kind, request.url.path.rpartition("/")[2])


def _attachment(data: bytes, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, max-age=60"}
    return Response(data, media_type=kind, headers=headers)


def problem(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as `Problem`."""
    return JSONResponse({"detail": sentence}, status, headers)

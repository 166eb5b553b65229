"""From a request to a job: everything that can be wrong is said before anything is queued."""

from __future__ import annotations

from ...backends.devices import resolve
from ...backends.registry import info, status
from ...backends.settings import checked
from ...imaging.errors import MissingError
from ...imaging.monitor import Monitor
from ...imaging.reading import Limits
from ..operation import fill_and_explain
from .jobs import Job, Jobs
from .results import Result
from .schema import JobRequest
from .uploads import Upload


def submit(jobs: Jobs, upload: Upload, request: JobRequest, limits: Limits) -> Job[Result]:
    """Queue the one operation on what was sent.

    Raises:
        QueueFull: as many jobs wait as may wait; told before anything is decoded.
        InputError: the files or options cannot be used.
        MissingError: the backend or the device is not ready here.
    """
    backend = info(request.fill.backend)
    how = request.fill.options()
    why = request.explain.options(backend) if request.explain else None
    checked(backend, how.settings)
    device = resolve(how.device, backend)
    state = status(backend)
    if not state.ready:
        raise MissingError(f"{backend.name} {state.reason}")
    jobs.check_room(device)
    source = upload.source(limits, whole=backend.task == "restore")

    def work(monitor: Monitor) -> Result:
        return Result.of(fill_and_explain(source, how, why, monitor), upload.picture, limits)

    return jobs.submit(
        "explain" if why else "fill",
        work,
        device=device,
        label=backend.name,
        save=Result.save,
        ends_with_listeners=request.if_client_leaves == "cancel",
    )

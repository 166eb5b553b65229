"""What all tabs share, and the one way in which a tab runs a job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..imaging.errors import LensError
from ..imaging.monitor import Monitor
from ..imaging.reading import Limits
from ..plugin.service.jobs import Job, Jobs
from .doing import submit
from .example_cache import ExampleCache
from .progress import follow, trouble
from .visits import Visit, Visits

T = TypeVar("T")
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Events of the page alone, whose progress the page shows itself."""
QUICK: dict[str, Any] = QUIET | {"queue": False}
"""Events that wait for nothing."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """The queue, the limits of uploads, the memory of visits, and results for examples."""

    jobs: Jobs
    limits: Limits
    visits: Visits = field(default_factory=Visits)
    examples: ExampleCache = field(default_factory=ExampleCache)

    def start(self, visit: Visit, tab: str, kind: str, work: Callable[[Monitor], T], device: str, label: str) -> Job[T]:
        """Queue work for a tab of a visit; what the tab ran before is stopped. Raises `QueueFull`."""
        visit.stop(tab)
        job = submit(self.jobs, kind, work, device, label)
        visit.jobs[tab] = job
        self.visits.used(visit)
        return job


async def lines(job: Job[Any], what: str, place: Any) -> AsyncIterator[dict[Any, Any]]:
    """Progress of a job as updates of one place of the page."""
    async for line in follow(job, what):
        yield {place: line}


def taken(job: Job[T]) -> T:
    """The result of a job, which then leaves the queue's memory; raises what the job raised."""
    result = job.result
    job.drop()
    return result


async def aside(function: Callable[..., T], *given: Any) -> T:
    """Run something slow beside the event loop."""
    return await asyncio.to_thread(function, *given)


def sentence(error: Exception) -> str:
    """What went wrong, for the page; what nobody foresaw is logged."""
    if not isinstance(error, LensError | MemoryError):
        log.error("The page could not do what was asked.", exc_info=error)
    return trouble(error)

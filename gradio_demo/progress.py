"""How far a job is, as a line of the page."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncGenerator
from typing import Any

from ..imaging.errors import Cancelled, LensError
from ..plugin.service.jobs import Job
from ..plugin.service.wording import told

PATIENCE_S = 5.0
PAUSE_S = 0.07
"""Between two lines, so that quick work does not flood the connection."""


async def follow(job: Job[Any], what: str) -> AsyncGenerator[str, None]:
    """Lines for the page until the job has ended; the job stops when whoever reads them has left.

    Raises `Cancelled` as soon as the job was asked to stop, though its device may finish a step yet.

    Args:
        job: what is followed.
        what: a few words for people, such as "Filling".
    """
    with job.listening():
        seen = -1
        while True:
            snapshot = await job.achanges(PATIENCE_S, since=seen)
            if snapshot["expires_in_s"] is not None:
                return
            if job.token.cancelled:
                raise Cancelled(job.error)
            seen = snapshot["version"]
            yield line(what, snapshot)
            await asyncio.sleep(PAUSE_S)


def line(what: str, snapshot: dict[str, Any]) -> str:
    """One state of a job."""
    if snapshot["state"] == "queued":
        before = snapshot["position"]
        return _bar(f"{what}: waiting, {before} before you" if before else f"{what}: waiting", None, "")
    percent = round(100 * snapshot["share"])
    return _bar(f"{what}: {snapshot['stage']}", snapshot["share"], f"{percent} %")


def _bar(words: str, share: float | None, percent: str) -> str:
    value = "" if share is None else f' value="{share:.3f}"'
    return (
        f'<div class="progress"><span role="status" aria-live="polite">{html.escape(words)}</span>'
        f'<progress max="1"{value} aria-label="Progress"></progress><b>{percent}</b></div>'
    )


def starting(what: str) -> str:
    """Before there is a job."""
    return _bar(f"{what}: getting ready", None, "")


def note(sentence: str) -> str:
    """Something good to know."""
    return f'<p class="note" role="status">{html.escape(sentence)}</p>'


def trouble(error: BaseException) -> str:
    """What went wrong, in one sentence without paths; stopping is no trouble."""
    if isinstance(error, Cancelled):
        return note("Stopped. Your picture and your paint are as they were.")
    return f'<p class="trouble" role="alert">{html.escape(str(told(error)))}</p>'


EXPECTED = (LensError, MemoryError)
"""What is told to the visitor; anything else is logged as well."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from inpaint_lens.gradio_demo.progress import follow, line, note, trouble
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.plugin.service.jobs import Jobs


@pytest.fixture
def jobs():
    jobs = Jobs(queue=4, leave_s=0.05)
    yield jobs
    jobs.close()


def run(coroutine: Any) -> Any:
    """In a thread of its own: a browser's driver may keep a loop running in this one."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(coroutine)))
    thread.start()
    thread.join(20)
    return found[0]


async def all_lines(job: Any) -> list[str]:
    return [text async for text in follow(job, "Filling")]


def test_stages_and_shares_are_shown_until_the_job_is_done(jobs):
    go = threading.Event()

    def work(monitor):
        monitor.report("loading the model", 0.25)
        go.wait(5)

    async def watch():
        shown = []
        async for text in follow(job, "Filling"):
            shown.append(text)
            go.set() if "loading" in text else None
        return shown

    job = jobs.submit("fill", work)
    shown = run(watch())
    assert any("Filling: loading the model" in text and "25 %" in text and 'value="0.250"' in text for text in shown)


def test_the_place_in_the_queue_is_shown(jobs):
    go = threading.Event()
    jobs.submit("fill", lambda monitor: go.wait(5))
    jobs.submit("fill", lambda monitor: None)
    third = jobs.submit("fill", lambda monitor: None)
    assert "2 before you" in line("Filling", third.snapshot())
    go.set()


def test_a_stopped_job_is_told_at_once_though_it_still_finishes_a_step(jobs):
    go, begun = threading.Event(), threading.Event()

    def work(monitor):
        begun.set()
        go.wait(5)

    job = jobs.submit("fill", work)
    assert begun.wait(5)
    job.cancel()
    with pytest.raises(Cancelled):
        raise run(caught(job))
    go.set()


async def caught(job: Any) -> BaseException:
    try:
        await all_lines(job)
    except Cancelled as error:
        return error
    return AssertionError("it was not told")


def test_a_job_whose_reader_leaves_is_stopped(jobs):
    begun = threading.Event()

    def work(monitor):
        begun.set()
        while True:
            monitor.report("filling", 0.5)
            threading.Event().wait(0.01)

    async def leave():
        lines = follow(job, "Filling")
        await anext(lines)
        await lines.aclose()

    job = jobs.submit("fill", work, ends_with_listeners=True)
    assert begun.wait(5)
    run(leave())
    assert job.wait(2)
    assert job.state == "cancelled"


def test_what_goes_wrong_is_one_sentence_without_paths_or_markup():
    shown = trouble(InputError("'/home/anna/<b>.png' is no picture; pass a PNG."))
    assert "/home/anna" not in shown
    assert "<b>.png" not in shown
    assert "is no picture" in shown
    assert 'role="alert"' in shown
    assert "KeyError" not in trouble(KeyError("secret"))


def test_stopping_is_no_trouble():
    assert "alert" not in trouble(Cancelled("Stopped as asked."))
    assert note("a & b") == '<p class="note" role="status">a &amp; b</p>'

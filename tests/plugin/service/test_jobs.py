import asyncio
import gc
import threading
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import Cancelled, InputError, LensError
from inpaint_lens.plugin.service import job as job_module
from inpaint_lens.plugin.service.jobs import INTERRUPTED, Job, Jobs, QueueFull

LIMIT_S = 20.0


def test_jobs_on_one_device_run_in_order_one_after_another(make_jobs):
    jobs, running, order = make_jobs(), [], []

    def work(index: int) -> Callable[[object], None]:
        def function(_monitor: object) -> None:
            running.append(index)
            assert len(running) == 1
            order.append(index)
            running.remove(index)

        return function

    made = [jobs.submit("fill", work(index)) for index in range(8)]
    assert all(job.wait(LIMIT_S) and job.state == "done" for job in made)
    assert order == list(range(8))


def test_jobs_on_two_devices_run_side_by_side(make_jobs):
    jobs, meeting = make_jobs(), threading.Barrier(2)
    made = [jobs.submit("fill", lambda _: meeting.wait(LIMIT_S), device=device) for device in ("cpu", "cuda")]
    assert all(job.wait(LIMIT_S) and job.state == "done" for job in made)


def test_a_full_queue_refuses_at_once_and_takes_jobs_again_when_there_is_room(make_jobs, gate):
    jobs = make_jobs(queue=2)
    waiting = [jobs.submit("fill", gate) for _ in range(3)][1:]
    assert [job.position for job in waiting] == [1, 2]
    with pytest.raises(QueueFull, match="2 jobs wait"):
        jobs.submit("fill", gate)
    waiting[0].cancel()
    assert jobs.submit("fill", gate).position == 2


def test_a_queue_of_no_places_still_works(make_jobs, gate, until):
    jobs = make_jobs(queue=0)
    first = jobs.submit("fill", lambda _: 1)
    assert first.wait(LIMIT_S) and until(lambda: not jobs.counts()["running"])
    assert jobs.submit("fill", gate).state == "running"
    with pytest.raises(QueueFull):
        jobs.submit("fill", gate)


def test_a_job_that_waits_leaves_at_once_when_cancelled(make_jobs, gate):
    jobs = make_jobs()
    first, second, third = (jobs.submit("fill", gate) for _ in range(3))
    second.cancel()
    assert (second.state, third.position, first.state) == ("cancelled", 1, "running")
    with pytest.raises(Cancelled):
        _ = second.result


def test_a_job_that_runs_stops_at_its_next_check_and_the_next_one_starts(make_jobs, gate):
    jobs = make_jobs()
    first, second = jobs.submit("fill", gate), jobs.submit("fill", lambda _: 2)
    assert gate.started.wait(LIMIT_S)
    first.cancel()
    assert first.wait(LIMIT_S) and first.state == "cancelled" and gate.stopped.is_set()
    assert second.wait(LIMIT_S) and second.result == 2


def test_work_that_ends_in_spite_of_being_cancelled_counts_as_cancelled(make_jobs):
    jobs, started, go = make_jobs(), threading.Event(), threading.Event()

    def deaf(_monitor: object) -> str:
        started.set()
        go.wait(LIMIT_S)
        return "too late"

    job = jobs.submit("fill", deaf)
    assert started.wait(LIMIT_S)
    job.cancel()
    assert job.snapshot()["stage"] == "stopping"
    go.set()
    assert job.wait(LIMIT_S) and job.state == "cancelled"


def test_an_error_of_ours_keeps_its_kind_and_loses_its_paths(make_jobs):
    def work(_monitor: object) -> None:
        raise InputError("'/home/someone/photo.png' is empty: give a smaller --context.")

    job = make_jobs().submit("fill", work)
    assert job.wait(LIMIT_S) and job.state == "failed"
    assert job.error == "'photo.png' is empty: give a smaller context."
    with pytest.raises(InputError, match="is empty"):
        _ = job.result


@pytest.mark.parametrize("error", [ZeroDivisionError("in /srv/code.py"), MemoryError(), SystemExit(3)])
def test_an_unexpected_error_tells_nothing_of_the_machine_and_the_queue_goes_on(make_jobs, error, caplog):
    def work(_monitor: object) -> None:
        raise error

    jobs = make_jobs()
    job, after = jobs.submit("fill", work), jobs.submit("fill", lambda _: "fine")
    assert job.wait(LIMIT_S) and job.state == "failed"
    assert "/" not in job.error and "Error" not in job.error and job.error.endswith(".")
    assert "failed unexpectedly" in caplog.text
    assert after.wait(LIMIT_S) and after.result == "fine"


def test_waiting_has_a_limit_and_a_result_comes_only_at_the_end(make_jobs, gate):
    job = make_jobs().submit("fill", gate)
    assert not job.wait(0.01)
    with pytest.raises(LensError, match="not done"):
        _ = job.result
    gate.open.set()
    assert job.wait(LIMIT_S) and job.result == "through"


def test_progress_wakes_those_who_wait_for_changes(make_jobs):
    step = threading.Event()

    def work(monitor) -> None:
        step.wait(LIMIT_S)
        monitor.report("half way", 0.5)
        step.clear()
        step.wait(LIMIT_S)

    job = make_jobs().submit("fill", work)
    seen = job.snapshot()["version"]
    step.set()
    told = job.changes(LIMIT_S, since=seen)
    assert (told["stage"], told["share"]) == ("half way", 0.5)
    step.set()
    assert job.wait(LIMIT_S) and job.changes(LIMIT_S)["state"] == "done"


def test_no_change_is_lost_between_two_calls(make_jobs):
    job = make_jobs().submit("fill", lambda monitor: monitor.report("working", 0.5))
    assert job.wait(LIMIT_S)
    assert job.changes(None, since=0)["version"] > 1


def test_an_event_loop_can_watch_many_jobs_without_a_thread_for_each(make_jobs, gate):
    jobs = make_jobs(queue=50)
    made = [jobs.submit("fill", gate) for _ in range(50)]

    async def end_of(job: Job) -> str:
        while not job.ended:
            await job.achanges(LIMIT_S)
        return job.state

    async def watch() -> list[str]:
        tasks = [asyncio.create_task(end_of(job)) for job in made]
        await asyncio.sleep(0)
        threads = threading.active_count()
        gate.open.set()
        states = await asyncio.wait_for(asyncio.gather(*tasks), LIMIT_S)
        assert threading.active_count() <= threads
        return states

    assert asyncio.run(watch()) == ["done"] * 50


def test_finished_jobs_expire(make_jobs, until):
    jobs = make_jobs(expire_s=0.05)
    job = jobs.submit("fill", lambda _: "result")
    assert job.wait(LIMIT_S)
    assert until(lambda: jobs.get(job.id) is None)
    assert not job.held


def test_results_are_not_let_go_from_under_those_who_wait_for_them(make_jobs):
    jobs = make_jobs(kept=2, queue=40)
    made = [jobs.submit("fill", lambda _, index=index: index) for index in range(20)]
    assert all(job.wait(LIMIT_S) for job in made)
    held = [job.held for job in made]
    assert held == [False] * 12 + [True] * 8  # four times as many as are kept


def test_a_result_stays_while_someone_listens(make_jobs, monkeypatch):
    monkeypatch.setattr(job_module, "TAKE_S", 0.0)
    jobs = make_jobs(kept=1)
    first = jobs.submit("fill", lambda _: "mine")
    with first.listening():
        for _ in range(3):
            assert jobs.submit("fill", lambda _: "other").wait(LIMIT_S)
        assert first.result == "mine"
    assert jobs.submit("fill", lambda _: "last").wait(LIMIT_S)
    assert not first.held


def test_only_the_newest_results_stay_in_memory(make_jobs, until, monkeypatch):
    monkeypatch.setattr(job_module, "TAKE_S", 0.0)
    jobs = make_jobs(kept=2, finished=3)
    made = [jobs.submit("fill", lambda _, index=index: index) for index in range(4)]
    assert all(job.wait(LIMIT_S) for job in made)
    assert until(lambda: jobs.get(made[0].id) is None)
    assert [job.held for job in made] == [False, False, True, True]
    with pytest.raises(LensError, match="no longer"):
        _ = made[1].result


def test_work_and_what_it_holds_are_let_go_at_the_end(make_jobs, until):
    class Picture:
        pass

    def submit(jobs: Jobs) -> tuple[Job, weakref.ref]:
        picture = Picture()
        return jobs.submit("fill", lambda _: picture is None), weakref.ref(picture)

    job, picture = submit(make_jobs())
    assert job.wait(LIMIT_S)
    assert until(lambda: gc.collect() and picture() is None)


def test_a_job_whose_last_listener_left_is_stopped(make_jobs, gate):
    job = make_jobs(leave_s=0.0).submit("fill", gate, ends_with_listeners=True)
    with job.listening(), job.listening():
        pass
    assert job.wait(LIMIT_S) and job.state == "cancelled" and "left" in job.error


def test_a_listener_who_comes_back_in_time_keeps_the_job(make_jobs, gate):
    jobs = make_jobs(leave_s=0.5)
    job, other = (jobs.submit("fill", gate, ends_with_listeners=True) for _ in range(2))
    with job.listening(), other.listening():
        pass
    with job.listening():
        assert other.wait(LIMIT_S) and other.state == "cancelled"
        gate.open.set()
        assert job.wait(LIMIT_S) and job.state == "done"


@pytest.mark.parametrize("listened", [True, False])
def test_a_job_that_keeps_on_or_was_never_listened_to_is_not_stopped(make_jobs, gate, listened):
    jobs = make_jobs(leave_s=0.0)
    job = jobs.submit("fill", gate, ends_with_listeners=not listened)
    judge = jobs.submit("judge", gate, device="other", ends_with_listeners=True)
    if listened:
        with job.listening():
            pass
    with judge.listening():
        pass
    assert judge.wait(LIMIT_S)
    gate.open.set()
    assert job.wait(LIMIT_S) and job.state == "done"


def test_a_job_that_takes_too_long_is_stopped(make_jobs, gate):
    job = make_jobs(longest_s=0.02).submit("fill", gate)
    assert job.wait(LIMIT_S) and job.state == "cancelled" and "longer" in job.error


def test_memory_is_given_back_once_when_nobody_works(make_jobs, gate):
    idle = threading.Semaphore(0)
    jobs = make_jobs(idle_unload_s=0.02, on_idle=idle.release)
    job = jobs.submit("fill", gate)
    assert not idle.acquire(timeout=0.1)
    gate.open.set()
    assert job.wait(LIMIT_S) and idle.acquire(timeout=LIMIT_S)
    assert not idle.acquire(timeout=0.1)


def test_closing_interrupts_what_runs_and_what_waits(make_jobs, gate):
    jobs = make_jobs()
    made = [jobs.submit("fill", gate) for _ in range(2)]
    jobs.close()
    assert [(job.state, job.error) for job in made] == [("failed", INTERRUPTED)] * 2
    with pytest.raises(QueueFull, match="stopping"):
        jobs.submit("fill", gate)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["cpu", "cuda"]), st.sampled_from(["done", "failed", "cancelled"]))))
def test_every_job_ends_as_it_should_whatever_the_others_do(plan):
    jobs, go = Jobs(queue=len(plan)), threading.Event()

    def work(fate: str) -> Callable:
        def function(monitor) -> str:
            go.wait(LIMIT_S)
            if fate == "failed":
                raise InputError("It cannot be done.")
            return fate

        return function

    try:
        made = [(fate, jobs.submit("fill", work(fate), device=device)) for device, fate in plan]
        for fate, job in made:
            if fate == "cancelled":
                job.cancel()
        go.set()
        assert all(job.wait(LIMIT_S) and job.state == fate and job.position == 0 for fate, job in made)
        assert jobs.counts()["waiting"] == 0
    finally:
        jobs.close()

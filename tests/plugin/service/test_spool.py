import json
import os
import stat
import threading
from pathlib import Path

import pytest
from inpaint_lens.imaging.errors import InputError, LensError
from inpaint_lens.plugin.service.jobs import INTERRUPTED
from inpaint_lens.plugin.service.spool import Record, Spool

LIMIT_S = 20.0


def write(value: str, folder: Path) -> None:
    (folder / "value").write_text(value)


def test_a_finished_job_is_known_after_a_restart(make_jobs, spool):
    before = make_jobs(spool=spool)
    job = before.submit("fill", lambda _: "blue", save=write, label="telea")
    assert job.wait(LIMIT_S)
    before.close()
    again = make_jobs(spool=spool).get(job.id)
    assert again is not None and (again.state, again.label, again.kind) == ("done", "telea", "fill")
    assert again.folder is not None and (again.folder / "value").read_text() == "blue"
    assert abs(again.snapshot()["expires_in_s"] - job.snapshot()["expires_in_s"]) < 1
    with pytest.raises(LensError, match="no longer"):
        _ = again.result


@pytest.mark.parametrize("gently", [True, False])
def test_jobs_that_had_not_ended_are_reported_as_interrupted(make_jobs, spool, gate, gently):
    before = make_jobs(spool=spool)
    made = [before.submit("fill", gate, save=write) for _ in range(2)]
    if gently:
        before.close()
    else:  # as after a crash: the records say what they said, and the lock went with the process
        before.spool._lock.release()
    after = make_jobs(spool=spool)
    for job in made:
        again = after.get(job.id)
        assert again is not None and (again.state, again.error) == ("failed", INTERRUPTED)
        with pytest.raises(LensError, match="submit it again"):
            _ = again.result
    gate.open.set()


def test_failures_and_cancellations_stay_what_they_were(make_jobs, spool, gate):
    def wrong(_monitor: object) -> str:
        raise InputError("The mask is empty.")

    before = make_jobs(spool=spool)
    failed, waiting = before.submit("fill", wrong, save=write), before.submit("fill", gate, save=write)
    waiting.cancel()
    assert failed.wait(LIMIT_S) and waiting.wait(LIMIT_S)
    before.close()
    after = make_jobs(spool=spool)
    states = [(found.state, found.error) for job in (failed, waiting) if (found := after.get(job.id))]
    assert states == [("failed", "The mask is empty."), ("cancelled", "Stopped as asked.")]


def test_what_expired_while_the_service_was_down_is_deleted(make_jobs, spool):
    before = make_jobs(spool=spool)
    job = before.submit("fill", lambda _: "blue", save=write)
    assert job.wait(LIMIT_S)
    before.close()
    assert job.folder is not None
    record = json.loads((job.folder / "job.json").read_text())
    (job.folder / "job.json").write_text(json.dumps(record | {"finished_at": record["finished_at"] - 1000}))
    assert make_jobs(spool=spool).get(job.id) is None
    assert not job.folder.exists()


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"id": "other", "kind": "", "label": "", "device": "", "state": ""}']
)
def test_a_folder_without_a_usable_record_is_removed(spool, record):
    made = Spool(spool)
    (made.folder("abc") / "job.json").write_text(record)
    assert list(made.records()) == []
    assert not (spool / "abc").exists()
    made.close()


def test_everything_is_for_the_owner_only(spool):
    spool.mkdir(mode=0o755)
    made = Spool(spool)
    made.write(Record("abc", "fill", "", "cpu", "queued"))
    assert stat.S_IMODE(spool.stat().st_mode) == stat.S_IMODE((spool / "abc").stat().st_mode) == 0o700
    made.close()


def test_a_link_is_no_folder_for_results(spool, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    spool.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="link or a file"):
        Spool(spool)


def test_two_services_do_not_share_a_folder(spool):
    first = Spool(spool)
    with pytest.raises(InputError, match="Another service"):
        Spool(spool)
    first.close()
    Spool(spool).close()


def test_without_a_folder_nothing_stays_behind():
    made = Spool()
    place = made.folder("abc")
    assert place.exists() and not made.lasting
    made.close()
    assert not place.exists()


def test_a_result_that_cannot_be_written_stays_in_memory(make_jobs, spool, caplog, until):
    def full(value: str, folder: Path) -> None:
        raise OSError(28, os.strerror(28))

    job = make_jobs(spool=spool).submit("fill", lambda _: "blue", save=full)
    assert job.wait(LIMIT_S) and job.result == "blue"
    assert until(lambda: "memory only" in caplog.text) and job.folder is None


def test_the_oldest_results_go_when_the_disk_is_full_of_them(make_jobs, spool, until):
    jobs = make_jobs(spool=spool, max_bytes=3000)
    made = [jobs.submit("fill", lambda _: "x" * 1000, save=write) for _ in range(4)]
    assert all(job.wait(LIMIT_S) for job in made)
    assert until(lambda: jobs.get(made[1].id) is None)
    assert jobs.get(made[0].id) is None and jobs.get(made[3].id) is not None
    assert not (spool / made[0].id).exists()


def test_a_job_that_is_deleted_while_its_result_is_written_leaves_nothing(make_jobs, spool, until):
    begun, go = threading.Event(), threading.Event()

    def slow(value: str, folder: Path) -> None:
        begun.set()
        go.wait(LIMIT_S)
        folder.mkdir(exist_ok=True)
        write(value, folder)

    jobs = make_jobs(spool=spool)
    job = jobs.submit("fill", lambda _: "blue", save=slow)
    assert begun.wait(LIMIT_S)
    jobs.forget(job)
    go.set()
    assert until(lambda: not (spool / job.id).exists())
    jobs.close()
    assert not (spool / job.id).exists()

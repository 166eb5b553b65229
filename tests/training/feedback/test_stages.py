import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from filelock import FileLock
from inpaint_lens.backends.restoration import load_network
from inpaint_lens.imaging.errors import InputError, WeightsError
from inpaint_lens.training.feedback.configuration import FirstModel, StageSettings
from inpaint_lens.training.feedback.session import Session, create, worker_command
from inpaint_lens.training.feedback.worker import work
from safetensors.torch import load_file

from .conftest import SMALL, changed

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
LIMIT_SECONDS = 90


def train(session: Session, *stages: str) -> None:
    for stage in stages:
        session.prepare(stage)
        work(session.folder, stage)


def wait_for(condition, seconds=LIMIT_SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def launched(monkeypatch):
    """The environment of processes that a session starts; none is left behind."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_all_stages_run_one_after_the_other_and_leave_models_predictions_and_curves(task):
    train(task, "first", "third", "second")
    assert {path.name for path in (task.folder / "models").iterdir()} == {
        "first.safetensors",
        "second.safetensors",
        "third.safetensors",
    }
    for stage in ("first", "third", "second"):
        assert task.status(stage).state == "done" and task.status(stage).step == 4
        assert [point["step"] for point in task.curve(stage)] == [1, 2, 3, 4]
    pair = task.library.pairs()[0]
    assert set(task.compare(pair.id)) == {"first", "second"}
    assert {"mae", "psnr", "sharpness", "detail"} <= set(task.compare(pair.id)["second"].numbers)


def test_what_a_stage_freezes_stays_the_same_to_the_bit(task):
    train(task, "first")
    first = (task.folder / "models" / "first.safetensors").read_bytes()
    train(task, "third")
    assert (task.folder / "models" / "first.safetensors").read_bytes() == first
    frozen = {}
    from inpaint_lens.training.recipes import restoration_by_words as recipe

    kept = recipe.make_second

    def remembered(settings):
        frozen["model"] = kept(settings)
        return frozen["model"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "make_second", remembered)
        train(task, "second")
    trained = load_file(task.folder / "models" / "third.safetensors")
    after = frozen["model"].state_dict()
    assert trained.keys() == after.keys() and all(torch.equal(trained[key], after[key]) for key in trained)
    moved = load_file(task.folder / "models" / "second.safetensors")
    assert any(not torch.equal(value, moved[key]) for key, value in load_file(task.model("first")).items())


def test_the_third_training_may_come_first(task):
    train(task, "third", "first", "second")
    assert task.status("second").state == "done"


def test_a_stage_that_starts_before_what_it_needs_is_refused(task):
    with pytest.raises(InputError, match="Training 2 needs the result of training 1"):
        task.start("second")
    train(task, "first")
    with pytest.raises(InputError, match="Training 2 needs the result of training 3"):
        task.start("second")


@pytest.mark.parametrize(("stage", "words"), [("first", "The task is empty"), ("third", "There are no third samples")])
def test_an_empty_task_is_not_trained(empty, stage, words):
    with pytest.raises(InputError, match=words):
        empty.start(stage)


def test_a_stage_that_there_is_not_is_refused(task):
    with pytest.raises(InputError, match="no stage 'fourth'"):
        task.start("fourth")


def test_two_processes_do_not_train_the_same_stage(task):
    task.prepare("first")
    with FileLock(task.folder / "stages" / "first" / "lock"):
        with pytest.raises(InputError, match="Training 1 is running already"):
            task.start("first")
        with pytest.raises(InputError, match="still running: end it before training 2"):
            task.start("second")
        assert task.busy("first") and not task.busy("third")


def test_the_loss_that_was_asked_for_ends_the_stage(task):
    session = changed(task, first=StageSettings(steps=500, batch=2, loss_below=10.0))
    train(session, "first")
    assert session.status("first").state == "done" and session.status("first").step < 10


def test_predictions_are_there_while_training_goes_on(task):
    train(task, "first")
    early = task.library.predictions("first", final=False)
    assert early and all(row.step == 2 for row in early) and len(early) <= 4


def test_a_worker_is_paused_goes_on_and_ends_when_the_person_says_so(task, launched):
    session = changed(task, first=StageSettings(steps=100_000, batch=2), preview_every=0)
    launched.append(session.start("first"))
    wait_for(lambda: session.status("first").step > 0)
    session.pause("first")
    wait_for(lambda: session.status("first").state == "paused")
    with pytest.raises(InputError, match="running already"):
        session.start("first")
    step = session.status("first").step
    time.sleep(0.5)
    assert session.status("first").step == step
    session.go_on("first")
    wait_for(lambda: session.status("first").step > step)
    session.end("first")
    wait_for(lambda: session.status("first").state == "done")
    assert session.model("first").is_file() and session.library.predictions("first")


def test_a_killed_worker_is_noticed_and_loses_at_most_one_interval(task, launched):
    session = changed(task, first=StageSettings(steps=300, batch=2), preview_every=0, checkpoint_every=5)
    launched.append(session.start("first"))
    wait_for(lambda: session.status("first").step > 12)
    os.killpg(launched[0], signal.SIGKILL)
    wait_for(lambda: not session.busy("first"))
    at = session.status("first")
    assert at.state == "interrupted" and "start it again" in at.message
    checkpoints = sorted((session.folder / "stages" / "first" / "run" / "checkpoints").glob("step-*"))
    # The board may be half a second behind, never ahead.
    assert int(checkpoints[-1].name.removeprefix("step-")) > at.step - 5
    session.prepare("first")
    session.stop("first")
    work(session.folder, "first")
    assert session.status("first").state == "stopped" and session.status("first").step > at.step - 5


@pytest.mark.parametrize("stage", ["first", "third"])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path, pictures, stage):
    results = []
    for name, stopped in (("straight", False), ("stopped", True)):
        session = create(tmp_path / name, replace(SMALL, preview_every=0, **{stage: StageSettings(steps=6, batch=4)}))
        session.make_pairs(pictures, ["blur"])
        if stopped:
            session.prepare(stage)
            session.stop(stage)
            work(session.folder, stage)
            assert session.status(stage).state == "stopped" and session.status(stage).step < 6
        train(session, stage)
        results.append(load_file(session.model(stage)))
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


def test_two_tasks_do_not_write_to_one_anothers_files(tmp_path, pictures):
    one, two = (create(tmp_path / name, SMALL) for name in ("one", "two"))
    for session in (one, two):
        session.make_pairs(pictures, ["blur"])

    def files(session):
        return {path: path.read_bytes() for path in session.folder.rglob("*") if path.suffix in (".png", ".json")}

    before = files(two)
    train(one, "first", "third")
    assert files(two) == before and two.status("first").state == "waiting" and two.curve("first") == []


@pytest.mark.parametrize("stage", ["first", "third"])
def test_two_processes_give_the_same_result_as_one(tmp_path, pictures, stage):
    results = []
    for name, processes in (("one", 1), ("two", 2)):
        session = create(tmp_path / name, replace(SMALL, preview_every=0))
        session.make_pairs(pictures, ["blur"])
        session.prepare(stage)
        command = worker_command(session.folder, stage, processes)
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        assert done.returncode == 0, done.stderr[-2000:]
        results.append(load_file(session.model(stage)))
    for key, value in results[0].items():
        torch.testing.assert_close(results[1][key], value, rtol=1e-4, atol=1e-5)


def test_a_diffusion_model_goes_through_all_stages(tmp_path, pictures):
    pytest.importorskip("diffusers")
    session = create(
        tmp_path / "task", replace(SMALL, preview_every=0, first_model=FirstModel("ddpm", channels=(8, 16)))
    )
    session.make_pairs(pictures, ["blur"])
    train(session, "first", "third", "second")
    network = load_network(session.export(tmp_path / "mine.safetensors"))
    assert type(network).__name__ == "RestoringDiffusion"


def test_export_without_a_trained_model_is_refused(task, tmp_path):
    with pytest.raises(InputError, match="no trained model yet"):
        task.export(tmp_path / "mine.safetensors")


def test_a_damaged_model_is_told_and_the_stage_fails(task):
    train(task, "first", "third")
    task.model("third").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="cannot be read"):
        train(task, "second")
    assert task.status("second").state == "failed" and "cannot be read" in task.status("second").message


def test_settings_are_not_changed_under_a_running_stage(task):
    (task.folder / "stages" / "first").mkdir(parents=True)
    with FileLock(task.folder / "stages" / "first" / "lock"), pytest.raises(InputError, match="stop it before"):
        changed(task, loss="mse")


def test_the_command_line_does_without_a_browser(tmp_path, pictures):
    def feedback(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "inpaint_lens", "feedback", *words]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT_SECONDS)

    task = str(tmp_path / "task")
    sizes = ["side=24", "first.steps=3", "first.batch=2", "first_model.width=4", "device=cpu", "loss=mse"]
    made = feedback("create", task, *(word for size in sizes for word in ("--set", size)))
    assert made.returncode == 0, made.stderr
    assert feedback("make", task, str(pictures), "--kinds", "blur").returncode == 0
    labelled = feedback("label", task, "1", "the hair is not clear", "--class", "1")
    assert "the hair is clear: class 0 (opposite)" in labelled.stdout
    trained = feedback("train", task, "first")
    assert trained.returncode == 0 and "first: done, step 3 of 3" in trained.stdout
    assert "8 pairs" in feedback("status", task).stdout
    assert feedback("export", task, "-o", str(tmp_path / "mine.safetensors")).returncode == 0
    early = feedback("train", task, "second")
    assert early.returncode == 2 and "needs the result of training 3" in early.stderr
    assert json.loads(json.dumps(Session(tmp_path / "task").curve("first")))[0]["loss"] > 0

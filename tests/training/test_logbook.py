import csv
import errno
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from inpaint_lens.imaging.errors import LensError
from inpaint_lens.training import logbook
from inpaint_lens.training.logbook import Logbook, Table
from inpaint_lens.training.watch import Meter, duration
from torch import tensor


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_rows_of_steps_that_come_again_are_dropped(tmp_path):
    file = tmp_path / "log.csv"
    table = Table(file)
    for step in (1, 2, 3):
        table.add(step, {"loss": step / 10})
    Table(file, step=2).add(3, {"loss": 7})
    assert [(row["step"], row["loss"]) for row in read(file)] == [("1", "0.1"), ("2", "0.2"), ("3", "7")]


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    file = tmp_path / "log.csv"
    Table(file).add(1, {"loss": 0.5, "rate": 1})
    with file.open("a") as stream:
        stream.write("2,0.")
    Table(file, step=5)
    assert [row["step"] for row in read(file)] == ["1"]


def test_a_number_that_comes_later_gets_a_column(tmp_path):
    file = tmp_path / "log.csv"
    table = Table(file)
    table.add(1, {"loss": 0.5})
    table.add(2, {"loss": 0.25, "r1": 3})
    table.add(3, {"loss": 0.125})
    assert [(row["loss"], row["r1"]) for row in read(file)] == [("0.5", ""), ("0.25", "3"), ("0.125", "")]


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    table = Table(tmp_path / "log.csv")
    table.add(1, {"loss": 0.5})

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(LensError, match="No space left"):
        table.add(2, {"loss": 0.5})


def test_events_of_tensorboard_are_written_where_it_is_installed(tmp_path, monkeypatch):
    events = []
    writer = SimpleNamespace(add_scalar=lambda *event: events.append(event), close=lambda: events.append("closed"))
    monkeypatch.setattr(logbook.importlib.util, "find_spec", lambda name: name == "tensorboard")
    fake = SimpleNamespace(SummaryWriter=lambda folder, purge_step: events.append((folder, purge_step)) or writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    book = Logbook(tmp_path, 4)
    book.add("log", 5, {"loss": 0.5})
    book.close()
    assert events == [(str(tmp_path / "tensorboard"), 4), ("log/loss", 0.5, 5), "closed"]


def test_a_process_that_does_not_write_keeps_the_numbers_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    book = Logbook(None, 0)
    book.add("validation", 1, {"psnr": 3.0})
    assert book.latest["validation"] == {"psnr": 3.0}
    assert not list(tmp_path.iterdir())


def test_means_are_over_the_steps_that_had_a_loss():
    meter = Meter(steps=10, batch=2)
    meter.add({"a": tensor(1.0), "b": tensor(5.0)})
    meter.add({"a": tensor(3.0)})
    assert meter.read() == {"a": 2.0, "b": 5.0}
    assert meter.read() == {}


def test_the_time_left_is_the_steps_left_at_the_rate(monkeypatch):
    clock = iter([0.0, 2.0, 4.0, 6.0])
    monkeypatch.setattr("inpaint_lens.training.watch.time.monotonic", lambda: next(clock))
    meter = Meter(steps=10, batch=4)
    for _ in range(3):
        meter.add({})
    now = meter.progress(3)
    assert (now.pictures_per_second, now.seconds_left) == (2.0, 14.0)


@pytest.mark.parametrize(("seconds", "words"), [(40, "40 s"), (600, "10 min"), (3 * 3600 + 290, "3 h 5 min")])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words

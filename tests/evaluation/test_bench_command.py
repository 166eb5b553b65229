"""`inpaint-lens bench` from the command line to the files."""

import csv
import json

import numpy as np
import pytest
from inpaint_lens.cli import main
from PIL import Image


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No weights of the person who runs the tests."""
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache" / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def photos(tmp_path):
    y, x = np.mgrid[:60, :70]
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for index in range(4):
        waves = np.stack([120 + 60 * np.sin(x / (7 + index)) * np.cos(y / 9 + c) for c in range(3)], 2)
        Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "photos" / ("more" if index else ".") / f"{index}.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    return "photos"


def bench(*more, data="photos", backends="telea,navier-stokes", masks="centre", size="48"):
    return main(["bench", "--data", data, "--backends", backends, "--masks", masks, "--size", size, "-o", "out", *more])


def table(tmp_path):
    with (tmp_path / "out" / "results.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_benchmark_writes_a_table_a_record_and_two_reports(photos, tmp_path, capsys):
    assert bench(masks="centre,half") == 0
    rows = table(tmp_path)
    assert len(rows) == 4 * 2 * 2 and {row["hole_percent"] for row in rows if row["mask"] == "centre"} == {"25.0"}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["settings"]["size"] == 48 and record["versions"]["torch"] and record["finished"]
    assert record["backends"]["telea"]["device"] == "cpu" and list(record["skipped"]) == ["broken.jpg"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<img") == 2 * 4 * 4 and "## half" in (tmp_path / "out" / "report.md").read_text()
    mean = np.mean([float(row["psnr_hole"]) for row in rows if (row["mask"], row["backend"]) == ("half", "telea")])
    cell = next(one for one in record["summary"] if (one["mask"], one["backend"]) == ("half", "telea"))
    assert cell["means"]["psnr_hole"]["mean"] == pytest.approx(mean)
    assert "broken.jpg" in capsys.readouterr().out
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_second_run_needs_resume_and_adds_a_backend(photos, tmp_path, capsys):
    assert bench(backends="telea") == 0
    before = table(tmp_path)
    assert bench(backends="navier-stokes") == 2
    assert "--resume" in capsys.readouterr().err
    assert bench("--resume", backends="telea,navier-stokes") == 0
    assert table(tmp_path)[: len(before)] == before and len(table(tmp_path)) == 2 * len(before)


@pytest.mark.parametrize("more", [["--size", "40"], ["--seed", "1"]])
def test_rows_of_other_settings_are_not_mixed(photos, tmp_path, capsys, more):
    assert bench(backends="telea") == 0
    before = (tmp_path / "out" / "results.csv").read_bytes(), (tmp_path / "out" / "run.json").read_bytes()
    assert bench("--resume", *more) == 2
    assert "give the same" in capsys.readouterr().err
    assert before == ((tmp_path / "out" / "results.csv").read_bytes(), (tmp_path / "out" / "run.json").read_bytes())


def test_a_backend_without_weights_does_not_end_the_others(photos, tmp_path, capsys):
    assert bench(backends="lama-onnx,telea") == 1
    assert "failed: lama-onnx" in capsys.readouterr().out
    assert {row["backend"] for row in table(tmp_path)} == {"telea"}
    assert "What was left out" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backends": "teleaa"}, "did you mean 'telea'"),
        ({"backends": "telea,telea=x.safetensors"}, "takes no weights"),
        ({"backends": ","}, "--backends is empty"),
        ({"masks": "center"}, "did you mean 'centre'"),
        ({"masks": ","}, "--masks is empty"),
        ({"data": "nowhere"}, "no folder nowhere"),
        ({"size": "16"}, "--size is 16"),
        ({"size": "64"}, "None of the 5 pictures"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_written(photos, tmp_path, capsys, change, words):
    assert bench(**change) == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--limit", "0"], "--limit is 0"),
        (["--seed", "-1"], "--seed is -1"),
        (["--lpips", "none.safetensors"], "none.safetensors"),
        (["--inception", "none.pth"], "none.pth"),
    ],
)
def test_bad_options_are_told_before_anything_is_done(photos, tmp_path, capsys, more, words):
    assert bench(*more) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()

import argparse
import io
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from inpaint_lens.weights_registry import commands, find
from inpaint_lens.weights_registry.commands import add_arguments, run

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def download(settings):
    def call(*words: str, **over) -> int:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        return run(parser.parse_args(words), replace(settings, **over))

    return call


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_size_and_licence_are_said_before_the_path(offer, download, settings, data, capsys):
    offer("toy", data, licence="CC-BY-NC-4.0", commercial_use=False)
    assert download("toy") == 0
    out, err = capsys.readouterr()
    assert out == f"toy: {find('toy', settings=settings)}\n"
    assert "1.0 MB, licence CC-BY-NC-4.0 - NO COMMERCIAL USE" in err


def test_what_is_here_is_not_fetched_again(hub, offer, download, data, capsys):
    offer("toy", data)
    download("toy")
    hub.log.clear()
    assert download("toy", "toy") == 0
    assert hub.log == []
    assert "already here" in capsys.readouterr().err


def test_all_means_what_fills_holes_and_is_not_superseded(offer, download, data, settings, hub):
    offer("toy", data)
    items = commands._wanted(argparse.Namespace(all=True, names=[]), settings)
    names = {item.name for item in items}
    assert {"toy", "lama", "migan", "mat-places"} <= names
    assert not names & {"sd15-inpaint", "clip-vit-b32", "lama-onnx-dynamo", "gfpgan"}


def test_the_list_shows_what_is_here_and_on_what_terms(offer, download, data, capsys):
    offer("toy", data, licence="X-1", commercial_use=False)
    offer("other", data, sha256=None, size=None)
    download("toy")
    capsys.readouterr()
    assert download("--list") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["toy"][1:6] == ["1.0", "MB", "X-1", "no", "yes"]
    assert lines["other"][1:6] == ["size", "unknown", "MIT", "yes", "no"]


def by_hand(offer, data: bytes, **over) -> None:
    offer("manual", data, **({"source": "page", "format": "pytorch", "file": "G.pth"} | over))


def test_weights_that_only_people_can_fetch_are_told_with_licence_page_and_next_step(
    hub, offer, download, data, capsys
):
    by_hand(offer, data, licence="CC-BY-NC-4.0", commercial_use=False)
    assert download("manual") == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    for part in ("CC-BY-NC-4.0, no commercial use", "https://example.org/models", "--weights FILE", "manual.pth"):
        assert part in err
    assert hub.log == []


def test_nobody_is_asked_about_weights_that_only_people_can_fetch(offer, download, data, monkeypatch, capsys):
    by_hand(offer, data, commercial_use=False)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert download("manual") == 2
    assert "[y/N]" not in capsys.readouterr().err


def test_the_list_shows_what_is_got_by_hand_until_it_is_here(offer, download, data, tmp_path, capsys):
    by_hand(offer, data)
    download("--list")
    assert "yes         by hand" in capsys.readouterr().out
    (tmp_path / "manual.safetensors").write_bytes(data)
    download("--list", weights_dir=tmp_path)
    assert "by hand" not in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("manual"))
    assert download("manual", weights_dir=tmp_path) == 0
    assert "already here" in capsys.readouterr().err


def test_all_leaves_out_what_is_got_by_hand(offer, data, settings):
    by_hand(offer, data)
    items = commands._wanted(argparse.Namespace(all=True, names=[]), settings)
    assert "manual" not in {item.name for item in items}


@pytest.mark.parametrize(("words", "told"), [([], "--list"), (["tooy"], "did you mean toy")])
def test_a_mistake_is_told_in_one_sentence_with_exit_code_2(offer, download, data, capsys, words, told):
    offer("toy", data)
    assert download(*words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1


def test_one_that_fails_does_not_keep_the_others_from_being_fetched(hub, offer, download, data, settings, capsys):
    offer("bad", data)
    offer("good", data + b"!")
    del hub.repos["acme/bad"]
    assert download("bad", "good") == 2
    assert find("good", settings=settings)
    assert "knows no repository" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "fetched"), [("y\n", True), ("\n", False), ("no\n", False)])
def test_people_at_a_terminal_are_asked_about_non_commercial_weights(
    hub, offer, download, data, monkeypatch, answer, fetched
):
    offer("toy", data, commercial_use=False)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert download("toy") == 0
    assert bool(hub.log) == fetched


@pytest.mark.parametrize("terms", [{"size": 2_000_000_000}, {"gated": True}])
def test_people_are_asked_about_large_and_gated_weights(hub, offer, download, data, monkeypatch, terms):
    offer("toy", data, **terms)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    download("toy")
    assert hub.log == []


def test_small_free_weights_are_fetched_without_asking(hub, offer, download, data, monkeypatch):
    offer("toy", data)
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert download("toy") == 0
    assert hub.log


def test_yes_skips_the_question(hub, offer, download, data, monkeypatch):
    offer("toy", data, commercial_use=False)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert download("toy", "--yes") == 0
    assert hub.log


def test_a_terminal_sees_a_progress_bar(offer, download, data, monkeypatch):
    offer("toy", data)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert download("toy") == 0
    assert "toy" in screen.getvalue()
    assert "%|" in screen.getvalue()


def test_stopping_is_told_and_leaves_with_130(offer, download, data, monkeypatch, capsys):
    offer("toy", data)

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "fetch", stop)
    assert download("toy") == 130
    assert "Stopped" in capsys.readouterr().err


def test_the_module_runs_as_a_program_with_a_token_in_the_environment(hub, offer, settings, data, tmp_path):
    offer("toy", data)
    hub.gated = {"acme/toy"}
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
    environment |= {"INPAINT_LENS_CATALOG": str(settings.catalog), "INPAINT_LENS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "inpaint_lens.weights_registry"]
    done = subprocess.run([*command, "toy"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert str(tmp_path / "home" / "hub") in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    wrong = subprocess.run([*command, "nothing"], env=environment, capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_looking_at_the_catalog_needs_no_heavy_import():
    code = "import sys, inpaint_lens.weights_registry.commands as c; print({'torch', 'httpx2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()"

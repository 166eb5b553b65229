import subprocess
import sys

import pytest
from inpaint_lens.cli import main

from .conftest import tiny


@pytest.fixture
def file(folder, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(tiny(folder).to_toml())
    return path


def test_a_run_is_told_trained_and_gone_on_with(file, tmp_path, capsys):
    command = ["train", str(file), "-o", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*command, "--steps", "2"]) == 0
    told = capsys.readouterr().out
    assert "generator with 0.12 million" in told and " to train on, " in told and "Steps: 2" in told
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume", "--set", "trainer.log_every=1"]) == 0
    assert "Steps: 4 from step 2" in capsys.readouterr().out
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_a_check_says_what_would_be_done_and_does_nothing(file, tmp_path, capsys):
    assert main(["train", str(file), "-o", str(tmp_path / "run"), "--check"]) == 0
    assert "Recipe inpainting" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.toml"], "cannot be read"),
        (["--steps", "0"], "--steps is 0"),
        (["--set", "trainer.step=3"], "did you mean 'steps'"),
        (["--device", "tpu"], "Unknown device 'tpu'"),
        (["-o", "{file}"], "cannot be made"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence(file, tmp_path, capsys, arguments, words):
    given = [word.format(file=file) for word in arguments]
    given = given if given[0].endswith("none.toml") else [str(file), *given]
    place = [] if "-o" in given else ["-o", str(tmp_path / "run")]
    assert main(["train", *given, *place]) == 2
    assert words in capsys.readouterr().err


def test_reading_a_configuration_needs_no_accelerate():
    code = (
        "import sys; sys.modules['accelerate'] = None; import inpaint_lens.training.config, inpaint_lens.commands.train"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_without_accelerate_the_package_to_install_is_told(file, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("inpaint_lens.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert main(["train", str(file)]) == 2
    assert "inpaint-lens[train]" in capsys.readouterr().err

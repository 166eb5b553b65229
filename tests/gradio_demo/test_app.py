"""The page by itself: in a clone, on a Space, in a container."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import gradio as gr
import pytest
import yaml
from inpaint_lens.gradio_demo import environment, zero_gpu
from inpaint_lens.gradio_demo.warm_up import warm_up
from inpaint_lens.plugin.service.jobs import Jobs

FOLDER = Path(environment.__file__).parent

CLONE = """
import importlib.util, runpy, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
assert importlib.util.find_spec("inpaint_lens") is None
app = runpy.run_path(sys.argv[1])
app["find_package"]()
from inpaint_lens.imaging.box import Box
from inpaint_lens.gradio_demo.visits import Visit
print(Box(0, 0, 1, 1).size, Visit().shots)
"""


def test_a_clone_that_is_not_installed_finds_the_package(tmp_path):
    run = subprocess.run(
        [sys.executable, "-P", "-c", CLONE, str(FOLDER / "app.py")],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["(1,", "1)", "[]"]


def test_the_app_serves_the_page_and_the_service_on_this_machine_only(tmp_path):
    environment = os.environ | {"PORT": "0", "OMP_NUM_THREADS": "1", "INPAINT_LENS_CACHE": str(tmp_path)}
    environment.pop("SPACE_ID", None)
    process = subprocess.Popen(
        [sys.executable, str(FOLDER / "app.py")], env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        for path, words in (("/v1/health", "version"), ("/", "Inpaint Lens")):
            with urllib.request.urlopen(found[0] + path, timeout=60) as answer:
                assert words in answer.read().decode()
    finally:
        process.terminate()
        process.wait(30)


def test_the_head_of_the_readme_says_what_a_space_needs():
    head = yaml.safe_load((FOLDER / "README.md").read_text().split("---")[1])
    assert head["sdk"] == "gradio"
    assert head["sdk_version"].split(".")[0] == gr.__version__.split(".")[0]
    assert (FOLDER / head["app_file"]).exists()
    assert len(head["short_description"]) <= 60
    assert {"title", "emoji", "colorFrom", "colorTo", "python_version", "license", "models"} <= set(head)


def test_the_container_runs_as_a_user_and_can_be_asked_for_its_health():
    text = (FOLDER / "Dockerfile").read_text()
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
    assert "EXPOSE 7860" in text
    assert "HEALTHCHECK" in text


def test_a_gpu_is_asked_for_where_spaces_are_known_and_nothing_happens_elsewhere(monkeypatch, tmp_path):
    def double(number: int) -> int:
        return 2 * number

    assert zero_gpu.on_gpu(double) is double
    (tmp_path / "spaces.py").write_text(
        "def GPU(duration):\n    return lambda function: lambda *given: (duration, function(*given))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        assert zero_gpu.on_gpu(double)(4) == (zero_gpu.DURATION_S, 8)
    finally:
        sys.modules.pop("spaces", None)


def test_warming_up_is_a_job_like_any_other():
    jobs = Jobs()
    warm_up(jobs)
    assert jobs.counts()["finished"] == 1
    jobs.close()


@pytest.mark.parametrize("name", ["GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"])
def test_nothing_is_sent_to_anyone(name):
    assert os.environ[name].lower() in (("1", "true") if "DISABLE" in name else ("0", "false"))


def test_files_of_visitors_lie_in_a_folder_for_the_owner_only():
    folder = environment.prepare()
    assert folder.stat().st_mode & 0o077 == 0
    assert environment.prepare() == folder

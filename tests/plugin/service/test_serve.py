import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from inpaint_lens.commands import serve
from inpaint_lens.imaging.errors import InputError, MissingError
from inpaint_lens.plugin.service import app

LIMIT_S = 60.0
RUN = (
    "import argparse, sys; from inpaint_lens.commands import serve; parser = argparse.ArgumentParser();"
    "serve.add_arguments(parser); sys.exit(serve.run(parser.parse_args()))"
)


def options(*given: str):
    import argparse

    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args([*given, "--no-pages"])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """`inpaint-lens serve` in a process of its own, as a person runs it."""
    command = [sys.executable, "-c", RUN, "--port", "0", "--no-pages"]
    environment = os.environ | {"INPAINT_LENS_AUTH": "me:s3cret", "OMP_NUM_THREADS": "1"}
    made = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    yield made
    made.kill()
    made.communicate()


def test_it_says_where_it_is_and_ends_when_asked(process):
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line + process.stderr.read()
    assert httpx.get(f"{found[0]}/v1/health", trust_env=False).status_code == 401
    answer = httpx.get(f"{found[0]}/v1/health", auth=("me", "s3cret"), trust_env=False)
    assert answer.json()["status"] == "ok"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0 and "Stopped." in out
    assert "s3cret" not in line + out + errors and "Traceback" not in errors


def test_a_taken_port_is_told_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="is taken"):
        serve.run(options("--port", str(taken.getsockname()[1])))


def test_an_address_of_another_machine_is_told_in_one_sentence():
    with pytest.raises(InputError, match="no address of this machine"):
        serve.run(options("--host", "192.0.2.1", "--allow-remote", "--port", "0"))


def test_others_are_let_in_only_when_told_so(monkeypatch):
    monkeypatch.setattr(app, "create_app", lambda *_: pytest.fail("it started"))
    with pytest.raises(InputError, match="--allow-remote"):
        serve.run(options("--host", "0.0.0.0"))


@pytest.mark.parametrize(("lacking", "given"), [("fastapi", ["--no-pages"]), ("gradio", [])])
def test_missing_packages_are_named_with_what_to_install(monkeypatch, lacking, given):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == lacking else find_spec(name))
    chosen = options()
    chosen.no_pages = bool(given)
    with pytest.raises(MissingError, match=rf"needs {lacking}: pip install 'inpaint-lens\[web\]'"):
        serve.run(chosen)


def test_the_verb_is_known_without_its_packages():
    code = (
        "import sys, inpaint_lens.commands.serve; "
        "assert not {'torch', 'fastapi', 'uvicorn', 'gradio', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT_S)

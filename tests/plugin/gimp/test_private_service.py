import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from inpaint_lens import __version__
from inpaint_lens.imaging.errors import NetworkError
from inpaint_lens.plugin.gimp.lens.client import Client, Request
from inpaint_lens.plugin.gimp.lens.connection import Address, Connection
from inpaint_lens.plugin.gimp.lens.errors import Trouble
from inpaint_lens.plugin.gimp.lens.folder import address_in
from inpaint_lens.plugin.service import lifetime, private, private_api
from inpaint_lens.plugin.service.lifetime import Life
from inpaint_lens.plugin.service.private_api import create_private_app
from inpaint_lens.plugin.service.settings import ServiceSettings
from starlette.testclient import TestClient

LIMIT_S = 30.0
TELEA = {"fill": {"backend": "telea"}}
LONG = {"fill": {"backend": "lens-small"}, "explain": {"method": "path-ig", "steps": 4096}}


def quiet(*_):
    return False


@pytest.fixture
def start(place):
    """Starts the service as the plug-in does; by another Python if need be."""
    made = []

    def run(*arguments, python=sys.executable, folder=place):
        command = [python, "-m", "inpaint_lens.plugin.service.private", "--folder", str(folder), *arguments]
        made.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return made[-1]

    yield run
    for process in made:
        process.kill()
        process.communicate()


@pytest.fixture
def reached(until):
    """Waits for the service of a folder and connects."""

    def connect(folder):
        assert until(lambda: address_in(folder))
        connection = Connection(address_in(folder) or Address())
        connection.read("GET", "/v1/private")
        return connection

    return connect


def left_in(place):
    return {path.name for path in place.iterdir()}


def test_it_says_where_it_is_and_is_its_owners_alone(start, place, reached):
    process = start()
    facts = reached(place).json("GET", "/v1/private")
    assert facts == {"version": __version__, "python": sys.executable, "pid": process.pid}
    written = json.loads((place / "service.json").read_text())
    assert {name: written[name] for name in facts} == facts
    assert written["address"] == {"uds": str(place / "service.sock")}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (place, *place.iterdir())}
    assert modes.pop("private") == 0o700 and set(modes.values()) == {0o600}
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0 and not out + errors
    assert left_in(place) == {"service.lock", "service.log"}


def test_a_second_one_leaves_at_once(start, place, reached):
    first = start()
    reached(place)
    second = start()
    assert second.wait(LIMIT_S) == 0 and first.poll() is None
    assert reached(place).json("GET", "/v1/private")["pid"] == first.pid


def test_what_a_killed_one_left_is_replaced(start, place, reached):
    first = start()
    reached(place)
    first.kill()
    first.wait(LIMIT_S)
    assert {"service.json", "service.sock"} <= left_in(place)
    second = start()
    second_answers = None
    end = time.monotonic() + LIMIT_S
    while second_answers is None and time.monotonic() < end:
        try:
            second_answers = Connection(address_in(place) or Address()).json("GET", "/v1/private")
        except Trouble:
            time.sleep(0.05)
    assert second_answers and second_answers["pid"] == second.pid


def test_it_ends_when_nobody_comes(start, place, reached):
    process = start("--idle-s", "0.5")
    reached(place)
    assert process.wait(LIMIT_S) == 0 and left_in(place) == {"service.lock", "service.log"}
    assert "nobody came" in (place / "service.log").read_text()


def test_it_ends_when_its_python_is_gone(start, place, reached, tmp_path):
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", tmp_path / "venv")
    (tmp_path / "venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    process = start("--look-s", "0.1", python=str(folder / "python"))
    assert reached(place).json("GET", "/v1/private")["python"] == str(folder / "python")
    shutil.rmtree(folder)
    assert process.wait(LIMIT_S) == 0
    assert "is gone" in (place / "service.log").read_text() and "service.json" not in left_in(place)


def test_it_ends_when_its_folder_is_gone(start, place, reached):
    process = start("--look-s", "0.1")
    reached(place)
    shutil.rmtree(place)
    assert process.wait(LIMIT_S) == 0 and not process.communicate()[1]


@pytest.mark.parametrize(("pid", "left"), [(os.getpid(), []), (os.getpid() + 1, ["service.json", "service.sock"])])
def test_what_belongs_to_another_one_is_left_alone(tmp_path, pid, left):
    (tmp_path / "service.json").write_text(json.dumps({"pid": pid}))
    (tmp_path / "service.sock").touch()
    private._withdraw(tmp_path)
    assert sorted(left_in(tmp_path)) == left


def test_a_job_goes_on_for_a_while_when_it_is_asked_to_end_and_is_then_stopped(start, place, reached, ask, until):
    process = start()
    connection, shares, errors = reached(place), [], []

    def work():
        try:
            Client(connection).fill(ask(LONG), lambda _stage, share: shares.append(share or 0), quiet)
        except Trouble as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert until(lambda: max(shares, default=0) >= 0.3)
    began = time.monotonic()
    assert connection.json("POST", "/v1/private/stop")["pid"] == process.pid
    with pytest.raises(Trouble, match="about to end"):
        Client(connection).fill(ask(TELEA), quiet, quiet)
    thread.join(LIMIT_S)
    assert lifetime.DRAIN_S - 0.5 < time.monotonic() - began < 15
    assert errors and "interrupted" in errors[0]
    assert process.wait(LIMIT_S) == 0


def test_a_folder_that_cannot_be_trusted_is_refused_in_one_sentence(start, place):
    place.mkdir()
    place.chmod(0o777)
    process = start()
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2 and "Others may write" in errors and "Traceback" not in errors


def test_where_a_socket_cannot_be_it_asks_for_a_token(start, place, reached, ask):
    folder = place / ("long" * 20)
    start(folder=folder)
    connection = reached(folder)
    address = connection.address
    assert address.host == "127.0.0.1" and len(address.token) > 30
    assert Client(connection).fill(ask(TELEA), quiet, quiet).layers
    with pytest.raises(Trouble, match="token"):
        Connection(Address(host=address.host, port=address.port, token="guess")).read("GET", "/v1/private")


def test_a_large_request_without_the_token_hears_why(start, place, reached):
    folder = place / ("long" * 20)
    start(folder=folder)
    address = reached(folder).address
    stranger = Client(Connection(Address(host=address.host, port=address.port)))
    with pytest.raises(Trouble, match="token"):
        stranger.fill(Request(1500, 1500, bytes(9_000_000), bytes(2_250_000)), quiet, quiet)


def test_the_log_stays_short_and_standard_error_moves_on_with_it(tmp_path):
    log = tmp_path / "service.log"
    code = (
        "import logging, os, sys; from pathlib import Path; from inpaint_lens.plugin.service import private\n"
        "with private._logging(Path(sys.argv[1])):\n"
        "    for index in range(2500): logging.info('%d %s', index, 'x' * 1000)\n"
        "    os.write(2, b'a library complains\\n')\n"
    )
    with log.open("ab") as stream:
        subprocess.run([sys.executable, "-c", code, log], stderr=stream, check=True, timeout=LIMIT_S)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["service.log", "service.log.1"]
    assert all(path.stat().st_size <= 1_000_100 for path in tmp_path.iterdir())
    assert log.read_text().endswith("a library complains\n")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.fixture
def app():
    """A private service without a process of its own."""
    made = create_private_app(ServiceSettings(), 900)
    with TestClient(made, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def fake_fetch(monkeypatch):
    """Weights arrive in quarters; what was asked for is noted."""
    asked = []

    def make(error=None, gate=None):
        def fetch(name, *, monitor):
            asked.append(name)
            for part in range(5):
                monitor.report(f"downloading {name}", part / 4)
                while gate is not None and not gate.wait(0.005):
                    monitor.check()
            if error:
                raise error

        monkeypatch.setattr(private_api, "fetch", fetch)
        return asked

    return make


def job_of(app, answer):
    assert answer.status_code == 202, answer.text
    return app.app.state.jobs.get(answer.json()["id"])


def test_the_weights_of_backends_are_fetched_with_progress_in_megabytes(app, fake_fetch):
    asked = fake_fetch()
    answer = app.post("/v1/downloads", json={"names": ["lama", "telea"]})
    job, place = job_of(app, answer), answer.headers["location"]
    assert job.wait(LIMIT_S)
    known = app.get(place).json()
    assert (known["state"], known["share"], known["kind"], known["layers"]) == ("done", 1.0, "download", [])
    assert asked and "lama" in asked[0]


def test_megabytes_are_told(monkeypatch, app, fake_fetch):
    fake_fetch()
    told = []
    monitor = private_api.Monitor(lambda stage, share: told.append((stage, round(share, 2))))
    private_api._fetch([private_api.entry(private_api.info("lama").weights[0])], monitor)
    megabytes = private_api.entry(private_api.info("lama").weights[0]).megabytes
    assert any(f", {megabytes / 2:.0f} of {megabytes:.0f} MB" in stage and share == 0.5 for stage, share in told), told
    assert told[-1] == ("ready", 1.0)


def test_a_download_can_be_stopped(app, fake_fetch):
    fake_fetch(gate=threading.Event())
    answer = app.post("/v1/downloads", json={"names": ["lama"]})
    app.delete(answer.headers["location"])
    job = job_of(app, answer)
    assert job.wait(LIMIT_S) and job.state == "cancelled"


def test_a_download_that_fails_says_why(app, fake_fetch):
    fake_fetch(error=NetworkError("The Hub cannot be reached: check the network."))
    answer = app.post("/v1/downloads", json={"names": ["lama"]})
    job_of(app, answer).wait(LIMIT_S)
    assert app.get(answer.headers["location"]).json()["error"] == "The Hub cannot be reached: check the network."


def test_a_download_has_no_picture(app, fake_fetch):
    fake_fetch()
    answer = app.post("/v1/downloads", json={"names": ["lama"]})
    job_of(app, answer).wait(LIMIT_S)
    for name in ("result.png", "layers/result.npy", "report.json", "region.npy"):
        refused = app.get(f"{answer.headers['location']}/{name}")
        assert refused.status_code == 404 and "fetches weights" in refused.json()["detail"]


@pytest.mark.parametrize("names", [[], ["nothing like it"], "lama", ["x"] * 33])
def test_a_download_of_nothing_known_is_refused(app, names):
    answer = app.post("/v1/downloads", json={"names": names})
    assert answer.status_code == 422 and answer.json()["detail"].endswith(".")


class NoJobs:
    """Counts of a service."""

    running = finished = 0

    def counts(self):
        return {"running": self.running, "waiting": 0, "finished": self.finished}


def wait_for(life):
    """The reason why it is no longer wanted, and how long that took."""
    began = time.monotonic()
    return life.wait(), time.monotonic() - began


def test_it_is_wanted_until_nobody_came_for_a_while():
    reason, seconds = wait_for(Life(NoJobs().counts, 0.2))
    assert "nobody" in reason and 0.2 <= seconds < 2


@pytest.mark.parametrize("busy", ["request", "job"])
def test_it_is_wanted_while_somebody_waits(busy):
    jobs = NoJobs()
    life = Life(jobs.counts, 0.1, look_s=0.05)

    def begin():
        jobs.running = 1 if busy == "job" else 0
        if busy == "request":
            life.begin()

    def end():
        jobs.running = 0
        if busy == "request":
            life.end()

    begin()
    timer = threading.Timer(0.4, end)
    timer.start()
    _, seconds = wait_for(life)
    assert 0.4 < seconds < 3
    timer.join()


def test_a_sign_that_is_gone_ends_it(tmp_path):
    sign = tmp_path / "python"
    sign.touch()
    timer = threading.Timer(0.2, sign.unlink)
    timer.start()
    reason, seconds = wait_for(Life(NoJobs().counts, 900, [tmp_path, sign], look_s=0.05))
    assert reason == f"{sign} is gone" and 0.2 <= seconds < 3
    timer.join()


def test_what_a_last_job_made_can_still_be_fetched():
    jobs = NoJobs()
    jobs.running, life = 1, Life(jobs.counts, 900)

    def end():
        jobs.running, jobs.finished = 0, 1

    timer = threading.Timer(0.2, end)
    timer.start()
    began = time.monotonic()
    life.drain()
    assert lifetime.LINGER_S + 0.1 <= time.monotonic() - began < 3
    timer.join()


def test_one_that_does_nothing_ends_at_once():
    began = time.monotonic()
    Life(NoJobs().counts, 900).drain()
    assert time.monotonic() - began < lifetime.LINGER_S


def test_a_package_that_is_missing_is_named(monkeypatch, place):
    monkeypatch.setitem(sys.modules, "inpaint_lens.plugin.service.private_api", None)
    with pytest.raises(private.MissingError, match=r"inpaint-lens\[web\]"):
        private.run(place)
    assert not {"service.json", "service.sock"} & left_in(place)
    assert not any(isinstance(handler, private._Log) for handler in logging.getLogger().handlers)

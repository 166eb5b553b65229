import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from inpaint_lens.plugin.gimp.lens import settings as lens_settings
from inpaint_lens.plugin.gimp.lens import starting
from inpaint_lens.plugin.gimp.lens.errors import Stopped, Trouble
from inpaint_lens.plugin.gimp.lens.folder import address_in, last_line
from inpaint_lens.plugin.gimp.lens.settings import Settings
from inpaint_lens.plugin.gimp.lens.starting import connect
from inpaint_lens.plugin.gimp.lens.surroundings import clean_environment, command

STAND_IN = """#!{python}
import http.server, json, os, socketserver, sys, time

if "-c" in sys.argv:
    sys.exit({trial})
folder = sys.argv[sys.argv.index("--folder") + 1]
{first}
facts = {{"version": "{version}", "python": {named!r}, "pid": os.getpid()}}

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        os.unlink(folder + "/service.json")
        self.do_GET()
        self.wfile.flush()
        os._exit(0)

    def address_string(self):
        return "here"

if os.path.exists(folder + "/s"):
    os.unlink(folder + "/s")
server = socketserver.UnixStreamServer(folder + "/s", Answers)
with open(folder + "/service.json", "w") as file:
    json.dump({{"address": {{"uds": folder + "/s"}}}}, file)
server.serve_forever()
"""

SPAWN = """#!/bin/sh
echo "$*" >> {note}
while [ "${{1#--}}" != "$1" ]; do shift; done
{then}
"""


@pytest.fixture
def stand_in(tmp_path, place):
    """Makes a Python that has a service of any version, which does `first` first."""

    def make(name="venv", version="1", first="", trial="0", named=None):
        python = tmp_path / name / "python"
        python.parent.mkdir(exist_ok=True)
        text = STAND_IN.format(
            python=sys.executable, version=version, first=first, trial=trial, named=named or str(python)
        )
        python.write_text(text)
        python.chmod(0o700)
        return Settings(str(python), version, str(place))

    return make


def join(settings, start_s=20.0):
    return connect(settings, lambda *_: None, lambda: False, start_s)


def pid_of(connection):
    return connection.json("GET", "/v1/private")["pid"]


def test_one_that_runs_is_used_again(stand_in):
    assert pid_of(join(stand_in())) == pid_of(join(stand_in()))


def test_python_and_python3_of_one_place_are_the_same(stand_in, tmp_path):
    first = join(stand_in(named=str(tmp_path / "venv" / "python3")))
    assert pid_of(join(stand_in())) == pid_of(first)


@pytest.mark.parametrize("other", [{"version": "2"}, {"name": "another venv"}])
def test_one_that_is_not_ours_is_asked_to_end_and_replaced(stand_in, services, place, until, other):
    first = pid_of(join(stand_in()))
    settings = stand_in(**other)
    found = join(settings).json("GET", "/v1/private")
    assert (found["version"], found["python"]) == (settings.version, settings.python)
    assert first != found["pid"] and until(lambda: services(place) == [found["pid"]])


def test_one_that_is_not_ours_and_does_not_end_is_told(stand_in, monkeypatch):
    monkeypatch.setattr(starting, "LEAVE_S", 0.2)
    pid = pid_of(join(stand_in(first="os._exit = lambda _: None; os.unlink = print")))
    with pytest.raises(Trouble, match=rf"process {pid}\) does not end"):
        join(stand_in(version="2"))


def test_a_plug_in_older_than_its_package_says_what_to_do(stand_in):
    settings = stand_in(version="2")
    with pytest.raises(Trouble, match=r"version 1, but .* of version 2: run `inpaint-lens gimp install`"):
        join(Settings(settings.python, "1", settings.folder))


def test_what_a_service_said_before_it_died_is_told(stand_in, place):
    with pytest.raises(Trouble, match=r"cannot be started: No module named torch \(log: .*service\.log\)"):
        join(stand_in(first="sys.exit('It begins.\\nNo module named torch.\\n')"))
    assert "It begins." in (place / "service.log").read_text()


def test_a_service_that_died_in_silence_is_told_with_its_code(stand_in):
    with pytest.raises(Trouble, match="code 3"):
        join(stand_in(first="os._exit(3)"))


def test_an_old_complaint_in_the_log_is_not_told_again(stand_in, place):
    place.mkdir(mode=0o700)
    (place / "service.log").write_text("An old complaint.\n")
    with pytest.raises(Trouble, match="code 3"):
        join(stand_in(first="os._exit(3)"))


def test_a_start_that_left_to_one_that_then_ended_is_made_again(stand_in, monkeypatch):
    monkeypatch.setattr(starting, "_AGAIN_S", 0.1)
    once = "mark = folder + '/mark'\nif not os.path.exists(mark): open(mark, 'w'); os._exit(0)"
    assert join(stand_in(first=once)).json("GET", "/v1/private")["version"] == "1"


def test_a_start_that_takes_too_long_is_told(stand_in):
    began = time.monotonic()
    with pytest.raises(Trouble, match="did not start in time"):
        join(stand_in(first="time.sleep(60)"), start_s=0.3)
    assert time.monotonic() - began < 3


def test_a_start_can_be_stopped_and_tells_that_it_lives(stand_in):
    told = []
    with pytest.raises(Stopped):
        connect(stand_in(first="time.sleep(60)"), lambda *now: told.append(now), lambda: len(told) > 5)
    assert set(told) == {("starting", None)}


def test_a_python_that_is_gone_is_told(place):
    with pytest.raises(Trouble, match=r"/nowhere/python, is gone: .*gimp install"):
        join(Settings("/nowhere/python", "1", str(place)))


def test_a_python_that_cannot_be_run_is_told(stand_in):
    settings = stand_in()
    Path(settings.python).chmod(0o600)
    with pytest.raises(Trouble, match=r"cannot be run .*gimp install"):
        join(settings)


def test_gimps_own_environment_is_not_passed_on(stand_in, place, monkeypatch):
    for name in ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "GI_TYPELIB_PATH", "GIMP3_DIRECTORY"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("HF_HOME", "/models")
    join(stand_in(first="open(folder + '/environment', 'w').write(repr(dict(os.environ)))"))
    text = (place / "environment").read_text()
    assert "/nowhere" not in text and "'HF_HOME': '/models'" in text and "'HOME'" in text


def test_the_service_is_in_a_session_of_its_own(stand_in, place):
    pid = pid_of(join(stand_in()))
    assert os.getsid(pid) == pid != os.getsid(0)
    opened = [Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)]
    assert opened == [Path(os.devnull), place / "service.log", place / "service.log"]


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        ("LC_ALL", True),
        ("XDG_CACHE_HOME", True),
        ("https_proxy", True),
        ("NO_PROXY", True),
        ("INPAINT_LENS_WEIGHTS", True),
        ("CUDA_VISIBLE_DEVICES", True),
        ("LD_PRELOAD", False),
        ("VIRTUAL_ENV", False),
        ("DISPLAY", False),
        ("DBUS_SESSION_BUS_ADDRESS", False),
    ],
)
def test_what_is_passed_on(name, passed):
    assert (name in clean_environment({name: "x"})) is passed


def test_the_folders_of_a_sandbox_stay_in_it():
    assert "XDG_CACHE_HOME" not in clean_environment({"XDG_CACHE_HOME": "x", "FLATPAK_ID": "org.gimp.GIMP"})


@pytest.fixture
def flatpak(monkeypatch, tmp_path):
    """Makes this a Flatpak, where the host is reached by a command that notes what it was asked; or by none."""

    def make(allowed):
        monkeypatch.setenv("FLATPAK_ID", "org.gimp.GIMP")
        monkeypatch.setenv("HF_HOME", "/models")
        folder = tmp_path / "bin"
        folder.mkdir()
        command = folder / "flatpak-spawn"
        command.write_text(SPAWN.format(note=tmp_path / "asked", then='exec "$@"' if allowed else "exit 1"))
        command.chmod(0o700)
        monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
        return tmp_path / "asked"

    return make


def test_a_flatpak_runs_the_python_itself_where_that_works(flatpak, stand_in):
    asked = flatpak(allowed=True)
    join(stand_in())
    assert not asked.exists()


def test_a_flatpak_starts_the_service_on_the_host_where_it_may(flatpak, stand_in):
    asked = flatpak(allowed=True)
    settings = stand_in(trial="1")
    join(settings)
    last = asked.read_text().splitlines()[-1]
    assert last.startswith("--host --env=") and "--env=HF_HOME=/models" in last and settings.python in last


def test_a_snap_that_may_not_says_what_to_do(monkeypatch):
    monkeypatch.setenv("SNAP", "/snap/gimp/500")
    settings = Settings("/nowhere/python", "0", "/nowhere")
    with pytest.raises(Trouble, match=r"Snap.*gimp worker"):
        command(settings)


def test_a_flatpak_that_may_not_says_what_to_do(flatpak, stand_in):
    flatpak(allowed=False)
    with pytest.raises(Trouble, match="inpaint-lens gimp worker"):
        join(stand_in(trial="1"))


def test_a_flatpak_uses_a_service_that_was_started_by_hand(flatpak, stand_in):
    first = join(stand_in())
    flatpak(allowed=False)
    assert pid_of(join(stand_in(trial="1"))) == pid_of(first)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_may_write_into_is_not_trusted(stand_in, place, mode):
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(Trouble, match="Others may write"):
        join(stand_in())


def test_a_folder_that_others_may_read_is_closed_to_them(stand_in, place):
    place.mkdir(mode=0o755)
    join(stand_in())
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_folder_of_another_user_is_not_trusted(stand_in, place, monkeypatch):
    place.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: place.stat().st_uid + 1)
    with pytest.raises(Trouble, match="another user"):
        join(stand_in())


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_that_is_none_is_not_trusted(stand_in, place, tmp_path, kind):
    place.symlink_to(tmp_path) if kind == "link" else place.write_text("")
    with pytest.raises(Trouble, match=r"is a link or a file|cannot be made"):
        join(stand_in())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"address": 5}', '{"address": {"host": "h", "port": "x"}}'])
def test_a_damaged_address_counts_as_none(tmp_path, text):
    (tmp_path / "service.json").write_text(text)
    assert address_in(tmp_path) is None


def test_the_last_line_that_says_something_is_found(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 20_000 + b"\n  It \xff broke. \n\n \n")
    assert last_line(log) == "It � broke." and last_line(tmp_path / "none") == ""


def test_settings_are_read_from_where_the_environment_says(tmp_path, monkeypatch):
    file = tmp_path / "settings.json"
    file.write_text('{"python": "/p", "version": "1", "folder": "/f", "more": 1}')
    monkeypatch.setenv(lens_settings.VARIABLE, str(file))
    assert lens_settings.read() == Settings("/p", "1", "/f")


@pytest.mark.parametrize("text", [None, "", "[]", '{"python": "/p", "version": "1"}', '{"python": "", "version": "1"}'])
def test_settings_that_are_not_there_say_what_to_run(tmp_path, monkeypatch, text):
    file = tmp_path / "settings.json"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv(lens_settings.VARIABLE, str(file))
    with pytest.raises(Trouble, match="run `inpaint-lens gimp install`"):
        lens_settings.read()


def test_two_that_start_at_the_same_moment_share_one(place, settings_for, services, until):
    pids = []
    threads = [threading.Thread(target=lambda: pids.append(pid_of(join(settings_for(place), 60)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 2 and len(set(pids)) == 1
    assert until(lambda: services(place) == pids[:1])


def test_the_real_service_takes_the_place_of_an_older_one(stand_in, place, settings_for):
    join(stand_in(version="0.0.1"))
    found = join(settings_for(place), 60).json("GET", "/v1/private")
    assert (found["version"], found["python"]) == (settings_for(place).version, sys.executable)

import json
import sys
from pathlib import Path

import pytest
from inpaint_lens import __version__
from inpaint_lens.plugin.gimp.lens.errors import Trouble
from inpaint_lens.plugin.gimp_setup import doctor
from inpaint_lens.plugin.gimp_setup.installing import install, service_folder
from inpaint_lens.plugin.gimp_setup.profiles import Profile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses shell scripts")
VERSION = 'echo "GNU Image Manipulation Program version 3.0.4"'


class Answering:
    """A service that is there."""

    def json(self, *_: object) -> dict[str, str]:
        return {"version": __version__}


@pytest.fixture(autouse=True)
def service(monkeypatch):
    monkeypatch.setattr(doctor, "connect", lambda *_: Answering())


@pytest.fixture
def gimp(fake_program):
    """A GIMP that answers a batch with the procedures that it lacks."""

    def make(lacking: list[str], error: str = "") -> Path:
        told = f"inpaint-lens procedures: {json.dumps(lacking)}"
        return fake_program("gimp", f'[ "$1" = --version ] && {VERSION} && exit; echo \'{told}\'; echo "{error}" >&2')

    return make


@pytest.fixture
def python3(fake_program):
    """The Python that runs plug-ins, with bindings of GObject."""
    return fake_program("python3", "echo 3.13.5 with gi 3.50.0")


@pytest.fixture
def profile(make_profile, package) -> Profile:
    profile = Profile(make_profile())
    install(profile)
    return profile


def examined(named: Profile | None = None) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(named)}


def wrong(named: Profile | None = None) -> doctor.Finding:
    """The only thing that is wrong; it has a next step."""
    (finding,) = [finding for finding in doctor.examine(named) if finding.state == "bad"]
    assert finding.advice
    return finding


def test_where_all_is_right_each_step_says_so_in_the_order_of_need(gimp, python3, profile):
    gimp([])
    findings = doctor.examine()
    assert [finding.state for finding in findings] == ["good"] * 8
    assert [finding.what for finding in findings] == [
        "GIMP",
        "Profile",
        "Plug-in in GIMP 3.0",
        "Python of the plug-in",
        "Folder of the service",
        "Service",
        "Python in GIMP",
        "Procedures in GIMP 3.0",
    ]


def test_without_gimp_the_first_step_is_to_get_it():
    found = examined()
    assert "install GIMP 3" in found["GIMP"].advice
    assert "start GIMP 3 once" in found["Profile"].advice


def test_gimp_2_is_named_as_what_is_wrong(fake_program, make_profile):
    fake_program("gimp", VERSION.replace("3.0.4", "2.10.36"))
    make_profile(".config/GIMP/2.10")
    found = examined()
    assert "2.10.36" in found["GIMP"].found
    assert "not work in GIMP 2" in found["GIMP"].advice
    assert "only of GIMP 2" in found["Profile"].found


def test_a_profile_without_the_plug_in_is_wrong_only_where_no_other_has_it(gimp, python3, profile, make_profile):
    gimp([])
    other = Profile(make_profile(".config/GIMP/3.2"))
    assert examined()["Plug-in in GIMP 3.2"].state == "note"
    assert wrong(other).found == "not installed"


def test_an_older_plug_in_is_named_with_both_versions(gimp, python3, profile):
    gimp([])
    settings = profile.plug_in / "settings.json"
    settings.write_text(settings.read_text().replace(f'"version": "{__version__}"', '"version": "0.0.1"'))
    found = examined()["Plug-in in GIMP 3.0"]
    assert "0.0.1" in found.found
    assert __version__ in found.found
    assert "inpaint-lens gimp install" in found.advice


def test_a_changed_file_is_named(gimp, python3, profile):
    gimp([])
    (profile.plug_in / "lens" / "work.py").write_text("changed")
    assert wrong().found == "lens/work.py differs"


def test_a_main_file_that_may_not_be_run_is_named(gimp, python3, profile):
    gimp([])
    (profile.plug_in / "inpaint-lens.py").chmod(0o644)
    assert "may not be run" in wrong().found
    assert wrong().advice.startswith("chmod +x")


def test_a_folder_that_someone_else_made_is_named(gimp, python3, make_profile, package):
    gimp([])
    profile = Profile(make_profile())
    profile.plug_in.mkdir(parents=True)
    assert "move that folder away" in wrong().advice


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'ModuleNotFoundError: No module named inpaint_lens' >&2; exit 1", "No module named"),
        ("echo '[\"0.0.1\", []]'", "has inpaint-lens 0.0.1"),
        (f'echo \'["{__version__}", ["fastapi"]]\'', "lacks fastapi"),
    ],
)
def test_a_python_that_cannot_serve_is_told_why(gimp, python3, fake_program, make_profile, package, script, words):
    gimp([])
    install(Profile(make_profile()), fake_program("python", script))
    assert words in wrong().found


def test_a_python_that_is_gone_is_told(gimp, python3, make_profile, package, tmp_path):
    gimp([])
    install(Profile(make_profile()), tmp_path / "gone" / "python")
    assert "is gone" in wrong().found


def test_the_python_is_asked_without_what_gimp_and_the_shell_set(gimp, python3, profile, monkeypatch):
    gimp([])
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert examined()["Python of the plug-in"].state == "good"


@pytest.mark.parametrize(("mode", "state"), [(0o700, "good"), (0o750, "bad"), (0o777, "bad")])
def test_the_services_folder_must_be_the_persons_alone(gimp, python3, profile, mode, state):
    gimp([])
    folder = service_folder(profile)
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert examined()["Folder of the service"].state == state


def test_a_service_that_does_not_start_gives_its_own_sentence_and_the_log(gimp, python3, profile, monkeypatch):
    gimp([])

    def fail(*_: object) -> None:
        raise Trouble("The service cannot be started.")

    monkeypatch.setattr(doctor, "connect", fail)
    assert wrong().found == "The service cannot be started."
    assert "service.log" in wrong().advice


@pytest.mark.parametrize(("before", "stopped"), [(None, 1), (Answering(), 0)])
def test_a_service_that_was_started_for_the_examination_is_stopped_after(profile, monkeypatch, before, stopped):
    calls = []
    monkeypatch.setattr(doctor, "running_service", lambda _: before)
    monkeypatch.setattr(doctor, "stop_service", calls.append)
    doctor.examine()
    assert calls == [service_folder(profile)] * stopped


@pytest.mark.parametrize(("shown", "state"), [("org.freedesktop.Flatpak=talk", "good"), ("org.gtk.vfs=talk", "note")])
def test_whether_a_flatpak_may_start_the_service_is_told(fake_program, make_profile, package, shown, state):
    fake_program("flatpak", f'[ "$1" = override ] && echo "[Session Bus Policy]\n{shown}"')
    install(Profile(make_profile(".var/app/org.gimp.GIMP/config/GIMP/3.0"), "flatpak"))
    found = examined()["Sandbox of Flatpak"]
    assert found.state == state
    assert ("gimp worker" in found.advice) == (state == "note")


def test_plug_ins_without_their_bindings_of_gobject_are_noticed(gimp, fake_program, profile):
    gimp([])
    fake_program("python3", "echo \"ModuleNotFoundError: No module named 'gi'\" >&2; exit 1")
    found = examined()["Python in GIMP"]
    assert (found.state, "No module named 'gi'" in found.found) == ("note", True)
    assert "python3-gi" in found.advice


def test_procedures_that_gimp_lacks_are_named_with_its_complaint(gimp, python3, profile):
    gimp(["plug-in-inpaint-lens-fill"], "SyntaxError: invalid syntax")
    finding = wrong()
    assert "plug-in-inpaint-lens-fill" in finding.found
    assert "SyntaxError: invalid syntax" in finding.found


def test_a_gimp_that_does_not_answer_is_told(fake_program, python3, profile):
    fake_program(
        "gimp", f'[ "$1" = --version ] && {VERSION} && exit; echo "No batch interpreters\n** CRITICAL" >&2; exit 69'
    )
    assert wrong().found.endswith("No batch interpreters")


def test_a_profile_of_a_gimp_that_is_not_here_is_not_checked_by_another(gimp, python3, make_profile, package):
    gimp([])
    install(Profile(make_profile(".config/GIMP/3.2")))
    assert examined()["Procedures in GIMP 3.2"].state == "note"

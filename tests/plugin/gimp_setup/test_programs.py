import os
import sys
import time

import pytest
from inpaint_lens.plugin.gimp_setup.profiles import Profile
from inpaint_lens.plugin.gimp_setup.programs import Program, find_programs, run_batch, run_limited

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses shell scripts")
SAYS = 'echo "GNU Image Manipulation Program version {}"'


def test_no_gimp_is_found_where_there_is_none():
    assert find_programs() == []


@pytest.mark.parametrize(
    ("told", "version"), [("3.0.4", (3, 0, 4)), ("3.2.0-RC1", (3, 2, 0)), ("2.10.36", (2, 10, 36)), ("3.4", (3, 4))]
)
def test_the_version_is_what_gimp_says(fake_program, told, version):
    fake_program("gimp", SAYS.format(told))
    assert [program.version for program in find_programs()] == [version]


def test_the_console_program_is_taken_before_the_one_with_windows(fake_program):
    fake_program("gimp", SAYS.format("3.0.4"))
    console = fake_program("gimp-console-3.0", SAYS.format("3.0.4"))
    assert [program.command for program in find_programs()] == [(str(console),)]


def test_two_versions_are_both_found(fake_program):
    for name, version in (("gimp-console-3.0", "3.0.4"), ("gimp-console-3.2", "3.2.6")):
        fake_program(name, SAYS.format(version))
    assert {program.version for program in find_programs()} == {(3, 0, 4), (3, 2, 6)}


@pytest.mark.parametrize("script", ["exit 1", "echo hello", "echo version"])
def test_a_program_that_says_no_version_is_left_out(fake_program, script):
    fake_program("gimp", script)
    assert find_programs() == []


def test_a_flatpak_is_asked_by_flatpak(fake_program):
    fake_program("flatpak", f'[ "$*" = "run org.gimp.GIMP --version" ] && {SAYS.format("3.0.6")}')
    (program,) = find_programs()
    assert (program.kind, program.version) == ("flatpak", (3, 0, 6))


@pytest.mark.parametrize(
    ("version", "name", "fits"),
    [((3, 0, 4), "3.0", True), ((3, 2, 6), "3.0", False), ((3, 2, 6), "own", True), ((2, 10, 4), "own", False)],
)
def test_a_gimp_uses_profiles_of_its_version_and_those_with_names_of_their_own(tmp_path, version, name, fits):
    assert Program(("gimp",), version).uses(Profile(tmp_path / name)) is fits


def test_a_gimp_does_not_use_the_profile_of_another_kind_of_installation(tmp_path):
    assert not Program(("gimp",), (3, 0, 4)).uses(Profile(tmp_path / "3.0", "flatpak"))


def test_a_batch_runs_in_the_given_profile_without_python_settings_of_the_caller(fake_program, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    script = fake_program("gimp", 'echo "$GIMP3_DIRECTORY|$PYTHONHOME|$*"')
    ended = run_batch(Program((str(script),), (3, 0, 4)), Profile(tmp_path / "3.0"), "print(1)", 10)
    directory, python, arguments = ended.out.strip().split("|")
    assert (directory, python) == (str(tmp_path / "3.0"), "")
    assert "--batch-interpreter=python-fu-eval --batch print(1)" in arguments


def test_at_the_time_limit_a_program_and_what_it_started_are_ended(fake_program, tmp_path):
    note = tmp_path / "child"
    script = fake_program("slow", f"PATH={os.defpath}; sleep 60 & echo $! > {note}; wait")
    began = time.monotonic()
    ended = run_limited([str(script)], 0.5)
    assert ended.code is None
    assert "slow gave no answer" in ended.err
    assert time.monotonic() - began < 5
    child = int(note.read_text())
    while _runs(child) and time.monotonic() - began < 5:
        time.sleep(0.01)
    assert not _runs(child)


def test_a_program_that_cannot_be_run_says_why(tmp_path):
    assert "cannot be run (No such file" in run_limited([str(tmp_path / "absent")], 1).err


def _runs(number: int) -> bool:
    """Whether a process is there and no zombie."""
    import psutil

    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

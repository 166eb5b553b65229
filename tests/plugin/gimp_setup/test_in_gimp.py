"""In a real GIMP 3: `INPAINT_LENS_GIMP_ROOT` names a tree that `.ci/gimp-root` built, or one is installed."""

import os
from pathlib import Path

import pytest
from inpaint_lens.plugin.gimp_setup import doctor
from inpaint_lens.plugin.gimp_setup.installing import install
from inpaint_lens.plugin.gimp_setup.profiles import Profile
from inpaint_lens.plugin.gimp_setup.programs import Program, find_programs

PATH = os.environ.get("PATH", "")
TOOL = Path(__file__).resolve().parents[3] / ".ci" / "gimp-root"


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Profile:
    """One for all tests, since the first start in a profile is slow."""
    return Profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def gimp(profile, monkeypatch) -> Program:
    """A GIMP 3 that uses the profile."""
    if root := os.environ.get("INPAINT_LENS_GIMP_ROOT"):
        monkeypatch.setenv("PATH", PATH)
        options = ("--bind", str(profile.folder), "--env", f"GIMP3_DIRECTORY={profile.folder}")
        return Program((str(TOOL), "--run", root, *options, "gimp-console"), (3,))
    with monkeypatch.context() as outside:
        outside.setenv("PATH", PATH)
        found = next((program for program in find_programs() if program.version[0] >= 3), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no GIMP 3: build one with .ci/gimp-root and set INPAINT_LENS_GIMP_ROOT")
    if found is None:
        pytest.skip("there is no GIMP 3 (INPAINT_LENS_GIMP_ROOT)")
    return found


def procedures(profile: Profile, gimp: Program) -> doctor.Finding:
    (finding,) = doctor.registered(profile, [gimp])
    return finding


def test_gimp_registers_the_plug_in_that_was_installed(profile, gimp):
    install(profile)
    assert procedures(profile, gimp).state == "good"


def test_gimps_complaint_about_a_broken_plug_in_is_told(profile, gimp):
    install(profile)
    main = profile.plug_in / "inpaint-lens.py"
    main.write_text("#!/usr/bin/env python3\nraise ImportError('no such thing')\n")
    finding = procedures(profile, gimp)
    assert finding.state == "bad"
    assert "plug-in-inpaint-lens-fill" in finding.found
    assert "ImportError: no such thing" in finding.found


def test_a_plug_in_that_may_not_be_run_is_not_registered(profile, gimp):
    install(profile)
    (profile.plug_in / "inpaint-lens.py").chmod(0o644)
    assert procedures(profile, gimp).state == "bad"

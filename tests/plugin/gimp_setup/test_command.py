import json
import sys
from pathlib import Path

import pytest
from inpaint_lens import __version__
from inpaint_lens.cli import main
from inpaint_lens.plugin.gimp.lens.starting import connect
from inpaint_lens.plugin.gimp_setup import service as services
from inpaint_lens.plugin.gimp_setup.installing import install, service_folder
from inpaint_lens.plugin.gimp_setup.profiles import Profile
from inpaint_lens.plugin.gimp_setup.service import clear_folder, running_service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses shell scripts")


def test_installing_names_each_profile_the_python_and_the_next_step(make_profile, package, capsys):
    folders = [make_profile(), make_profile(".config/GIMP/3.2")]
    assert main(["gimp", "install"]) == 0
    told = capsys.readouterr().out
    assert all(str(folder / "plug-ins" / "inpaint-lens") in told for folder in folders)
    assert sys.executable in told
    assert "Filters > Inpaint Lens" in told
    assert "flatpak" not in told


def test_installing_anew_says_what_was_there(make_profile, package, capsys):
    make_profile()
    main(["gimp", "install"])
    assert main(["gimp", "install"]) == 0
    assert f"in place of {__version__}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("below", "words"),
    [(".var/app/org.gimp.GIMP/config/GIMP/3.0", "flatpak override"), ("snap/gimp/current/.config/GIMP/3.0", "worker")],
)
def test_a_gimp_in_a_sandbox_gets_its_own_next_step(make_profile, package, capsys, below, words):
    make_profile(below)
    assert main(["gimp", "install"]) == 0
    assert words in capsys.readouterr().out


def test_without_a_profile_the_next_step_is_to_start_gimp(home, capsys):
    assert main(["gimp", "install"]) == 2
    told = capsys.readouterr().err
    assert "start GIMP 3 once" in told
    assert told.count("\n") == 1
    assert list(home.iterdir()) == []


def test_gimp_2_alone_is_told(home, make_profile, fake_program, capsys):
    make_profile(".config/GIMP/2.10")
    fake_program("gimp", 'echo "GNU Image Manipulation Program version 2.10.36"')
    assert main(["gimp", "install"]) == 2
    shown = capsys.readouterr()
    assert "only one of GIMP 2" in shown.err
    assert "2.10.36" in shown.out


def test_one_profile_that_cannot_be_written_does_not_keep_the_others_from_it(make_profile, package, capsys):
    mine, theirs = make_profile(".config/GIMP/3.2"), make_profile()
    (theirs / "plug-ins" / "inpaint-lens").mkdir(parents=True)
    (theirs / "plug-ins" / "inpaint-lens" / "x").write_text("")
    assert main(["gimp", "install"]) == 1
    assert "GIMP 3.0: failed:" in capsys.readouterr().out
    assert (mine / "plug-ins" / "inpaint-lens" / "settings.json").exists()


def test_a_named_profile_is_the_only_one_touched(make_profile, package):
    named, other = make_profile("mine"), make_profile()
    assert main(["gimp", "install", "--profile", str(named)]) == 0
    assert (named / "plug-ins" / "inpaint-lens").is_dir()
    assert list(other.iterdir()) == []


def test_uninstalling_leaves_the_profile_as_it_was(make_profile, package, capsys):
    profile = Profile(make_profile())
    profile.plug_in.parent.mkdir()
    install(profile)
    assert main(["gimp", "uninstall"]) == 0
    assert list(profile.plug_in.parent.iterdir()) == []
    assert "removed" in capsys.readouterr().out
    assert main(["gimp", "uninstall"]) == 0
    assert "no plug-in" in capsys.readouterr().out


def test_uninstalling_clears_the_services_folder_unless_another_gimp_uses_it(make_profile, package):
    first, second = Profile(make_profile()), Profile(make_profile(".config/GIMP/3.2"))
    folder = service_folder(first)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "service.log").write_text("")
    main(["gimp", "install"])
    main(["gimp", "uninstall", "--profile", str(first.folder)])
    assert folder.exists()
    main(["gimp", "uninstall", "--profile", str(second.folder)])
    assert not folder.exists()


def test_a_folder_with_something_else_in_it_is_not_cleared(tmp_path):
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "service.log").write_text("")
    (folder / "letter.txt").write_text("mine")
    clear_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


def test_the_doctor_tells_people_and_programs_the_same(make_profile, capsys):
    make_profile()
    assert main(["gimp", "doctor"]) == 1
    for_people = capsys.readouterr().out
    assert main(["gimp", "doctor", "--json"]) == 1
    for finding in json.loads(capsys.readouterr().out):
        assert finding["found"] in for_people
        assert finding["advice"] in for_people


def test_the_worker_needs_an_installed_plug_in(make_profile, capsys):
    make_profile()
    assert main(["gimp", "worker"]) == 2
    assert "gimp install" in capsys.readouterr().err


def test_the_worker_refuses_to_stand_in_for_another_python(make_profile, package, capsys):
    install(Profile(make_profile()), Path("/another/bin/python"))
    assert main(["gimp", "worker"]) == 2
    assert "/another/bin/python" in capsys.readouterr().err


def test_the_worker_serves_the_gimp_that_cannot_start_one(make_profile, package):
    system = Profile(make_profile())
    snap = Profile(make_profile("snap/gimp/current/.config/GIMP/3.0"), "snap")
    install(system)
    install(snap)
    assert services.folder_for_worker([system, snap]) == service_folder(snap)


def test_the_doctor_leaves_a_running_service_alone_and_uninstalling_stops_it(make_profile, package, capsys):
    profile = Profile(make_profile())
    install(profile)
    folder = service_folder(profile)
    settings = services.settings_of(profile)
    assert settings is not None
    connect(settings, lambda *_: None, lambda: False)
    main(["gimp", "doctor", "--json"])
    found = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["Service"]["found"].startswith("was running and answers")
    assert running_service(folder) is not None
    assert main(["gimp", "worker"]) == 0
    assert "runs already" in capsys.readouterr().out
    assert main(["gimp", "uninstall"]) == 0
    assert "service is stopped" in capsys.readouterr().out
    assert running_service(folder) is None
    assert not folder.exists()

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from inpaint_lens import __version__
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.plugin.gimp_setup import installing
from inpaint_lens.plugin.gimp_setup.installing import differences, install, installed_settings, uninstall
from inpaint_lens.plugin.gimp_setup.profiles import Profile


@pytest.fixture
def profile(make_profile, package) -> Profile:
    return Profile(make_profile())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_profile_gets_the_files_and_nothing_that_was_compiled(profile, package):
    done = install(profile)
    assert done.before is None
    assert set(files(profile.plug_in)) == {"inpaint-lens.py", "lens/__init__.py", "lens/work.py", "settings.json"}
    assert [path.name for path in profile.plug_in.parent.iterdir()] == ["inpaint-lens"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no run bits")
def test_gimp_may_run_the_main_file_and_read_the_others_whatever_the_umask(profile):
    before = os.umask(0o077)
    try:
        install(profile)
    finally:
        os.umask(before)
    assert stat.S_IMODE((profile.plug_in / "inpaint-lens.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((profile.plug_in / "lens" / "work.py").stat().st_mode) == 0o644


def test_the_settings_name_this_python_by_its_own_environment(profile, home):
    install(profile)
    settings = json.loads((profile.plug_in / "settings.json").read_text())
    folder = str(home / ".cache" / "inpaint-lens" / "private")
    assert settings == {"python": sys.executable, "version": __version__, "folder": folder}


def test_the_plug_in_reads_the_settings_that_were_written(profile, monkeypatch):
    from inpaint_lens.plugin.gimp.lens import settings

    install(profile, Path("/opt/venv/bin/python"))
    monkeypatch.setenv(settings.VARIABLE, str(profile.plug_in / "settings.json"))
    assert settings.read().python == "/opt/venv/bin/python"
    assert settings.read().version == __version__


def test_a_gimp_from_snap_meets_its_service_in_its_own_folder(home, make_profile, package):
    profile = Profile(make_profile("snap/gimp/current/.config/GIMP/3.0"), "snap")
    install(profile)
    settings = json.loads((profile.plug_in / "settings.json").read_text())
    assert settings["folder"] == str(home / "snap" / "gimp" / "common" / "inpaint-lens")


def test_an_upgrade_leaves_nothing_of_the_old_version_and_says_which_it_was(profile, package, monkeypatch):
    (package / "lens" / "gone.py").write_text("old")
    with monkeypatch.context() as earlier:
        earlier.setattr(installing, "__version__", "0.0.1")
        install(profile)
    (package / "lens" / "gone.py").unlink()
    assert install(profile).before == "0.0.1"
    assert "lens/gone.py" not in files(profile.plug_in)
    assert install(profile).before == __version__


def test_the_main_file_gets_a_new_time_so_that_gimp_asks_it_anew(profile, package):
    main = profile.plug_in / "inpaint-lens.py"
    os.utime(package / "inpaint-lens.py", (1, 1))
    for _ in range(2):
        install(profile)
        assert main.stat().st_mtime > 2
        os.utime(main, (2, 2))


def test_what_a_person_put_into_the_folder_is_kept(profile):
    install(profile)
    (profile.plug_in / "notes.txt").write_text("mine")
    (profile.plug_in / "more").mkdir()
    (profile.plug_in / "more" / "a.txt").write_text("mine too")
    (profile.plug_in / "link").symlink_to("nowhere")
    assert install(profile).kept == ("link", "more", "notes.txt")
    done = uninstall(profile)
    assert done is not None
    assert done.kept == ("link", "more", "notes.txt")
    assert files(profile.plug_in) == {"notes.txt": b"mine", "more/a.txt": b"mine too"}
    assert (profile.plug_in / "link").is_symlink()


@pytest.mark.parametrize("act", [install, uninstall])
@pytest.mark.parametrize("settings", [None, "{}", "[1]", "not json", '{"python": "x", "version": "1"}'])
def test_a_folder_that_someone_else_made_is_left_alone(profile, act, settings):
    profile.plug_in.mkdir(parents=True)
    (profile.plug_in / "inpaint-lens.py").write_text("theirs")
    if settings is not None:
        (profile.plug_in / "settings.json").write_text(settings)
    before = files(profile.plug_in)
    with pytest.raises(InputError, match="did not make it"):
        act(profile)
    assert files(profile.plug_in.parent) == {f"inpaint-lens/{name}": data for name, data in before.items()}


@pytest.mark.parametrize("act", [install, uninstall])
def test_a_link_to_somewhere_else_is_not_followed(profile, act, tmp_path):
    other = tmp_path / "other"
    install(profile)
    profile.plug_in.rename(other)
    profile.plug_in.symlink_to(other)
    before = files(other)
    with pytest.raises(InputError, match="is a link"):
        act(profile)
    assert files(other) == before


def test_an_empty_folder_is_taken(profile):
    profile.plug_in.mkdir(parents=True)
    install(profile)
    assert installed_settings(profile)


def test_an_installation_that_fails_leaves_the_old_one_whole(profile, package, monkeypatch):
    install(profile)
    before = files(profile.plug_in)
    (package / "lens" / "work.py").write_text("new")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(installing.shutil, "copyfile", full)
    with pytest.raises(InputError, match="No space left"):
        install(profile)
    assert files(profile.plug_in.parent) == {f"inpaint-lens/{name}": data for name, data in before.items()}


def test_a_rename_that_fails_puts_the_old_one_back(profile, monkeypatch):
    install(profile)
    before = files(profile.plug_in)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        install(profile)
    assert files(profile.plug_in.parent) == {f"inpaint-lens/{name}": data for name, data in before.items()}


def test_an_installation_that_was_killed_between_its_two_renames_is_put_right(profile):
    install(profile)
    (profile.plug_in / "notes.txt").write_text("mine")
    plug_ins = profile.plug_in.parent
    profile.plug_in.rename(plug_ins / ".inpaint-lens.old")
    (plug_ins / ".inpaint-lens.new").mkdir()
    install(profile)
    assert (profile.plug_in / "notes.txt").read_text() == "mine"
    assert [path.name for path in plug_ins.iterdir()] == ["inpaint-lens"]


def test_uninstalling_removes_all_that_was_made_and_tells_the_services_folder(profile, home):
    install(profile)
    (profile.plug_in / "lens" / "__pycache__").mkdir()
    (profile.plug_in / "lens" / "__pycache__" / "work.cpython-313.pyc").write_bytes(b"by GIMP")
    done = uninstall(profile)
    assert done is not None
    assert done.service == home / ".cache" / "inpaint-lens" / "private"
    assert list(profile.plug_in.parent.iterdir()) == []
    assert uninstall(profile) is None


def test_differences_name_each_file_that_is_not_as_in_the_package(profile, package):
    install(profile)
    assert differences(profile) == []
    (profile.plug_in / "lens" / "work.py").write_text("changed")
    (profile.plug_in / "lens" / "__init__.py").unlink()
    (profile.plug_in / "lens" / "stray.py").write_text("")
    assert differences(profile) == [
        "lens/__init__.py is missing",
        "lens/work.py differs",
        "lens/stray.py is from another version",
    ]


def test_a_package_without_the_plug_in_is_told_in_a_sentence(profile, package):
    (package / "inpaint-lens.py").unlink()
    with pytest.raises(InputError, match="install inpaint-lens anew"):
        install(profile)
    assert not profile.plug_in.exists()

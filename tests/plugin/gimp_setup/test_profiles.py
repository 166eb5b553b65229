import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.plugin.gimp_setup.profiles import Surroundings, find_profiles, has_old_profile, profile_at


def around(home, system="linux", **environment):
    return Surroundings(environment, home, system)


@pytest.mark.parametrize(
    ("system", "below", "kind"),
    [
        ("linux", ".config/GIMP/3.0", "system"),
        ("linux", ".config/GIMP/3.2", "system"),
        ("linux", ".var/app/org.gimp.GIMP/config/GIMP/3.0", "flatpak"),
        ("linux", "snap/gimp/current/.config/GIMP/3.0", "snap"),
        ("linux", "snap/gimp/common/.config/GIMP/3.0", "snap"),
        ("darwin", "Library/Application Support/GIMP/3.0", "system"),
        ("win32", "AppData/Roaming/GIMP/3.0", "system"),
    ],
)
def test_a_profile_is_found_where_each_kind_of_gimp_keeps_it(home, make_profile, system, below, kind):
    folder = make_profile(below)
    (profile,) = find_profiles(around(home, system))
    assert (profile.folder, profile.kind) == (folder, kind)
    assert profile.plug_in == folder / "plug-ins" / "inpaint-lens"


def test_several_profiles_are_sorted_by_their_version_as_a_number(home, make_profile):
    for version in ("3.10", "3.2", "3.0"):
        make_profile(f".config/GIMP/{version}")
    make_profile(".var/app/org.gimp.GIMP/config/GIMP/3.0")
    titles = [profile.title for profile in find_profiles(around(home))]
    assert titles == ["GIMP 3.0", "GIMP 3.2", "GIMP 3.10", "GIMP 3.0 (Flatpak)"]


@pytest.mark.parametrize("name", ["2.10", "2.99", "3", "3.0.bak", "30.1", "plug-ins"])
def test_other_folders_are_no_profiles(home, make_profile, name):
    make_profile(f".config/GIMP/{name}")
    assert find_profiles(around(home)) == []


def test_a_file_of_that_name_is_no_profile(home, make_profile):
    make_profile(".config/GIMP").joinpath("3.0").write_text("")
    assert find_profiles(around(home)) == []


def test_a_folder_for_settings_elsewhere_is_followed(home, make_profile):
    make_profile()
    elsewhere = make_profile("settings/GIMP/3.0")
    found = find_profiles(around(home, XDG_CONFIG_HOME=str(home / "settings")))
    assert [profile.folder for profile in found] == [elsewhere]


@pytest.mark.parametrize("relative", [True, False])
def test_gimps_own_variable_replaces_its_profiles(home, make_profile, relative):
    make_profile()
    make_profile("mine")
    flatpak = make_profile(".var/app/org.gimp.GIMP/config/GIMP/3.0")
    found = find_profiles(around(home, GIMP3_DIRECTORY="mine" if relative else str(home / "mine")))
    assert [profile.folder for profile in found] == [home / "mine", flatpak]


def test_one_folder_under_two_names_is_one_profile(home, make_profile):
    make_profile("snap/gimp/512/.config/GIMP/3.0")
    (home / "snap/gimp/current").symlink_to("512")
    (home / "snap/gimp/common").symlink_to("512")
    assert len(find_profiles(around(home))) == 1


def test_looking_for_profiles_makes_none(home):
    assert find_profiles(around(home)) == []
    assert list(home.iterdir()) == []


def test_a_profile_of_gimp_2_is_noticed(home, make_profile):
    assert not has_old_profile(around(home))
    make_profile(".config/GIMP/2.10")
    assert has_old_profile(around(home))


@pytest.mark.parametrize(
    ("below", "words"),
    [("3.0/plug-ins", "give the profile"), ("2.10", "needs GIMP 3"), ("nowhere", "start GIMP 3 once")],
)
def test_a_folder_that_cannot_be_a_profile_is_refused(home, make_profile, below, words):
    make_profile("3.0/plug-ins")
    make_profile("2.10")
    with pytest.raises(InputError, match=words):
        profile_at(home / below, around(home))


def test_a_named_profile_is_known_for_a_flatpaks(home, make_profile):
    folder = make_profile(".var/app/org.gimp.GIMP/config/GIMP/3.0")
    assert profile_at(folder, around(home)).kind == "flatpak"
    assert profile_at(make_profile("mine"), around(home)).kind == "system"

"""Put the plug-in into GIMP 3, take it out again, or see what is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import say

if TYPE_CHECKING:
    from ..plugin.gimp_setup.profiles import Profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gimp`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (act, text) in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        action.add_argument("--profile", metavar="DIR", type=Path, help="this one only, such as ~/.config/GIMP/3.0")
        action.set_defaults(act=act)
    actions.choices["doctor"].add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Run `gimp`; 0 if all went well, 1 if part of it did not or the doctor found something wrong."""
    return options.act(options)


def _install(options: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from ..plugin.gimp_setup.installing import install, running_python
    from ..plugin.gimp_setup.service import lacking_packages

    def put(profile: Profile) -> None:
        done = install(profile)
        say(f"{profile.title}: installed in {done.folder}{f' in place of {done.before}' if done.before else ''}")
        _say_kept(done.kept)

    _say_if_gimp_is_old()
    profiles = _profiles(options.profile)
    failed = _each(profiles, put)
    if failed == len(profiles):
        return 2
    say(f"It uses {running_python()}")
    if lacking := lacking_packages(find_spec):
        say(f"Still missing: {', '.join(lacking)}. Next: {running_python()} -m pip install 'inpaint-lens[web]'")
    for kind in sorted({profile.kind for profile in profiles}):
        _say_sandbox(kind)
    say("Start GIMP anew; the menu is Filters > Inpaint Lens. If it is not there: inpaint-lens gimp doctor")
    return 1 if failed else 0


def _uninstall(options: argparse.Namespace) -> int:
    from ..plugin.gimp_setup.installing import uninstall
    from ..plugin.gimp_setup.profiles import find_profiles
    from ..plugin.gimp_setup.service import clear_folder, settings_of, stop_service

    folders: set[Path] = set()

    def take(profile: Profile) -> None:
        done = uninstall(profile)
        if done is None:
            say(f"{profile.title}: no plug-in in {profile.folder}")
            return
        say(f"{profile.title}: removed {done.folder}")
        _say_kept(done.kept)
        folders.add(done.service)

    failed = _each(_profiles(options.profile), take)
    used = {Path(settings.folder) for settings in map(settings_of, find_profiles()) if settings}
    for folder in folders - used:
        if stop_service(folder):
            say("Its service is stopped.")
        clear_folder(folder)
    return 1 if failed else 0


def _doctor(options: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from ..plugin.gimp_setup.doctor import examine
    from ..plugin.gimp_setup.profiles import profile_at
    from .doctor import MARKS

    findings = examine(profile_at(options.profile) if options.profile else None)
    if options.json:
        say(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            say(f"{MARKS[finding.state]}{finding.what}: {finding.found}")
            if finding.advice:
                say(f"      -> {finding.advice}")
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def _worker(options: argparse.Namespace) -> int:
    import math

    from ..plugin.gimp.lens.folder import LOG
    from ..plugin.gimp_setup.service import folder_for_worker, running_service
    from ..plugin.service.private import run as serve

    folder = folder_for_worker(_profiles(options.profile))
    if running_service(folder):
        say(f"The service runs already; its log is {folder / LOG}")
        return 0
    say(f"The service of the plug-in runs until Ctrl-C; its log is {folder / LOG}")
    code = serve(folder, idle_s=math.inf)
    say("Stopped.")
    return code


ACTIONS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "install": (_install, "put the plug-in into every profile of GIMP 3 that is found"),
    "uninstall": (_uninstall, "take it out again and stop its service"),
    "doctor": (_doctor, "say in order what works and what does not, with the next step"),
    "worker": (_worker, "run its service in this terminal, for a GIMP from Flatpak or Snap"),
}


def _profiles(named: Path | None) -> list[Profile]:
    """The one that was named, or all; raises `InputError` where there is none."""
    from ..imaging.errors import InputError
    from ..plugin.gimp_setup.profiles import find_profiles, has_old_profile, profile_at

    if named:
        return [profile_at(named)]
    found = find_profiles()
    if not found:
        old = "only one of GIMP 2, which cannot have the plug-in" if has_old_profile() else "none"
        raise InputError(f"No profile of GIMP 3 was found ({old}): start GIMP 3 once, or name one with --profile DIR.")
    return found


def _each(profiles: Sequence[Profile], act: Callable[[Profile], None]) -> int:
    """Do it for each profile; how many failed, each with its sentence."""
    from ..imaging.errors import InputError

    failed = 0
    for profile in profiles:
        try:
            act(profile)
        except InputError as error:
            say(f"{profile.title}: failed: {error}")
            failed += 1
    return failed


def _say_kept(names: Sequence[str]) -> None:
    if names:
        say(f"  kept what is not part of it: {', '.join(names)}")


def _say_if_gimp_is_old() -> None:
    from ..plugin.gimp_setup.programs import find_programs

    programs = find_programs()
    if programs and all(program.version[0] < 3 for program in programs):
        say(f"Only GIMP {programs[0].title} was found here; the plug-in needs GIMP 3 (https://www.gimp.org/downloads).")


def _say_sandbox(kind: str) -> None:
    from ..plugin.gimp_setup.doctor import OVERRIDE

    if kind == "flatpak":
        say("GIMP from Flatpak may not start programs. Allow it once:")
        say(f"  {OVERRIDE}")
        say("or run `inpaint-lens gimp worker` in a terminal while you use the plug-in.")
    elif kind == "snap":
        say("GIMP from Snap may not start programs: run `inpaint-lens gimp worker` in a terminal while you use it.")

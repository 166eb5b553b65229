"""What of the GIMP plug-in works here, checked by doing it, in the order in which one thing needs another."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ... import __version__
from ..gimp.lens.errors import Trouble
from ..gimp.lens.folder import LOG
from ..gimp.lens.settings import Settings
from ..gimp.lens.starting import connect
from ..gimp.lens.surroundings import clean_environment
from ..health import Finding
from .installing import MAIN, SETTINGS, differences, installed_settings
from .profiles import Kind, Profile, find_profiles, has_old_profile
from .programs import Program, find_programs, run_batch, run_limited
from .service import PACKAGES, running_service, settings_of, stop_service

PROCEDURES = tuple(f"plug-in-inpaint-lens-{verb}" for verb in ("fill", "explain", "refill", "models"))
INSTALL = "inpaint-lens gimp install"
OVERRIDE = "flatpak override --user --talk-name=org.freedesktop.Flatpak org.gimp.GIMP"
"""Lets GIMP from Flatpak start programs outside of its sandbox."""
BINDINGS = "sudo apt install python3-gi gir1.2-gimp-3.0 (Fedora: python3-gobject)"
GIMP_LIMIT_S = 60.0
PYTHON_LIMIT_S = 30.0
_TELLING = (MAIN, "Error:", "batch interpreter")
_MARK = "inpaint-lens procedures: "


def examine(named: Profile | None = None) -> list[Finding]:
    """All findings, the most basic first.

    Args:
        named: look at this profile only; None = at all that are found.
    """
    profiles = [named] if named else find_profiles()
    programs = find_programs()
    findings = [*_programs(programs, profiles), *_profiles(profiles)]
    installed = [profile for profile in profiles if installed_settings(profile)]
    for profile in profiles:
        findings += _plug_in(profile, needed=not installed)
    for settings in dict.fromkeys(filter(None, map(settings_of, installed))):
        findings += _python(settings) + _folder(settings) + _service(settings)
    kinds: set[Kind] = {profile.kind for profile in installed}
    findings += [finding for kind in sorted(kinds) for finding in _sandbox(kind)]
    if installed and sys.platform.startswith("linux"):
        findings += _interpreter()
    for profile in installed:
        findings += registered(profile, programs)
    return findings


def _programs(programs: Sequence[Program], profiles: Sequence[Profile]) -> list[Finding]:
    usable = [program for program in programs if program.version[0] >= 3]
    if usable:
        return [Finding("GIMP", "good", program.title) for program in usable]
    if programs:
        advice = "install GIMP 3 (https://www.gimp.org/downloads): the plug-in does not work in GIMP 2"
        return [Finding("GIMP", "bad", program.title, advice) for program in programs]
    if profiles:
        return [Finding("GIMP", "note", "not on the search path", "nothing to do if you start it in another way")]
    return [Finding("GIMP", "bad", "not found", "install GIMP 3 (https://www.gimp.org/downloads)")]


def _profiles(profiles: Sequence[Profile]) -> list[Finding]:
    if profiles:
        return [Finding("Profile", "good", f"{profile.title}: {profile.folder}") for profile in profiles]
    found = "none of GIMP 3, only of GIMP 2" if has_old_profile() else "none of GIMP 3"
    return [Finding("Profile", "bad", found, f"start GIMP 3 once, then: {INSTALL}")]


def _plug_in(profile: Profile, needed: bool) -> list[Finding]:
    """The plug-in's folder: there, of this version, unchanged, and such that GIMP runs it."""
    what = f"Plug-in in {profile.title}"
    settings = installed_settings(profile)
    if settings is None and profile.plug_in.exists():
        found = f"{profile.plug_in} has no {SETTINGS} that can be read"
        return [Finding(what, "bad", found, f"move that folder away, then: {INSTALL}")]
    if settings is None:
        return [Finding(what, "bad" if needed else "note", "not installed", INSTALL)]
    if settings["version"] != __version__:
        found = f"version {settings['version']}, but inpaint-lens is {__version__}"
        return [Finding(what, "bad", found, f"{INSTALL}, then start GIMP anew")]
    if different := differences(profile):
        return [Finding(what, "bad", ", ".join(different[:4]), f"{INSTALL}, then start GIMP anew")]
    if not os.access(profile.plug_in / MAIN, os.X_OK):
        return [Finding(what, "bad", f"{MAIN} may not be run", f"chmod +x '{profile.plug_in / MAIN}'")]
    return [Finding(what, "good", f"{settings['version']} at {profile.plug_in}")]


def _python(settings: Settings) -> list[Finding]:
    """Whether the Python that the plug-in was told of has this package and what its service needs."""
    what = "Python of the plug-in"
    code = (
        "import json, importlib.util as util, inpaint_lens\n"
        f"lacking = [name for name in {PACKAGES!r} if util.find_spec(name) is None]\n"
        "print(json.dumps([inpaint_lens.__version__, lacking]))"
    )
    if not Path(settings.python).exists():
        return [Finding(what, "bad", f"{settings.python} is gone", f"install inpaint-lens again, then: {INSTALL}")]
    ended = run_limited([settings.python, "-c", code], PYTHON_LIMIT_S, clean_environment(os.environ), Path.home())
    if ended.code != 0:
        why = _last_line(ended.err)
        return [Finding(what, "bad", f"{settings.python}: {why}", f"install inpaint-lens again, then: {INSTALL}")]
    version, lacking = json.loads(ended.out.splitlines()[-1])
    if version != settings.version:
        found = f"has inpaint-lens {version}, the plug-in is {settings.version}"
        return [Finding(what, "bad", f"{settings.python} {found}", f"{INSTALL}, then start GIMP anew")]
    if lacking:
        advice = f"{settings.python} -m pip install 'inpaint-lens[web]'"
        return [Finding(what, "bad", f"{settings.python} lacks {', '.join(lacking)}", advice)]
    return [Finding(what, "good", f"{settings.python}, inpaint-lens {version}")]


def _folder(settings: Settings) -> list[Finding]:
    """Whether the folder of the service is the person's alone."""
    what, folder = "Folder of the service", Path(settings.folder)
    if not folder.exists():
        return [Finding(what, "good", f"{folder} (made at the first use)")]
    if not hasattr(os, "getuid"):
        return [Finding(what, "good", str(folder))]
    facts = folder.lstat()
    if facts.st_uid != os.getuid():
        return [Finding(what, "bad", f"{folder} belongs to another user", "remove it; it is made anew")]
    if folder.is_symlink() or not folder.is_dir():
        return [Finding(what, "bad", f"{folder} is no folder", "remove it; it is made anew")]
    if facts.st_mode & 0o077:
        return [Finding(what, "bad", f"others may use {folder}", f"chmod 700 '{folder}'")]
    return [Finding(what, "good", str(folder))]


def _service(settings: Settings) -> list[Finding]:
    """Whether the service starts and answers; one that was not running before is stopped again."""
    before = running_service(Path(settings.folder))
    try:
        facts = connect(settings, lambda *_: None, lambda: False).json("GET", "/v1/private")
    except Trouble as trouble:
        return [Finding("Service", "bad", str(trouble), f"read {Path(settings.folder) / LOG}")]
    if before is None:
        stop_service(Path(settings.folder))
    state = "was running" if before else "starts"
    return [Finding("Service", "good", f"{state} and answers, version {facts['version']}")]


def _sandbox(kind: Kind) -> list[Finding]:
    """Whether a GIMP that is kept away from other programs may start the service."""
    worker = "run `inpaint-lens gimp worker` in a terminal while you use the plug-in"
    if kind == "system":
        return []
    if kind == "snap":
        return [Finding("Sandbox of Snap", "note", "GIMP may not start the service", worker)]
    asked = (("override", "--user", "--show"), ("override", "--show"), ("info", "--show-permissions"))
    told = (run_limited(["flatpak", *words, "org.gimp.GIMP"], PYTHON_LIMIT_S).out for words in asked)
    if any("org.freedesktop.Flatpak=talk" in text for text in told):
        return [Finding("Sandbox of Flatpak", "good", "GIMP may start the service")]
    return [Finding("Sandbox of Flatpak", "note", "GIMP may not start the service", f"{OVERRIDE} (or {worker})")]


def _interpreter() -> list[Finding]:
    """Whether the Python that runs plug-ins in GIMP has GObject's bindings."""
    what = "Python in GIMP"
    own = Path(sys.prefix) / "bin"
    path = os.pathsep.join(p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(p) != own)
    python = shutil.which("python3", path=path)
    if python is None:
        return [Finding(what, "bad", "there is no python3 on the search path", f"install it: {BINDINGS}")]
    code = "import platform, gi; print(platform.python_version(), 'with gi', gi.__version__)"
    ended = run_limited([python, "-c", code], PYTHON_LIMIT_S, clean_environment(os.environ), Path.home())
    if ended.code != 0:
        return [Finding(what, "note", f"{python}: {_last_line(ended.err)}", f"unless GIMP brings its own: {BINDINGS}")]
    return [Finding(what, "good", f"{python}, {ended.out.strip()}")]


def registered(profile: Profile, programs: Sequence[Program]) -> list[Finding]:
    """Whether a GIMP that uses this profile has registered all procedures."""
    what = f"Procedures in {profile.title}"
    program = next((program for program in programs if program.uses(profile)), None)
    if program is None:
        return [Finding(what, "note", "not checked: no such GIMP on the search path")]
    code = (
        "import json; known = Gimp.get_pdb().lookup_procedure\n"
        f"print('\\n{_MARK}' + json.dumps([n for n in {PROCEDURES!r} if known(n) is None]), flush=True)"
    )
    ended = run_batch(program, profile, code, GIMP_LIMIT_S)
    told = next((line for line in ended.out.splitlines() if line.startswith(_MARK)), None)
    if told is None:
        why = _complaint(ended.err) or _last_line(ended.err)
        advice = f"see whether GIMP has Filters > Development > Python-Fu; if not: {BINDINGS}"
        return [Finding(what, "bad", f"GIMP could not be asked: {why}", advice)]
    missing = json.loads(told.removeprefix(_MARK))
    if not missing:
        return [Finding(what, "good", f"GIMP {'.'.join(map(str, program.version))} has all {len(PROCEDURES)}")]
    why = _complaint(ended.err)
    found = f"GIMP lacks {', '.join(missing)}" + (f" ({why})" if why else "")
    return [Finding(what, "bad", found, f"{INSTALL}, then start GIMP in a terminal and read what it says")]


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def _complaint(text: str) -> str:
    """What GIMP's standard error says of the plug-in or of Python, among much that is harmless; empty for nothing."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if any(word in line for word in _TELLING)), "")

"""Copy the plug-in into a profile of GIMP, as a whole or not at all, and take it out again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ... import __version__
from ...imaging.errors import InputError
from ...weights_registry.settings import default_cache
from .profiles import PLUG_IN, Profile

PACKAGE = Path(__file__).resolve().parent.parent / "gimp"
"""Where the plug-in's files are in this package."""
MAIN = f"{PLUG_IN}.py"
"""The file that GIMP runs."""
MODULES = "lens"
"""The folder of the modules that the main file imports."""
SETTINGS = "settings.json"
"""Says which Python has this package; its keys also mark a folder as made by `install`."""
_KEYS = frozenset({"python", "version", "folder"})
_OWN = frozenset({MAIN, MODULES, SETTINGS, "__pycache__"})
_NEW = f".{PLUG_IN}.new"
_OLD = f".{PLUG_IN}.old"


@dataclass(frozen=True)
class Installed:
    """What `install` did.

    Attributes:
        folder: of the plug-in.
        before: version that was there; None where there was none.
        kept: names in the folder that are not ours and were left.
    """

    folder: Path
    before: str | None
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """What `uninstall` did.

    Attributes:
        folder: of the plug-in; it is gone unless something is in `kept`.
        service: folder of the private service that the plug-in used.
        kept: names in the folder that are not ours and were left.
    """

    folder: Path
    service: Path
    kept: tuple[str, ...]


def sources() -> dict[str, Path]:
    """The plug-in's files in this package, by their place in its folder.

    Raises:
        InputError: they are not there.
    """
    if not (PACKAGE / MAIN).is_file():
        raise InputError(f"{PACKAGE / MAIN} is missing: install inpaint-lens anew (pip install --force-reinstall).")
    modules = (path for path in sorted((PACKAGE / MODULES).rglob("*")) if path.is_file() and not _compiled(path))
    return {path.relative_to(PACKAGE).as_posix(): path for path in (PACKAGE / MAIN, *modules)}


def running_python() -> Path:
    """The Python that runs this, by the path of its own environment."""
    return Path(os.path.abspath(sys.executable))  # noqa: PTH100  (resolve() would leave the environment)


def service_folder(profile: Profile) -> Path:
    """Where the plug-in in a profile and its private service meet: a folder that both can reach.

    A GIMP from Snap sees no hidden folder of the person's home, only its own.
    """
    if profile.kind == "snap":
        return Path.home() / "snap" / "gimp" / "common" / PLUG_IN
    return Path(os.path.abspath(default_cache() / "private"))  # noqa: PTH100


def installed_settings(profile: Profile) -> dict[str, str] | None:
    """What `install` wrote into the plug-in's folder; None where it did not make that folder."""
    try:
        found = json.loads((profile.plug_in / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not (isinstance(found, dict) and found.keys() >= _KEYS):
        return None
    return {key: str(found[key]) for key in _KEYS}


def install(profile: Profile, python: Path | None = None) -> Installed:
    """Put the plug-in into a profile, in the place of an earlier one.

    What is in its folder and not ours stays. The folder is made beside its place and then renamed, so that GIMP sees
    the old plug-in or the new one.

    Args:
        profile: which one.
        python: that has this package; None = the running one.

    Raises:
        InputError: a folder of this name is there that `install` did not make, or the profile cannot be written.
    """
    target = profile.plug_in
    try:
        _recover(target)
        _check_own(profile)
        before = installed_settings(profile)
        kept = _foreign(target)
        new = target.with_name(_NEW)
        try:
            _write(new, {"python": str(python or running_python()), "version": __version__}, service_folder(profile))
            for name in kept:
                _copy(target / name, new / name)
            _swap(new, target)
        finally:
            _remove(new)
    except OSError as error:
        raise _unwritable(target, error) from error
    return Installed(target, before["version"] if before else None, kept)


def uninstall(profile: Profile) -> Removed | None:
    """Take the plug-in out of a profile; what is in its folder and not ours stays.

    Returns:
        What was done; None where there is no plug-in.

    Raises:
        InputError: a folder of this name is there that `install` did not make, or the profile cannot be written.
    """
    target = profile.plug_in
    try:
        _recover(target)
        _check_own(profile)
        settings = installed_settings(profile)
        if settings is None:
            return None
        kept = _foreign(target)
        for name in (MAIN, MODULES, "__pycache__", SETTINGS):  # the mark last: cut short, a second call finishes
            _remove(target / name)
        if not kept:
            target.rmdir()
    except OSError as error:
        raise _unwritable(target, error) from error
    return Removed(target, Path(settings["folder"]), kept)


def differences(profile: Profile) -> list[str]:
    """The plug-in's files in a profile that are missing, differ from this package's, or are no part of it."""
    theirs = {
        path.relative_to(profile.plug_in).as_posix()
        for path in (profile.plug_in / MODULES).rglob("*")
        if path.is_file() and not _compiled(path)
    }
    told = []
    for name, source in sources().items():
        copy = profile.plug_in / name
        if not copy.is_file():
            told.append(f"{name} is missing")
        elif copy.read_bytes() != source.read_bytes():
            told.append(f"{name} differs")
    return told + [f"{name} is from another version" for name in sorted(theirs - sources().keys())]


def _compiled(path: Path) -> bool:
    return path.suffix == ".pyc" or "__pycache__" in path.parts


def _check_own(profile: Profile) -> None:
    target = profile.plug_in
    if target.is_symlink():
        raise InputError(f"{target} is a link that `gimp install` did not make: remove it, then try again.")
    if target.exists() and installed_settings(profile) is None and not _is_empty(target):
        raise InputError(f"{target} is there and `gimp install` did not make it: move it away, then try again.")


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _foreign(target: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in target.iterdir() if path.name not in _OWN)) if target.is_dir() else ()


def _write(folder: Path, settings: dict[str, str], service: Path) -> None:
    for name, source in sources().items():
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)  # gives it a new time, by which GIMP knows that it has to ask it anew
        copy.chmod(0o755 if name == MAIN else 0o644)
    text = json.dumps({**settings, "folder": str(service)}, indent=2) + "\n"
    (folder / SETTINGS).write_text(text, "utf-8")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _swap(new: Path, target: Path) -> None:
    old = target.with_name(_OLD)
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    _remove(old)


def _recover(target: Path) -> None:
    """Put right what an installation left that was ended in its middle."""
    old = target.with_name(_OLD)
    if old.exists() and not target.exists():
        old.rename(target)
    _remove(old)
    _remove(target.with_name(_NEW))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unwritable(target: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    return InputError(f"{target} cannot be written ({reason}): check who owns {target.parent} and the space on disk.")

"""Profiles of GIMP 3: the folders in which each GIMP keeps a person's settings and plug-ins."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...imaging.errors import InputError

Kind = Literal["system", "flatpak", "snap"]
"""How GIMP was installed; Flatpak and Snap keep it away from other programs."""
PLUG_IN = "inpaint-lens"
"""Name of the plug-in's folder; GIMP wants its main file to be called alike."""
_PACKAGED: dict[Kind, str] = {"system": "", "flatpak": " (Flatpak)", "snap": " (Snap)"}


@dataclass(frozen=True)
class Profile:
    """One profile.

    Attributes:
        folder: of the profile, such as `~/.config/GIMP/3.0`.
        kind: of the GIMP that uses it.
    """

    folder: Path
    kind: Kind = "system"

    @property
    def version(self) -> str:
        """`3.0` of a folder that GIMP named; empty for one that a person named."""
        return self.folder.name if _is_version(self.folder.name, 3) else ""

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return f"GIMP {self.version or '3'}{_PACKAGED[self.kind]}"

    @property
    def plug_in(self) -> Path:
        """Where the plug-in lies once it is installed."""
        return self.folder / "plug-ins" / PLUG_IN


@dataclass(frozen=True)
class Surroundings:
    """What decides where GIMP keeps its profiles.

    Attributes:
        environment: variables; of interest are GIMP3_DIRECTORY, XDG_CONFIG_HOME and APPDATA.
        home: of the person.
        system: as `sys.platform` says it.
    """

    environment: Mapping[str, str]
    home: Path
    system: str = sys.platform

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        return cls(os.environ, Path.home())


def find_profiles(around: Surroundings | None = None) -> list[Profile]:
    """Every profile of GIMP 3 that there is, each once, oldest version first; none is made."""
    around = around or Surroundings.here()
    found = {profile.folder.resolve(): profile for profile in reversed(list(_candidates(around)))}
    return sorted(found.values(), key=lambda profile: (profile.kind != "system", profile.kind, _numbers(profile)))


def profile_at(folder: Path, around: Surroundings | None = None) -> Profile:
    """The profile that a person named.

    Raises:
        InputError: it is no folder, one of another GIMP, or the plug-ins folder in a profile.
    """
    around = around or Surroundings.here()
    folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100  (resolve() would follow links)
    if folder.name == "plug-ins":
        raise InputError(f"--profile {folder} is the plug-ins folder: give the profile, {folder.parent}.")
    if _is_version(folder.name, 2):
        raise InputError(f"--profile {folder} is of GIMP {folder.name}: the plug-in needs GIMP 3.")
    if not folder.is_dir():
        raise InputError(f"--profile {folder} is no folder: start GIMP 3 once, which makes its profile.")
    return Profile(folder, _kind_of(folder, around.home))


def has_old_profile(around: Surroundings | None = None) -> bool:
    """Whether there is a profile of GIMP 2, for which there is no plug-in."""
    around = around or Surroundings.here()
    return any(_is_version(folder.name, 2) for root, _ in _roots(around) for folder in _folders(root))


def _candidates(around: Surroundings) -> Iterator[Profile]:
    if named := around.environment.get("GIMP3_DIRECTORY"):
        folder = around.home / named  # GIMP takes a relative one as below the home folder
        if folder.is_dir():
            yield Profile(folder)
    for root, kind in _roots(around):
        if kind == "system" and named:
            continue
        yield from (Profile(folder, kind) for folder in _folders(root) if _is_version(folder.name, 3))


def _roots(around: Surroundings) -> list[tuple[Path, Kind]]:
    """Folders that hold one profile for each version."""
    home = around.home
    if around.system == "darwin":
        return [(home / "Library" / "Application Support" / "GIMP", "system")]
    if around.system == "win32":
        return [(Path(around.environment.get("APPDATA") or home / "AppData" / "Roaming") / "GIMP", "system")]
    config = around.environment.get("XDG_CONFIG_HOME") or home / ".config"
    snap = home / "snap" / "gimp"
    return [
        (Path(config) / "GIMP", "system"),
        (home / ".var" / "app" / "org.gimp.GIMP" / "config" / "GIMP", "flatpak"),
        (snap / "current" / ".config" / "GIMP", "snap"),
        (snap / "common" / ".config" / "GIMP", "snap"),
    ]


def _folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []


def _kind_of(folder: Path, home: Path) -> Kind:
    if folder.is_relative_to(home / ".var" / "app"):
        return "flatpak"
    return "snap" if folder.is_relative_to(home / "snap") else "system"


def _is_version(name: str, major: int) -> bool:
    return re.fullmatch(rf"{major}\.\d+", name) is not None


def _numbers(profile: Profile) -> tuple[list[int], str]:
    return [int(part) for part in profile.version.split(".") if part], str(profile.folder)

"""GIMP as a program: which ones are here, of which version, and what one of them answers in batch mode."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .profiles import Kind, Profile

NAMES = ("gimp-console-3.2", "gimp-console-3.0", "gimp-console-3", "gimp-console", "gimp-3.2", "gimp-3.0", "gimp")
"""The console programs first: they need no display."""
FLATPAK = ("flatpak", "run", "org.gimp.GIMP")
VERSION_LIMIT_S = 20.0


@dataclass(frozen=True)
class Program:
    """One GIMP that can be run.

    Attributes:
        command: words that run it.
        version: numbers, the major one first.
        kind: how it was installed.
    """

    command: tuple[str, ...]
    version: tuple[int, ...]
    kind: Kind = "system"

    @property
    def title(self) -> str:
        """Version and where it is, for a sentence."""
        return f"{'.'.join(map(str, self.version))} ({' '.join(self.command)})"

    def uses(self, profile: Profile) -> bool:
        """Whether it keeps its settings in this profile, or can be made to without harm."""
        short = ".".join(map(str, self.version[:2]))
        return self.kind == profile.kind and self.version[0] >= 3 and profile.version in ("", short)


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        code: exit code; None where it was stopped at its time limit or could not be run.
        out: standard output.
        err: standard error.
    """

    code: int | None
    out: str
    err: str


def find_programs() -> list[Program]:
    """Every GIMP on the search path and in the usual places, one for each file behind the names."""
    files = {Path(path).resolve(): path for path in reversed([*_on_path(), *_usual_places()])}
    found = [_program((path,), _kind(path)) for path in reversed(files.values())]
    if shutil.which("flatpak"):
        found.append(_program(FLATPAK, "flatpak"))
    kept: dict[tuple[Kind, tuple[int, ...]], Program] = {}
    for program in filter(None, found):
        kept.setdefault((program.kind, program.version), program)
    return list(kept.values())


def run_batch(program: Program, profile: Profile, code: str, limit_s: float) -> Ended:
    """Run Python code in a GIMP without a window.

    Args:
        program: which GIMP.
        profile: whose plug-ins it sees.
        code: Python; `Gimp` and `gi` are there already.
        limit_s: patience, in seconds; then GIMP and what it started are ended.
    """
    options = ("--no-interface", "--no-data", "--no-fonts", "--quit", "--batch-interpreter=python-fu-eval")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if profile.kind == "system":
        environment["GIMP3_DIRECTORY"] = str(profile.folder)
    return run_limited((*program.command, *options, "--batch", code), limit_s, environment)


def run_limited(
    command: Sequence[str],
    limit_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Ended:
    """Run a command with nothing to read; at the time limit it and all that it started are ended."""
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Ended(None, "", f"{command[0]} cannot be run ({error.strerror})")
    with process:
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return Ended(None, "", f"{Path(command[0]).name} gave no answer in {limit_s:.0f} s")
    return Ended(process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


def _on_path() -> list[str]:
    return [path for name in NAMES if (path := shutil.which(name))]


def _usual_places() -> list[str]:
    """Where installers put GIMP without telling the search path."""
    if sys.platform == "darwin":
        places = [Path("/Applications"), Path.home() / "Applications"]
        files = [
            place / "GIMP.app" / "Contents" / "MacOS" / name for place in places for name in ("gimp-console", "gimp")
        ]
    elif sys.platform == "win32":
        roots = [Path(os.environ[name]) for name in ("ProgramFiles", "LOCALAPPDATA") if name in os.environ]
        folders = [root / below / "GIMP 3" / "bin" for root in roots for below in ("", "Programs")]
        files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("gimp-console*.exe"))]
    else:
        return []
    return [str(file) for file in files if file.is_file()]


def _kind(path: str) -> Kind:
    return "snap" if path.startswith("/snap/") or "/snapd/" in path else "system"


def _program(command: tuple[str, ...], kind: Kind) -> Program | None:
    """The program with its version; None where it does not say one."""
    told = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", run_limited((*command, "--version"), VERSION_LIMIT_S).out)
    return Program(command, tuple(int(part) for part in told.groups() if part), kind) if told else None

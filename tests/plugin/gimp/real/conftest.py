"""Tests in a real GIMP 3: `INPAINT_LENS_GIMP_ROOT` names a tree that `.ci/gimp-root` built, or one is installed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from inpaint_lens.plugin.gimp_setup.installing import SETTINGS, install
from inpaint_lens.plugin.gimp_setup.profiles import Profile

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[3]
TOOL = REPOSITORY / ".ci" / "gimp-root"
LIMIT_S = 900
PLUG_INS = ("usr/lib/x86_64-linux-gnu/gimp/3.0/plug-ins", "usr/lib/gimp/3.0/plug-ins")
NEEDED = ("python-eval", "file-png", "file-jpeg")
"""GIMP's own plug-ins that the tests use; without the others it starts three times as fast."""
GIMPRC = """(plug-in-path "${gimp_dir}/plug-ins")
(show-welcome-dialog no)
(check-updates no)
(config-version "3.0.4")
"""


@dataclass
class Gimp:
    """A GIMP with a profile of its own, into which the plug-in is installed.

    Attributes:
        root: the tree that it lives in; None where it is installed here.
        folder: of everything that it writes.
        told: what each script said, by its name.
        scripts: what runs in GIMP, or beside it.
    """

    root: str | None
    folder: Path
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    scripts: Path = HERE

    @property
    def profile(self) -> Path:
        """GIMP's folder of settings."""
        return self.folder / "profile"

    def prepare(self) -> None:
        """Make the profile."""
        own = self.profile / "plug-ins"
        own.mkdir(parents=True)
        (self.profile / "plug-in-settings").mkdir()
        (self.profile / "gimprc").write_text(GIMPRC)
        base = Path(self.root or "/")
        found = next(base / place for place in PLUG_INS if (base / place).is_dir())
        for name in NEEDED:
            (own / name).symlink_to("/" / (found / name).relative_to(base))
        installed = install(Profile(self.profile)).folder
        (self.folder / "service").mkdir(mode=0o700)
        settings = json.loads((installed / SETTINGS).read_text())
        (installed / SETTINGS).write_text(json.dumps(settings | {"folder": str(self.folder / "service")}))
        actor = own / "actor"
        actor.mkdir()
        shutil.copy(HERE / "gimp_actor.py", actor / "actor.py")
        (actor / "actor.py").chmod(0o755)

    def run(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command where GIMP is."""
        variables = {"GIMP3_DIRECTORY": str(self.profile), "OUT": str(self.folder), "NO_AT_BRIDGE": "1"} | variables
        if self.root is None:
            environment = os.environ | variables
        else:
            seen = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
            options = [part for path in sorted(seen) for part in ("--ro", str(path))] + ["--bind", str(self.folder)]
            options += [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
            environment, command = dict(os.environ), [str(TOOL), "--run", self.root, *options, *command]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL
        )

    def told_by(self, script: str, **variables: str) -> dict[str, Any]:
        """What a script of this folder said of each of its cases; it is run once."""
        if script not in self.told:
            path, answer = HERE / f"{script}.py", self.folder / f"{script}.json"
            start = f"import sys; sys.path.insert(0, {str(HERE)!r}); __file__ = {str(path)!r}"
            line = f"{start}; exec(compile(open(__file__).read(), __file__, 'exec'))"
            options = ["-i", "-d", "--quit", "--batch-interpreter=python-fu-eval", "-b", line]
            done = self.run(["gimp-console", *options], ANSWER=str(answer), **variables)
            assert answer.exists(), done.stderr[-4000:]
            self.told[script] = json.loads(answer.read_text()) | {"stderr": done.stderr}
        return self.told[script]

    def told_beside(self, script: str) -> dict[str, Any]:
        """What a script said that runs beside a GIMP with windows."""
        answer = self.folder / f"{script}.json"
        variables = {"ANSWER": str(answer), "PICTURE": str(REPOSITORY / "samples" / "otter.jpg")}
        done = self.run(["python3", str(HERE / f"{script}.py")], **variables)
        assert answer.exists(), done.stderr[-4000:]
        return json.loads(answer.read_text())


@pytest.fixture(scope="session")
def gimp() -> Iterator[Gimp]:
    """One for all tests, since the first start in a profile is slow."""
    root = os.environ.get("INPAINT_LENS_GIMP_ROOT")
    missing = ""
    if root and os.geteuid():
        missing = "INPAINT_LENS_GIMP_ROOT needs root"
    elif not root and not shutil.which("gimp-console-3.0"):
        missing = "there is no GIMP 3: build one with .ci/gimp-root, and set INPAINT_LENS_GIMP_ROOT"
    elif root and Path(sys.base_prefix) == Path("/usr"):
        missing = "this Python lies where the tree has its own: take another for the virtual environment"
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    # A short name, because that of a Unix socket must be.
    with tempfile.TemporaryDirectory(prefix="gimp-", dir="/tmp") as folder:
        made = Gimp(root, Path(folder))
        made.prepare()
        yield made


@pytest.fixture(scope="session")
def kinds(gimp: Gimp) -> Callable[[str], dict[str, Any]]:
    """What came of a case of `gimp_kinds.py`."""
    told = gimp.told_by("gimp_kinds")
    return lambda name: told[name]


@pytest.fixture(scope="session")
def loop(gimp: Gimp) -> dict[str, Any]:
    """What came of the cases of `gimp_loop.py`."""
    return gimp.told_by("gimp_loop")


@pytest.fixture(scope="session")
def troubles(gimp: Gimp) -> dict[str, Any]:
    """What came of the cases of `gimp_troubles.py`."""
    return gimp.told_by("gimp_troubles")

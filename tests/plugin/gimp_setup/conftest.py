from collections.abc import Callable
from pathlib import Path

import pytest
from inpaint_lens.plugin.gimp_setup import installing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person without any GIMP, whose folders are in a temporary one."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("GIMP3_DIRECTORY", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "INPAINT_LENS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return home


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small plug-in to install, in the place of the real one."""
    folder = tmp_path / "package"
    (folder / "lens" / "__pycache__").mkdir(parents=True)
    (folder / "inpaint-lens.py").write_text("#!/usr/bin/env python3\n")
    (folder / "lens" / "__init__.py").write_text("")
    (folder / "lens" / "work.py").write_text("ANSWER = 42\n")
    (folder / "lens" / "__pycache__" / "work.cpython-311.pyc").write_bytes(b"compiled")
    monkeypatch.setattr(installing, "PACKAGE", folder)
    return folder


@pytest.fixture
def make_profile(home: Path) -> Callable[..., Path]:
    """Make the folder of a profile, as GIMP does at its first start."""

    def make(below: str = ".config/GIMP/3.0") -> Path:
        folder = home / below
        folder.mkdir(parents=True)
        return folder

    return make


@pytest.fixture
def fake_program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Put a shell script on the search path."""

    def make(name: str, script: str) -> Path:
        file = tmp_path / "bin" / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    return make

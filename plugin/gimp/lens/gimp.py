"""GIMP's own libraries, in the versions that the plug-in is written for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import gi  # pyright: ignore[reportMissingImports]


def library(name: str, version: str) -> Any:
    """A library that describes itself to Python; raises `ValueError` where GIMP has another version."""
    gi.require_version(name, version)
    return import_module(f"gi.repository.{name}")


Gegl, Gimp = library("Gegl", "0.4"), library("Gimp", "3.0")
GLib, GObject = library("GLib", "2.0"), library("GObject", "2.0")

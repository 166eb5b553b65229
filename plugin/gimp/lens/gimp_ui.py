"""Widgets; imported late, because it needs a display."""

from __future__ import annotations

from .gimp import library

Gtk, GimpUi, Pango = library("Gtk", "3.0"), library("GimpUi", "3.0"), library("Pango", "1.0")

#!/usr/bin/env python3
# ruff: noqa: N999 - GIMP looks for a file with the name of its folder
"""Inpaint Lens in GIMP 3: fill a selection, see why it was filled so, exclude, and fill again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lens.gimp import Gimp
from lens.procedures import InpaintLens

Gimp.main(InpaintLens.__gtype__, sys.argv)

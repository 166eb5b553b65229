#!/usr/bin/env python3
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""A second hand in GIMP: runs the files that a test puts down, while another plug-in is at work."""

import os
import sys
import time
import traceback
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp  # noqa: E402

FOLDER = Path(os.environ["OUT"], "acts")


def act(procedure, _config, _data):
    FOLDER.mkdir(exist_ok=True)
    procedure.persistent_ready()
    while True:
        for path in sorted(FOLDER.glob("*.py")):
            try:
                exec(path.read_text(), {"Gimp": Gimp, "time": time})
            except Exception:
                path.with_suffix(".error").write_text(traceback.format_exc())
            path.rename(path.with_suffix(".done"))
        time.sleep(0.02)


class Actor(Gimp.PlugIn):
    def do_set_i18n(self, _name):
        return False

    def do_query_procedures(self):
        return ["plug-in-test-actor"]

    def do_create_procedure(self, name):
        return Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, act, None)


Gimp.main(Actor.__gtype__, sys.argv)

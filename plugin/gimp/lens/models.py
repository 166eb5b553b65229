"""Models…: which backends there are, what their weights weigh, and downloads."""

from __future__ import annotations

from typing import Any

from .asking import client_for
from .declaring import PREFIX, READ_WRITE, answered, describe
from .gimp import Gimp, GLib
from .progress import shown
from .refusals import Refusal

MODELS = f"{PREFIX}models"
_NO_NAMES = "Models… is a window: run it interactively, or give the names of backends as download, with commas between."


def declare_models(plug_in: Any) -> Any:
    """The procedure."""
    procedure = Gimp.ImageProcedure.new(plug_in, MODELS, Gimp.PDBProcType.PLUGIN, _run, None)
    blurb = "See which models there are, and download their weights"
    describe(procedure, "_Models...", blurb, "Says the licence and size of each before anything is downloaded.")
    help_ = "For scripts: names of backends whose weights to download, with commas between"
    procedure.add_string_argument("download", "_Download", help_, "", READ_WRITE)
    return procedure


def _run(procedure: Any, run_mode: Any, _image: Any, _drawables: list[Any], config: Any, _data: Any) -> Any:
    def work() -> Any:
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from .models_dialog import ModelsDialog

            ModelsDialog().run()
        else:
            _download(config.get_property("download") or "", run_mode)
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())

    return answered(procedure, work)


def _download(given: str, run_mode: Any) -> None:
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names:
        raise Refusal(_NO_NAMES)
    with shown(run_mode, "Download") as progress:
        client_for(progress).download(names, progress.tell, progress.stopped)

"""The plug-in as GIMP sees it: which procedures there are."""

from __future__ import annotations

from typing import Any

from .actions import ACTIONS, run
from .declaring import READ_WRITE, describe
from .gimp import Gimp
from .models import MODELS, declare_models


class InpaintLens(Gimp.PlugIn):
    """Filters > Inpaint Lens."""

    def do_set_i18n(self, _name: str) -> bool:
        """There are no translations."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Their names."""
        return [*ACTIONS, MODELS]

    def do_create_procedure(self, name: str) -> Any:
        """One of them."""
        if name == MODELS:
            return declare_models(self)
        action = ACTIONS[name]
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        describe(procedure, action.label, action.blurb, action.help)
        action.declare(procedure)
        procedure.add_layer_return_value("result", "Result", "The layer with the fill", True, READ_WRITE)
        procedure.add_layer_return_value("heatmap", "Heatmap", "The layer with the heatmap", True, READ_WRITE)
        return procedure

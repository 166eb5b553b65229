"""What all procedures have, and what GIMP is told of how they end."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import settings
from .errors import Stopped, Trouble
from .gimp import Gimp, GLib, GObject
from .refusals import Refusal

PREFIX = "plug-in-inpaint-lens-"
MENU = "<Image>/Filters/Inpaint Lens"
LOG = "gimp.log"
"""In the service's folder; what nobody expected."""
READ_WRITE = GObject.ParamFlags.READWRITE


def describe(procedure: Any, label: str, blurb: str, help_: str) -> None:
    """What all procedures have; none is ever greyed out, because a refusal says why."""
    procedure.set_image_types("*")
    mask = Gimp.ProcedureSensitivityMask
    procedure.set_sensitivity_mask(mask.DRAWABLE | mask.DRAWABLES | mask.NO_DRAWABLES | mask.NO_IMAGE)
    procedure.set_menu_label(label)
    procedure.set_documentation(blurb, help_, procedure.get_name())
    procedure.set_attribution("Inpaint Lens", "Inpaint Lens", "2026")
    procedure.add_menu_path(MENU)


def answered(procedure: Any, work: Callable[[], Any]) -> Any:
    """What GIMP is told: what `work` returns, or what kept it from it."""
    status, sentence = Gimp.PDBStatusType.EXECUTION_ERROR, ""
    try:
        return work()
    except Stopped:
        status = Gimp.PDBStatusType.CANCEL
    except Refusal as refusal:
        status, sentence = Gimp.PDBStatusType.CALLING_ERROR, str(refusal)
    except Trouble as trouble:
        sentence = str(trouble)
    except Exception as error:  # GIMP would say nothing at all
        sentence = f"Something unexpected went wrong ({type(error).__name__}){_logged()}: try again."
    return procedure.new_return_values(status, GLib.Error(sentence) if sentence else GLib.Error())


def _logged() -> str:
    """Keep the traceback of the exception at hand; says where."""
    with suppress(Trouble, OSError):
        path = Path(settings.read().folder, LOG)
        with open(path, "a", encoding="utf-8", opener=_private) as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {traceback.format_exc()}\n")
        return f" (log: {path})"
    return ""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

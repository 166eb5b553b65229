"""Files to take home, made only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from ..imaging.errors import LensError
from ..plugin.service.wording import told
from .desk import QUIET
from .results import Shot
from .visits import Visit
from .widgets import delivered, delivery, refused

FILES: dict[str, tuple[str, Callable[[Shot], bytes]]] = {
    "Result (PNG)": (".png", lambda shot: Path(shot.result_file()).read_bytes()),
    "Layers (.ora)": (".ora", Shot.layers_bytes),
    "Heatmap (PNG)": ("_heatmap.png", Shot.heatmap_bytes),
    "Report (JSON)": (".json", Shot.report_bytes),
}


class Downloads:
    """A row of buttons under the result."""

    def __init__(self, visit: gr.State) -> None:
        buttons: dict[str, gr.Button] = {}
        with gr.Row(elem_classes="downloads"):
            gr.HTML('<span class="label">Save</span>')
            for words in FILES:
                button = gr.Button(words, size="sm", min_width=96)
                buttons[words] = button
        self.delivery = delivery("delivery")
        for words, button in buttons.items():
            button.click(_maker(words), visit, self.delivery, **QUIET)


def _maker(words: str) -> Callable[[Visit], dict[str, Any]]:
    def make(visit: Visit) -> dict[str, Any]:
        return file_of(visit, words)

    return make


def file_of(visit: Visit, words: str) -> dict[str, Any]:
    """One of `FILES` of the newest fill, as a value for `delivery`."""
    ending, make = FILES[words]
    try:
        shot = visit.shot
        return delivered(make(shot), shot.name + ending)
    except LensError as error:
        return refused(str(told(error)))

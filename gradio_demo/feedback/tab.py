"""The Train tab: the list of tasks and the four pages of one."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ...imaging.reading import Limits
from ..desk import QUICK
from .bench import Bench
from .labels_page import LabelsPage
from .samples_page import SamplesPage
from .shelf import Shelf
from .start_page import StartPage
from .tasks_page import TasksPage
from .words_page import WordsPage

PAGES = {
    "tasks": TasksPage, "start": StartPage, "samples": SamplesPage, "labels": LabelsPage, "words": WordsPage,
}  # fmt: skip


class FeedbackTab:
    """Components of the tab, and what they do.

    Args:
        folder: of the tasks.
        limits: of uploaded pictures.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.bench = bench = Bench(Shelf(folder), limits)
        for name, page in PAGES.items():
            with gr.Column(elem_id=f"train-{name}", elem_classes="train-page"):
                bench.pages[name] = page(bench)
        for page in bench.pages.values():
            page.wire()
        bench.pulse.beat(bench.beat, [bench.seat], bench.places, trigger_mode="once", **QUICK)
        bench.on_press(bench.steps.select, lambda seat, data: bench.go(seat, data.get("page")))

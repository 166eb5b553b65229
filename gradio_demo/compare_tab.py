"""The Compare tab: two to four backends on the same hole, on one scale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from ..imaging.errors import LensError
from ..imaging.writing import encode_png
from ..plugin.files import overlay_picture
from ..plugin.service.wording import told
from . import backend_choice, compare_actions
from .desk import QUICK, QUIET, Desk, aside, lines, sentence, taken
from .doing import fill_all, place
from .fill_tab import FillTab
from .photos import jpeg, small
from .progress import note, starting
from .results import Sheet
from .samples import sample_names, title
from .visits import Visit
from .widgets import Painted, cached, chosen_of, delivered, delivery, painted_of, refused

Update = dict[Any, Any]
OWN, TEST = "own", "test"
TAB = "compare"
WELCOME = "Each backend fills the same hole, and each fill is explained."
START = ("lens-small", "exemplar", "telea")


class CompareTab:
    """Components of the tab, and what they do."""

    def __init__(self, desk: Desk, tab: FillTab) -> None:
        self.desk, self.fill_tab, self.visit = desk, tab, tab.visit
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=1, min_width=300, elem_classes="left"):
                self._left()
            with gr.Column(scale=2, min_width=320, elem_classes="right"):
                self.sheet = gr.Image(
                    label="Fills and heatmaps on one scale", type="filepath", format="png", interactive=False,
                    buttons=["fullscreen"], elem_id="sheet",
                )  # fmt: skip
                self.table = gr.HTML(elem_id="numbers")
                self.gallery = gr.Gallery(
                    label="One by one", columns=4, object_fit="contain", interactive=False, elem_id="gallery",
                    height="auto", buttons=["fullscreen"], visible=False,
                )  # fmt: skip
        self._wire()

    def _left(self) -> None:
        kinds = [("My picture and paint, from the Fill tab", OWN), ("A test hole, so that the truth is known", TEST)]
        self.kind = gr.Radio(kinds, value=OWN, label="What to fill", elem_id="compare-what")
        with gr.Row(visible=False) as self.test:
            samples = [(title(name), name) for name in sample_names()]
            self.sample = gr.Dropdown(samples, value=samples[0][1], label="Photograph", elem_id="compare-sample")
            self.hole_seed = gr.Number(1, precision=0, minimum=0, label="Hole number", elem_id="compare-hole")
        self.preview = gr.Image(
            label="Picture and hole", interactive=False, visible=False, height=220, buttons=[], format="jpeg"
        )
        ready = backend_choice.ready_names()
        self.backends = gr.Dropdown(
            backend_choice.choices(),
            value=[name for name in START if name in ready],
            multiselect=True,
            max_choices=compare_actions.MOST_BACKENDS,
            label="Backends, two to four",
            elem_id="compare-backends",
        )
        with gr.Row(elem_classes="go"):
            self.compare = gr.Button("Compare", variant="primary", elem_id="compare", scale=2)
            self.stop = gr.Button("Stop", interactive=False, elem_id="compare-stop", scale=1, min_width=72)
        self.status = gr.HTML(note(WELCOME), elem_id="compare-status")
        self.save = gr.Button("Save all (zip)", elem_id="save-all", size="sm")
        self.delivery = delivery("compare-delivery")

    def _wire(self) -> None:
        chosen = [self.kind, self.sample, self.hole_seed]
        for part in chosen:
            part.change(self.on_choice, chosen, [self.test, self.preview], **QUIET)
        inputs = [self.visit, self.fill_tab.painter, self.fill_tab.form, self.backends, *chosen]
        outputs = [self.visit, self.status, self.compare, self.stop, self.sheet, self.table, self.gallery]
        self.compare.click(self.on_compare, inputs, outputs, concurrency_limit=None, **QUIET)
        self.stop.click(self.on_stop, self.visit, None, **QUICK)
        self.save.click(self.on_save, self.visit, self.delivery, **QUIET)

    def on_stop(self, visit: Visit) -> None:
        """Stop what runs or waits."""
        visit.stop(TAB)

    def on_choice(self, kind: str, sample: str, seed: float) -> Update:
        """Another hole is to be filled."""
        if kind == OWN:
            return {self.test: gr.update(visible=False), self.preview: gr.update(visible=False)}
        task = compare_actions.test_task(sample, int(seed or 0), self.desk.limits)
        return {
            self.test: gr.update(visible=True),
            self.preview: gr.update(visible=True, value=compare_actions.preview(task)),
        }

    async def on_compare(
        self,
        visit: Visit,
        painter: Any,
        form: Any,
        names: list[str],
        kind: str,
        sample: str,
        seed: float,
    ) -> AsyncIterator[Update]:
        """Let every chosen backend fill the same hole."""
        yield {
            self.status: starting("Comparing"),
            self.compare: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }
        try:
            chosen = compare_actions.check_names(names or [])
            jobs = compare_actions.jobs_for(chosen, chosen_of(form), 0)
            devices = [await aside(place, how) for how, _ in jobs]
            task = await aside(self._task, visit, painted_of(painter), kind, sample, int(seed or 0))
            job = self.desk.start(
                visit,
                TAB,
                "compare",
                lambda monitor: fill_all(task.source, jobs, monitor),
                _lane(devices),
                ", ".join(chosen),
            )
            async for update in lines(job, "Comparing", self.status):
                yield update
            visit.sheet = Sheet(task.name, task.source, taken(job), task.original)
            self.desk.visits.used(visit)
            yield await aside(self._shown, visit.sheet)
            yield {self.status: note("All backends filled the same hole; equal colours mean equal influence.")}
        except Exception as error:
            yield {self.status: sentence(error)}
        yield {
            self.visit: visit,
            self.compare: gr.update(interactive=True),
            self.stop: gr.update(interactive=False),
        }

    def _task(self, visit: Visit, painted: Painted, kind: str, sample: str, seed: int) -> compare_actions.Task:
        if kind == TEST:
            return compare_actions.test_task(sample, seed, self.desk.limits)
        return compare_actions.own_task(visit, painted, self.desk.limits)

    def _shown(self, sheet: Sheet) -> Update:
        pictures = []
        for outcome in sheet.outcomes:
            name = outcome.filling.backend.info.name
            fill = small(outcome.filling.picture.to_srgb8())
            pictures.append((jpeg(fill, f"{sheet.name}_{name}"), name))
            pictures.append((jpeg(small(overlay_picture(outcome)), f"{sheet.name}_{name}_why"), f"{name}: why"))
        return {
            self.sheet: cached(encode_png(sheet.picture()), f"{sheet.name}_comparison.png"),
            self.table: compare_actions.table_html(sheet),
            self.gallery: gr.update(value=pictures, visible=True),
        }

    def on_save(self, visit: Visit) -> dict[str, Any]:
        """Everything of the last comparison in one archive."""
        try:
            if visit.sheet is None:
                return refused("Compare first: then everything can be saved.")
            return delivered(visit.sheet.zipped(), f"{visit.sheet.name}_comparison.zip")
        except LensError as error:
            return refused(str(told(error)))


def _lane(devices: list[str]) -> str:
    """One queue for a job that may need several devices: a GPU's, if one of them is."""
    return next((device for device in devices if device != "cpu"), "cpu")

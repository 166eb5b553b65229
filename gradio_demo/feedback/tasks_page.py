"""The list of tasks, and the form for a new one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...training.feedback import degradations
from ...training.feedback.configuration import TaskSettings
from ..desk import QUIET, sentence
from ..progress import starting
from ..widgets import fold
from .bench import Bench, Update
from .new_task import UPLOADED, Form, make
from .parts import widget
from .seat import Seat

EMPTY = "There is no task yet: make one."
KINDS = ("blur", "noise", "scratches", "holes")
"""Degradations that are ticked at first."""
START = TaskSettings("new")


class TasksPage:
    """Components of the page, and what they do."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=1, min_width=300, elem_classes="left"):
                self.list = widget("tasks", "tasks")
            with gr.Column(scale=1, min_width=320, elem_classes="right"):
                self._form()

    def _form(self) -> None:
        self.name = gr.Textbox(label="New task", placeholder="Its name", max_length=60, elem_id="task-name")
        self.data = gr.Dropdown(self._data_sets(), value=UPLOADED, label="Data set", elem_id="task-data")
        self.files = gr.Files(label="Good pictures", file_types=["image"], height=130, elem_id="task-files")
        self.kinds = gr.CheckboxGroup(
            [(kind.replace("_", " "), kind) for kind in degradations.KINDS],
            value=list(KINDS),
            label="Faults to make in good pictures",
            elem_id="task-kinds",
        )
        self.values: dict[str, Any] = {}
        with gr.Row():
            self._radio("first_kind", "First model", [("NAFNet", "nafnet"), ("Diffusion model", "ddpm")], "nafnet")
            self._radio("second_kind", "Second model", [("Small, learns here", "small"), ("CLIP", "clip")], "small")
        with gr.Row():
            self._radio("loss", "Loss", [("Mean absolute error", "mae"), ("Mean squared error", "mse")], START.loss)
            self.values["device"] = gr.Dropdown(["auto", "cpu", "cuda", "mps"], value="auto", label="Device")
        with gr.Row():
            self._number("pixel_weight", "Weight of the pixels", START.pixel_weight)
            self._number("similarity_weight", "Weight of the words", START.similarity_weight)
        fold("train-more", "More settings")
        with gr.Column(elem_id="fold-train-more", elem_classes="fold"):
            self._more()
        self.make = gr.Button("Make the task", variant="primary", elem_id="make-task")

    def _more(self) -> None:
        with gr.Row():
            self._number("first_steps", "Steps of training 1", START.first.steps)
            self._number("third_steps", "Steps of training 3", START.third.steps)
            self._number("second_steps", "Steps of training 2", START.second.steps)
        with gr.Row():
            self._number("first_batch", "Pictures a step, training 1", START.first.batch)
            self._number("third_batch", "Pictures a step, training 3", START.third.batch)
            self._number("second_batch", "Pictures a step, training 2", START.second.batch)
        with gr.Row():
            self._number("width", "Width of NAFNet", START.first_model.width)
            self._number("words_width", "Width of the small second model", START.second_model.width)
            self._number("side", "Side of the crops (px)", START.side)
        with gr.Row():
            self._number("countdown_seconds", "Countdown (s)", 20)
            self._number("preview_every", "Steps between predictions", START.preview_every)
            self._radio("language", "Preset words", [("English", "en"), ("Chinese", "zh")], START.language)

    def _radio(self, name: str, label: str, choices: list[tuple[str, str]], value: str) -> None:
        self.values[name] = gr.Radio(choices, value=value, label=label, elem_id=f"task-{name}")

    def _number(self, name: str, label: str, value: float) -> None:
        self.values[name] = gr.Number(value, label=label, minimum=0, elem_id=f"task-{name}", min_width=110)

    def _data_sets(self) -> list[tuple[str, str]]:
        shelf = self.bench.shelf
        named = [
            (f"{name} ({'pairs' if shelf.has_pairs(name) else 'good pictures'})", name) for name in shelf.data_sets()
        ]
        return [*named, ("Pictures that I upload", UPLOADED)]

    @property
    def places(self) -> list[Any]:
        """What is drawn."""
        return [self.list, self.data, self.make]

    def draw(self, _seat: Seat) -> Update:
        """The tasks with their states, and the data sets that are there."""
        shelf = self.bench.shelf
        items = shelf.read("tasks", lambda: [[name, shelf.state(name)] for name in shelf.names()])
        return {self.list: {"items": items, "empty": EMPTY}, self.data: gr.update(choices=self._data_sets())}

    def wire(self) -> None:
        """What happens on the page."""
        self.bench.on_press(self.list.select, self.on_open)
        inputs = [self.bench.seat, self.name, self.data, self.files, self.kinds, *self.values.values()]
        self.make.click(self.on_make, inputs, self.bench.places, concurrency_limit=None, **QUIET)

    def on_open(self, seat: Seat, data: dict[str, Any]) -> str:
        """A task was pressed: go where it is."""
        name = str(data.get("name", ""))
        session = self.bench.shelf.task(name)
        states = {stage: session.status(stage).state for stage in ("first", "second", "third")}
        page = next(
            (page for stage, page in (("second", "words"), ("third", "labels")) if states[stage] != "waiting"),
            {"waiting": "start", "done": "labels"}.get(states["first"], "samples"),
        )
        seat.open(name, page)
        return f"The task '{name}' is open."

    def on_make(self, seat: Seat, name: str, data: str, files: Any, kinds: list[str], *values: Any) -> Any:
        """A new task is wanted."""
        yield {self.bench.status: starting("Making the task"), self.make: gr.update(interactive=False)}
        form = Form(name, data or UPLOADED, files or (), kinds, dict(zip(self.values, values, strict=True)))
        try:
            made, count = make(self.bench.shelf, form, self.bench.limits)
        except Exception as error:
            yield {self.bench.status: sentence(error), self.make: gr.update(interactive=True)}
            return
        with seat.lock:
            seat.open(made, "start")
        update = self.bench.after(seat, lambda: f"The task has {count} pairs.")
        yield update | {self.make: gr.update(interactive=True)}

"""Page 1: the task in short, and the start of the first training."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..desk import QUIET
from ..widgets import delivered, delivery, refused
from . import drawing
from .bench import Bench, Update
from .parts import start_words
from .seat import Seat

STAGES = ("first", "third", "second")


class StartPage:
    """Components of the page, and what they do."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.summary = gr.HTML(elem_id="task-summary")
        with gr.Row(elem_classes="go"):
            self.start = gr.Button("Start training 1", variant="primary", elem_id="begin-first")
            self.save = gr.Button("Save the trained model", elem_id="save-model")
        self.delivery = delivery("model-delivery")
        self.stages = gr.HTML(elem_id="task-stages")

    @property
    def places(self) -> list[Any]:
        """What is drawn."""
        return [self.summary, self.start, self.save, self.stages]

    def draw(self, seat: Seat) -> Update:
        """The task as it is now."""
        session = self.bench.task(seat)
        views = {stage: session.status(stage) for stage in STAGES}
        trained = any(session.model(stage).is_file() for stage in ("first", "second"))
        return {
            self.summary: self.bench.shelf.read(("summary", seat.task), lambda: drawing.summary(session)),
            self.start: gr.update(value=start_words(views["first"]), interactive=not views["first"].at_work),
            self.save: gr.update(interactive=trained),
            self.stages: "".join(drawing.progress(view) for view in views.values() if view.state != "waiting"),
        }

    def wire(self) -> None:
        """What happens on the page."""
        self.bench.on(self.start.click, self.on_start)
        self.save.click(self.on_save, self.bench.seat, self.delivery, concurrency_limit=None, **QUIET)

    def on_start(self, seat: Seat) -> str:
        """Start the first training and show its page."""
        self.bench.task(seat).start("first")
        seat.page = "samples"
        return "Training 1 has started; you may close the page, it goes on."

    def on_save(self, seat: Seat) -> dict[str, Any]:
        """The trained first model as a file."""
        try:
            session = self.bench.task(seat)
            stage = next((one for one in ("second", "first") if session.model(one).is_file()), None)
            if stage is None:
                return refused("There is no trained model yet: run training 1, and let it end.")
            return delivered(session.model(stage).read_bytes(), f"{seat.task}-{stage}.safetensors")
        except Exception as error:
            return refused(drawing.plain_sentence(error))

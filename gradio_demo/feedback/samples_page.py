"""Page 2: the first training, its samples, and what it makes of them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...imaging.errors import InputError
from . import drawing
from .bench import Bench, Said, Update, chosen_number
from .lists import displayed, listed, samples
from .parts import StageButtons, widget
from .seat import Seat

STAGE = "first"
LOCKED = "Locked while training 1 has not ended"
OPEN = "What is still wrong in this prediction"
CLASSES = [("true of the picture", 1), ("not true", 0)]


class SamplesPage:
    """Components of the page, and what they do."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=1, min_width=300, elem_classes="left"):
                self.strip = widget("strip", "samples-list", words="Samples")
                self.progress = gr.HTML(elem_id="first-progress")
                self.curve = gr.HTML(elem_id="first-curve")
            with gr.Column(scale=1, min_width=320, elem_classes="right"):
                self.display = widget("display", "samples-display")
                with gr.Row(elem_classes="go"):
                    self.words = gr.Textbox(label=LOCKED, interactive=False, max_length=500, elem_id="first-words")
                    self.add = gr.Button("Add", interactive=False, scale=0, min_width=72, elem_id="first-add")
                self.buttons = StageButtons(STAGE)
                self.second = gr.Button("Start training 2", elem_id="to-second")

    @property
    def places(self) -> list[Any]:
        """What is drawn."""
        own = [self.strip, self.display, self.words, self.add, self.second, self.progress, self.curve]
        return own + self.buttons.places

    def draw(self, seat: Seat) -> Update:
        """The training as it is now."""
        session = self.bench.task(seat)
        view, views = session.status(STAGE), samples(self.bench, seat, STAGE)
        ready = view.state == "done"
        trained = all(session.model(stage).is_file() for stage in ("first", "third"))
        return {
            self.strip: listed(views, seat),
            self.display: displayed(views, seat),
            self.words: gr.update(interactive=ready, label=OPEN if ready else LOCKED),
            self.add: gr.update(interactive=ready),
            self.second: gr.update(interactive=trained and not view.at_work),
            self.progress: drawing.progress(view),
            self.curve: drawing.curve(session.curve(STAGE), "Training 1"),
            **self.buttons.draw(view),
        }

    def wire(self) -> None:
        """What happens on the page."""
        self.bench.on_press(self.strip.select, self.on_choose)
        self.bench.on_press(self.strip.turn, self.on_turn)
        self.bench.on(self.second.click, self.on_second)
        for event in (self.add.click, self.words.submit):
            self.bench.on(event, self.on_add, [self.words])
        self.bench.wire_stage(self.buttons)

    def on_choose(self, seat: Seat, data: dict[str, Any]) -> str:
        """A sample was pressed."""
        seat.pair = chosen_number(data)
        return ""

    def on_turn(self, seat: Seat, data: dict[str, Any]) -> str:
        """Another part of the list is wanted."""
        seat.begins[seat.page] = chosen_number(data, "first")
        return ""

    def on_add(self, seat: Seat, words: str) -> Said:
        """A person says what is wrong in the prediction that is shown."""
        session = self.bench.task(seat)
        if session.status(STAGE).state != "done":
            raise InputError("Words are taken when training 1 has ended: end it first.")
        rows = [row for row in session.third_samples("prediction") if row.pair_id == seat.pair]
        if not rows:
            raise InputError("There is no prediction of this picture yet: end training 1 first.")
        session.say(rows[-1].id, words, 1)
        return "Added, with its opposite where the rules know one; all words are on page 3.", {self.words: ""}

    def on_second(self, seat: Seat) -> str:
        """Start the second training and show its page."""
        self.bench.task(seat).start("second")
        seat.page = "words"
        return "Training 2 has started."

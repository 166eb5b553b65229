"""Page 3: third samples, what people say of them, and the training of the second model."""

from __future__ import annotations

import html
from pathlib import PurePath
from typing import Any

import gradio as gr

from ...imaging.errors import InputError, LensError
from ...training.feedback import texts
from ...training.feedback.tables import ThirdRow
from ..desk import QUICK
from ..widgets import fold
from . import drawing, pictures
from .bench import Bench, Said, Update, chosen_number
from .lists import NO_PICTURE
from .new_task import add_new
from .parts import LISTED, StageButtons, strip_value, widget
from .samples_page import CLASSES
from .seat import Seat

STAGE = "third"
KINDS = {
    "": "all",
    "prediction": "predictions",
    "first": "first samples",
    "second": "second samples",
    "new": "new pictures",
}
SOURCES = {"user": "by a person", "opposite": "by the rule: the opposite", "preset": "preset"}
NOTHING_SAID = "Nothing is said of this picture yet; without words it gets the preset ones."


class LabelsPage:
    """Components of the page, and what they do."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=1, min_width=300, elem_classes="left"):
                kinds = [(words, kind) for kind, words in KINDS.items()]
                self.kind = gr.Radio(kinds, value="", label="Third samples", elem_id="third-kind")
                self.strip = widget("strip", "third-list", words="Third samples")
                self.more = gr.UploadButton(
                    "Add new pictures", file_types=["image"], file_count="multiple", elem_id="third-more", size="sm"
                )
                self.progress = gr.HTML(elem_id="third-progress")
                fold("third-curve", "View loss curve")
                with gr.Column(elem_id="fold-third-curve", elem_classes="fold"):
                    self.curve = gr.HTML(elem_id="third-curve")
            with gr.Column(scale=1, min_width=320, elem_classes="right"):
                self.display = widget("display", "third-display")
                self._words()
                self.complete = gr.Button("Labelling complete", elem_id="labelling-complete")
                self.buttons = StageButtons(STAGE)

    def _words(self) -> None:
        self.sayings = widget("sayings", "third-sayings")
        self.words = gr.Textbox(
            label="Say something of it", placeholder="the hair is not clear", max_length=500, elem_id="third-words"
        )
        with gr.Row(elem_classes="go"):
            self.label = gr.Radio(CLASSES, value=1, label="Class", elem_id="third-class", scale=3)
            self.add = gr.Button("Add", scale=1, min_width=90, elem_id="third-add")
        self.rule = gr.HTML(elem_id="third-rule")

    @property
    def places(self) -> list[Any]:
        """What is drawn."""
        own = [self.kind, self.strip, self.display, self.sayings, self.words, self.label, self.add, self.rule]
        return [*own, self.complete, self.progress, self.curve, *self.buttons.places]

    def draw(self, seat: Seat) -> Update:
        """The samples and the training as they are now."""
        session = self.bench.task(seat)
        view, done = session.status(STAGE), session.labels.completed
        key = ("third", seat.task, seat.kind)
        rows = self.bench.shelf.read(key, lambda: session.third_samples(seat.kind or None))
        row = next((one for one in rows if one.id == seat.third), rows[0] if rows else None)
        seat.third = row.id if row else None
        return {
            self.kind: gr.update(value=seat.kind),
            self.strip: self._listed(rows, seat),
            self.display: self._displayed(row, seat),
            self.sayings: {"items": _sayings(row), "empty": NOTHING_SAID},
            self.words: gr.update(interactive=not done),
            self.add: gr.update(interactive=not done and row is not None),
            self.complete: gr.update(value="Go on labelling" if done else "Labelling complete"),
            self.progress: drawing.progress(view),
            self.curve: drawing.curve(session.curve(STAGE), "Training 3"),
            **self.buttons.draw(view),
        }

    def _listed(self, rows: list[ThirdRow], seat: Seat) -> dict[str, Any]:
        session = self.bench.task(seat)
        value = strip_value(rows, seat, seat.third, "There are no samples of this kind.")
        items = [
            {
                "id": row.id,
                "pair": None,
                "words": _name(row),
                "url": pictures.thumb(session.path(row.picture.file)),
                "marks": [row.kind, *([f"{len(row.texts)} texts"] if row.texts else [])],
            }
            for row in rows[value["first"] : value["first"] + LISTED]
        ]
        return value | {"items": items}

    def _displayed(self, row: ThirdRow | None, seat: Seat) -> dict[str, Any]:
        if row is None:
            return {"name": "", "layers": [], "caption": "", "empty": "There are no third samples."}
        url = pictures.shown(self.bench.task(seat).path(row.picture.file))
        layers = [{"key": "picture", "words": row.kind.capitalize(), "url": url}]
        return {"name": f"{_name(row)} ({row.id})", "layers": layers, "caption": _name(row), "empty": NO_PICTURE}

    def wire(self) -> None:
        """What happens on the page."""
        self.bench.on_press(self.strip.select, self.on_choose)
        self.bench.on_press(self.strip.turn, self.on_turn)
        self.bench.on_press(self.sayings.forget, self.on_forget)
        self.bench.on(self.kind.input, self.on_kind, [self.kind])
        for event in (self.add.click, self.words.submit):
            self.bench.on(event, self.on_add, [self.words, self.label])
        for event in (self.words.change, self.label.input):
            event(rule_words, [self.words, self.label], self.rule, trigger_mode="always_last", **QUICK)
        self.bench.on(self.more.upload, self.on_more, [self.more])
        self.bench.on(self.complete.click, self.on_complete)
        self.bench.wire_stage(self.buttons)

    def on_choose(self, seat: Seat, data: dict[str, Any]) -> str:
        """A sample was pressed."""
        seat.third = chosen_number(data)
        return ""

    def on_turn(self, seat: Seat, data: dict[str, Any]) -> str:
        """Another part of the list is wanted."""
        seat.begins[seat.page] = chosen_number(data, "first")
        return ""

    def on_kind(self, seat: Seat, kind: str) -> str:
        """Another kind of samples is wanted."""
        seat.kind = kind if kind in KINDS else ""
        seat.begins[seat.page] = 0
        return ""

    def on_add(self, seat: Seat, words: str, label: int | None) -> Said:
        """A text with its class is given."""
        if seat.third is None:
            raise InputError("There is no third sample: add pictures to the task first.")
        session = self.bench.task(seat)
        session.say(seat.third, words, label)
        self.bench.shelf.forget("third", seat.task)
        return rule_sentence(words, label), {self.words: "", self.rule: ""}

    def on_forget(self, seat: Seat, data: dict[str, Any]) -> str:
        """A text is to go."""
        self.bench.task(seat).forget(chosen_number(data))
        self.bench.shelf.forget("third", seat.task)
        return "The text is gone; its opposite stays until you take it away too."

    def on_more(self, seat: Seat, files: list[str] | None) -> str:
        """New pictures are uploaded."""
        count = add_new(self.bench.task(seat), files or (), self.bench.limits)
        self.bench.shelf.forget("third", seat.task)
        seat.kind, seat.begins[seat.page] = "new", 0
        return f"New pictures among the third samples: {count}."

    def on_complete(self, seat: Seat) -> str:
        """Labelling is complete, or goes on."""
        session = self.bench.task(seat)
        done = not session.labels.completed
        session.complete_labelling(done)
        return "Labelling is complete: start training 3." if done else "Labelling goes on."


def rule_words(words: str, label: int | None) -> str:
    """What the rule will make of a text, while it is typed."""
    if not words.strip() or label is None:
        return ""
    return f'<p class="dim">{html.escape(rule_sentence(words, label))}</p>'


def rule_sentence(words: str, label: int | None) -> str:
    """What the rule makes of a text."""
    try:
        entries = texts.with_opposite(words, int(label or 0))
    except LensError as error:
        return str(error)
    said, *opposites = entries
    if not opposites:
        return f"No rule knows the opposite of '{said.words}'."
    return f"The rule adds '{opposites[0].words}', which is {'true' if opposites[0].label else 'not true'}."


def _sayings(row: ThirdRow | None) -> list[dict[str, Any]]:
    return [
        {"id": text.id, "words": text.words, "label": text.label, "source": SOURCES.get(text.source, text.source)}
        for text in (row.texts if row else ())
    ]


def _name(row: ThirdRow) -> str:
    return row.pair.name if row.pair else PurePath(str(row.picture.origin.get("file", row.id))).stem

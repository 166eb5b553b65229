"""Page 4: the second training, which words steer while it goes on, and pictures before and after words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from ...imaging.errors import InputError
from ...training.feedback.session import QuestionView, SampleView, Session
from ...training.feedback.tables import PredictionRow
from . import drawing, pictures
from .bench import Bench, Said, Update, chosen_number
from .lists import displayed, listed, samples
from .parts import StageButtons, widget
from .seat import Seat

STAGE = "second"
COMPARED = ("psnr", "sharpness", "detail")
"""Measures of a prediction that are shown."""
NOT_ASKED = '<p class="dim">Nothing is asked now. Choose a picture whose text was settled to change it.</p>'


class WordsPage:
    """Components of the page, and what they do."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=1, min_width=300, elem_classes="left"):
                self.strip = widget("strip", "words-list", words="Samples, the labelled ones first")
                self.progress = gr.HTML(elem_id="second-progress")
                self.curve = gr.HTML(elem_id="second-curve")
            with gr.Column(scale=1, min_width=320, elem_classes="right"):
                self.question = gr.HTML(NOT_ASKED, elem_id="question")
                self.words = gr.Textbox(label="Text", max_length=500, elem_id="target-words")
                with gr.Row(elem_classes="go"):
                    self.accept = gr.Button("Accept the proposed text", elem_id="accept", interactive=False)
                    self.answer = gr.Button("Use my words", elem_id="answer", variant="primary", interactive=False)
                self.asked = gr.Number(precision=0, visible="hidden")
                self.display = widget("display", "words-display")
                self.buttons = StageButtons(STAGE)
                self.compare = gr.HTML(elem_id="compare-words")

    @property
    def places(self) -> list[Any]:
        """What is drawn."""
        own = [self.strip, self.question, self.words, self.accept, self.answer, self.asked, self.display]
        return [*own, self.progress, self.curve, self.compare, *self.buttons.places]

    def draw(self, seat: Seat) -> Update:
        """The training as it is now."""
        session = self.bench.task(seat)
        view, questions = session.status(STAGE), session.questions()
        questions = questions if view.at_work else []
        _turn_to(seat, questions)
        views = samples(self.bench, seat, STAGE)
        return {
            self.strip: listed(views, seat),
            self.display: displayed(views, seat),
            self.question: question_html(questions, session.settings.countdown_seconds),
            **self._asking(seat, questions, views),
            self.progress: drawing.progress(view),
            self.curve: drawing.curve(session.curve(STAGE), "Training 2"),
            self.compare: _compared(session, seat.pair),
            **self.buttons.draw(view),
        }

    def _asking(self, seat: Seat, questions: Sequence[QuestionView], views: Sequence[SampleView]) -> Update:
        """The field for words and its buttons, for the chosen pair."""
        question = next((one for one in questions if one.pair == seat.pair), None)
        view = next((one for one in views if one.pair == seat.pair), None)
        known = question is not None or bool(view and view.target)
        words = question.words if question else view.target if view else ""
        label = f"What should be better in {view.name} (pair {view.pair})" if view else "Text"
        return {
            self.words: gr.update(value=words, label=label, interactive=known),
            self.accept: gr.update(interactive=question is not None),
            self.answer: gr.update(interactive=known),
            self.asked: seat.pair,
        }

    def wire(self) -> None:
        """What happens on the page."""
        self.bench.on_press(self.strip.select, self.on_choose)
        self.bench.on_press(self.strip.turn, self.on_turn)
        self.bench.on(self.accept.click, self.on_accept, [self.asked])
        for event in (self.answer.click, self.words.submit):
            self.bench.on(event, self.on_answer, [self.asked, self.words])
        self.bench.on(self.words.change, self.on_write, [self.asked, self.words], trigger_mode="always_last")
        self.bench.wire_stage(self.buttons)

    def on_choose(self, seat: Seat, data: dict[str, Any]) -> str:
        """A sample was pressed."""
        seat.pair = chosen_number(data)
        return ""

    def on_turn(self, seat: Seat, data: dict[str, Any]) -> str:
        """Another part of the list is wanted."""
        seat.begins[seat.page] = chosen_number(data, "first")
        return ""

    def on_accept(self, seat: Seat, pair: float | None) -> Said:
        """The proposed text is good."""
        return self._settled(seat, self.bench.task(seat).accept(_pair(pair)).words)

    def on_answer(self, seat: Seat, pair: float | None, words: str) -> Said:
        """A person gives the text."""
        return self._settled(seat, self.bench.task(seat).answer(_pair(pair), words).words)

    def on_write(self, seat: Seat, pair: float | None, words: str) -> str:
        """The text of the field is another one, by a person or since the proposed text of a question was put there."""
        session = self.bench.task(seat)
        for question in session.questions():
            if question.pair == pair and question.words != words:
                session.writing(question.pair, words)
        return ""

    def _settled(self, seat: Seat, words: str) -> str:
        self.bench.shelf.forget("samples", seat.task)
        return f"The target text is '{words}'."


def _turn_to(seat: Seat, questions: Sequence[QuestionView]) -> None:
    """Choose a pair when it is first asked about."""
    if questions and seat.asked != questions[0].pair:
        seat.asked = seat.pair = questions[0].pair


def _pair(value: float | None) -> int:
    if value is None:
        raise InputError("Choose a picture first.")
    return int(value)


def question_html(questions: Sequence[QuestionView], countdown_s: float) -> str:
    """The oldest open question with its countdown."""
    if not questions:
        return NOT_ASKED
    first, left = questions[0], questions[0].seconds_left
    more = f" {len(questions) - 1} more wait." if len(questions) > 1 else ""
    words = f"What should be better in {first.name}? '{first.words}' is taken unless you say something else.{more}"
    if first.writing:
        waits = "The countdown waits while you write."
        return f'<div class="question"><p>{html.escape(words)} <b>{waits}</b></p></div>'
    share = min(1.0, left / countdown_s) if countdown_s else 0.0
    return (
        f'<div class="question"><p>{html.escape(words)} <b role="timer">{left:.0f} s</b></p>'
        f'<div class="progress"><progress max="1" value="{share:.2f}" aria-label="Time left"></progress></div></div>'
    )


def _compared(session: Session, pair: int | None) -> str:
    if pair is None:
        return ""
    rows = session.compare(pair)
    after = rows.get("second") or next(iter(session.library.predictions("second", pair, final=False)[-1:]), None)
    before = _figure(session, rows.get("first"), "Before words")
    return f'<div class="compare">{before}{_figure(session, after, "After words")}</div>'


def _figure(session: Session, row: PredictionRow | None, title: str) -> str:
    if row is None:
        return f"<figure><figcaption>{title}: not there yet</figcaption></figure>"
    picture = f'<img src="{pictures.shown(session.path(row.picture.file))}" alt="{title}">'
    when = "" if row.final else f", at step {row.step}"
    numbers = drawing.facts(drawing.numbers({name: row.numbers[name] for name in COMPARED if name in row.numbers}))
    return f"<figure>{picture}<figcaption>{title}{when}{numbers}</figcaption></figure>"

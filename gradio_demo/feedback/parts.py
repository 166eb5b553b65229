"""Parts that the pages share: their own widgets, and the buttons of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ...training.feedback.configuration import TITLES
from ...training.feedback.session import Session, StageView
from ..widgets import stamp
from .seat import PAGES, Seat

ASSETS = Path(__file__).parent / "assets"
LISTED = 24
"""Pictures of a list that are shown at a time."""
START = {"waiting": "Start {}", "done": "Start {} anew"}
GO_ON = "Go on with {}"


def asset(name: str) -> str:
    """Text of a file in `assets/`."""
    return (ASSETS / name).read_text(encoding="utf-8")


def widget(kind: str, elem_id: str, **more: Any) -> gr.HTML:
    """A widget of `assets/`: `pulse`, `steps`, `tasks`, `strip`, `display` or `sayings`; its script tells its value."""
    template, script = asset(f"{kind}.html"), asset(f"{kind}.js")
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, elem_id=elem_id, **more)


def steps_value(seat: Seat) -> dict[str, str]:
    """A value for `steps`: show this page."""
    return {"stamp": stamp(), "page": seat.page, "task": seat.task}


def strip_value(items: Sequence[Any], seat: Seat, chosen: int | None, empty: str) -> dict[str, Any]:
    """A value for `strip` without its items: which part of them is shown on this page."""
    first = min(max(0, seat.begins.get(seat.page, 0)), max(0, len(items) - 1) // LISTED * LISTED)
    return {"chosen": chosen, "first": first, "size": LISTED, "total": len(items), "empty": empty}


class StageButtons:
    """Start, pause, stop and end a stage.

    Args:
        stage: first, second or third.
    """

    def __init__(self, stage: str) -> None:
        self.stage, self.title = stage, TITLES[stage]
        with gr.Row(elem_classes="go"):
            self.start = gr.Button(f"Start {self.title}", variant="primary", elem_id=f"start-{stage}", min_width=150)
            self.pause = gr.Button("Pause", interactive=False, elem_id=f"pause-{stage}", min_width=80)
            self.stop = gr.Button("Stop", interactive=False, elem_id=f"stop-{stage}", min_width=80)
            self.end = gr.Button(f"End {self.title}", interactive=False, elem_id=f"end-{stage}", min_width=130)

    @property
    def places(self) -> list[Any]:
        """The buttons."""
        return [self.start, self.pause, self.stop, self.end]

    def draw(self, view: StageView) -> dict[Any, Any]:
        """The buttons as the stage allows them."""
        ordered = view.at_work and view.command in ("stop", "end")
        paused = view.at_work and (view.state == "paused" or view.command == "pause")
        live = gr.update(interactive=view.at_work and not ordered)
        return {
            self.start: gr.update(value=start_words(view), interactive=not view.at_work),
            self.pause: gr.update(value="Go on" if paused else "Pause", interactive=live["interactive"]),
            self.stop: live,
            self.end: gr.update(interactive=live["interactive"]),
        }

    def begin(self, session: Session) -> str:
        """Start the stage, or go on with it."""
        session.start(self.stage)
        return f"{self.title.capitalize()} has started; you may close the page, it goes on."

    def hold(self, session: Session) -> str:
        """Pause the stage, or let it go on."""
        view = session.status(self.stage)
        if view.state == "paused" or view.command == "pause":
            session.go_on(self.stage)
            return f"{self.title.capitalize()} goes on."
        session.pause(self.stage)
        return f"{self.title.capitalize()} pauses after the step that it is at."

    def halt(self, session: Session) -> str:
        """Stop the stage with a checkpoint."""
        session.stop(self.stage)
        return f"{self.title.capitalize()} stops with a checkpoint."

    def finish(self, session: Session) -> str:
        """End the stage with the weights of now."""
        session.end(self.stage)
        return f"{self.title.capitalize()} ends with the weights of now; then all pairs are predicted."


def start_words(view: StageView) -> str:
    """What the button that starts a stage says."""
    waiting = view.at_work or not view.step
    return START.get("waiting" if waiting else view.state, GO_ON).format(TITLES[view.stage])


def head(welcome: str) -> tuple[gr.HTML, gr.HTML, gr.HTML]:
    """Pulse, steps and status line."""
    gr.HTML(f"<style>{asset('feedback.css')}</style>", elem_classes="train-unseen")
    pages = [list(page) for page in PAGES.items()]
    return (
        widget("pulse", "train-pulse"),
        widget("steps", "train-steps", pages=pages),
        gr.HTML(welcome, elem_id="train-status"),
    )

"""How pages and tasks meet: an event does something to the open task, and what it changed is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gradio as gr

from ...imaging.errors import InputError
from ...imaging.reading import Limits
from ...training.feedback.configuration import TITLES
from ...training.feedback.session import Session
from ..desk import QUICK, QUIET, sentence
from ..progress import note
from .parts import StageButtons, head, steps_value
from .seat import PAGES, Seat
from .shelf import STAGES, Shelf

Update = dict[Any, Any]
Said = str | tuple[str, Update]
"""A sentence for the status line, and what else an event changes."""
OVER = ("done", "stopped", "failed", "interrupted")
WELCOME = "Open a task, or make a new one."


class Page(Protocol):
    """One of `PAGES`."""

    @property
    def places(self) -> list[Any]:
        """Components that it draws."""
        ...

    def draw(self, seat: Seat, /) -> Update:
        """What its components show now."""
        ...

    def wire(self) -> None:
        """Let its events do something; all pages are there by then."""
        ...


class Bench:
    """What all pages share.

    Args:
        shelf: the tasks.
        limits: of uploaded pictures.
    """

    def __init__(self, shelf: Shelf, limits: Limits) -> None:
        self.shelf, self.limits = shelf, limits
        self.seat = gr.State(Seat())
        self.pulse, self.steps, self.status = head(note(WELCOME))
        self.pages: dict[str, Page] = {}

    @property
    def places(self) -> list[Any]:
        """All that any event may draw."""
        own = [self.pulse, self.steps, self.status]
        return own + [place for page in self.pages.values() for place in page.places]

    def task(self, seat: Seat) -> Session:
        """The task that a visit has open."""
        return self.shelf.task(seat.task)

    def on(
        self, listener: Callable[..., Any], act: Callable[..., Said], inputs: Sequence[Any] = (), **how: Any
    ) -> None:
        """Let an event do something; `act` takes the seat and the values of the inputs, `how` is Gradio's."""

        def react(seat: Seat, *given: Any) -> Update:
            return self.after(seat, lambda: act(seat, *given)) or {self.pulse: gr.skip()}

        listener(react, [self.seat, *inputs], self.places, **{"concurrency_limit": None, **QUIET} | how)

    def on_press(self, listener: Callable[..., Any], act: Callable[[Seat, dict[str, Any]], Said]) -> None:
        """Let an event of a widget do something; `act(seat, data of the event)`."""

        def react(seat: Seat, event: gr.EventData) -> Update:
            data = event._data if isinstance(event._data, dict) else {}
            return self.after(seat, lambda: act(seat, data)) or {self.pulse: gr.skip()}

        # Gradio would leave out a press while the one before it is on its way.
        listener(react, [self.seat], self.places, trigger_mode="multiple", **QUICK)

    def wire_stage(self, buttons: StageButtons) -> None:
        """Let the buttons of a stage do what they say."""
        acts = {
            buttons.start: buttons.begin, buttons.pause: buttons.hold, buttons.stop: buttons.halt,
            buttons.end: buttons.finish,
        }  # fmt: skip
        for button, act in acts.items():
            self.on(button.click, lambda seat, act=act: act(self.task(seat)))

    def beat(self, seat: Seat) -> Update:
        """The page asks what is new."""
        # Gradio takes an empty answer for a mistake.
        return self.after(seat, lambda: "") or {self.pulse: gr.skip()}

    def after(self, seat: Seat, act: Callable[[], Said]) -> Update:
        """Do something, then draw what is new; what goes wrong becomes a sentence."""
        with seat.lock:
            try:
                said = act()
                words, more = said if isinstance(said, tuple) else (said, {})
                update = {self.status: note(words), **more} if words else dict(more)
            except Exception as error:
                update = {self.status: sentence(error)}
            return self.drawn(seat, quiet=self.status in update) | update

    def drawn(self, seat: Seat, quiet: bool = False) -> Update:
        """What a visit does not show yet; with `quiet` the status line stays as it is."""
        try:
            update = seat.news(self.pages[seat.page].draw(seat) | self._live(seat))
            line = self._ended(seat)
            seat.changed("trouble", "")
        except Exception as error:
            update, line = {}, sentence(error)
            line = line if seat.changed("trouble", line) else ""
        if line and not quiet:
            update[self.status] = line
        if seat.changed("page", (seat.page, seat.task)):
            update[self.steps] = steps_value(seat)
        return update

    def _live(self, seat: Seat) -> Update:
        """Pairs that are trained on now."""
        if seat.page == "tasks":
            return {}
        current = {pair for stage in STAGES for pair in self.task(seat).status(stage).current}
        return {self.pulse: {"current": sorted(current)}}

    def _ended(self, seat: Seat) -> str:
        """A line where a stage has ended since the last look; empty where none has."""
        line = ""
        for stage in STAGES if seat.page != "tasks" else ():
            state = self.task(seat).status(stage).state
            if seat.states.get(stage, state) != state and state in OVER:
                line = note(f"{TITLES[stage].capitalize()} is {state}.")
            seat.states[stage] = state
        return line

    def go(self, seat: Seat, page: object) -> str:
        """Show another page."""
        if page not in PAGES:
            raise InputError("There is no such page.")
        if page != "tasks":
            self.task(seat)
        seat.page = str(page)
        return ""


def chosen_number(data: dict[str, Any], name: str = "id") -> int:
    """A number that a widget sent; raises `InputError` for anything else."""
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError("This did not arrive as it should: choose once more.")
    return value

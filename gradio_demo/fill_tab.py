"""The Fill tab: paint, fill, see why, take away what misled the model, fill again, compare; all on one screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from ..plugin.choices import METHODS, SMOOTHINGS
from ..plugin.request import ExplainOptions, FillOptions
from ..plugin.selecting import select
from . import backend_choice, fill_actions
from .desk import QUICK, QUIET, Desk, aside, lines, sentence, taken
from .doing import fill, give_reasons, place, selecting_device
from .downloads import Downloads
from .example_cache import key_of
from .outcome_tabs import OutcomeTabs
from .progress import note, starting
from .results import Shot
from .samples import thumbnails
from .visits import Visit
from .widgets import (
    Painted,
    choice,
    chosen_of,
    examples_row,
    fold,
    name_of,
    painted_of,
    painter,
    point_of,
    refused,
    settings_form,
)

Update = dict[Any, Any]
TAB = "fill"
WELCOME = "Take a picture, paint over a thing, press Fill."


class FillTab:
    """Components of the tab, and what they do."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.visit = gr.State(Visit(), time_to_live=3600, delete_callback=Visit.end)
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=1, min_width=320, elem_classes="left"):
                self._left()
            with gr.Column(scale=1, min_width=320, elem_classes="right"):
                self.outcome = OutcomeTabs()
                self.downloads = Downloads(self.visit)
        self._wire()

    def _left(self) -> None:
        self.painter = painter(self.desk.limits.max_bytes, backend_choice.guided(), "painter")
        with gr.Row(elem_classes="go"):
            self.backend = gr.Dropdown(
                backend_choice.choices(),
                value=backend_choice.default(),
                label="Backend (○ = not ready yet)",
                container=False,
                filterable=True,
                elem_id="backend",
                scale=3,
            )
            self.fill = gr.Button("Fill", variant="primary", elem_id="fill", scale=1, min_width=96)
            self.stop = gr.Button("Stop", interactive=False, elem_id="stop", scale=0, min_width=72)
        self.choice = choice("choice")
        self.status = gr.HTML(note(WELCOME), elem_id="status")
        self.examples = examples_row(thumbnails(), "examples")
        fold("about", "About this backend, and its settings")
        with gr.Column(elem_id="fold-about", elem_classes="fold"):
            self.card = gr.HTML(backend_choice.card(backend_choice.default()))
            self.form = settings_form(backend_choice.specs(), backend_choice.default(), "settings")
        fold("more", "More choices")
        with gr.Column(elem_id="fold-more", elem_classes="fold"):
            self._choices()

    def _choices(self) -> None:
        with gr.Row():
            self.explain = gr.Checkbox(True, label="Explain every fill", info="off: fill only, explain when asked")
            self.test = gr.Checkbox(False, label="Test the explanation", info="hides what stands out and fills again")
        with gr.Row():
            methods = [("what tells most", fill_actions.AUTO), *((one, one) for one in METHODS)]
            self.method = gr.Dropdown(methods, value=fill_actions.AUTO, label="How to explain")
            self.smooth = gr.Dropdown(list(SMOOTHINGS), value="none", label="Smooth the heatmap")
        with gr.Row():
            self.grow = gr.Slider(0, 64, 0, step=1, label="Grow the hole (px)")
            self.feather = gr.Slider(0, 64, 4, step=1, label="Soft border (px)")
        with gr.Row():
            self.seed = gr.Number(0, precision=0, minimum=0, label="Seed", info="another number, another fill")
            self.match = gr.Checkbox(False, label="Match colours", info="shift the fill to meet the border's colours")

    @property
    def how(self) -> list[Any]:
        """Components that say how to fill."""
        return [self.backend, self.form, self.seed, self.grow, self.feather, self.match]

    def _wire(self) -> None:
        at_hand = [self.visit, self.painter, self.backend]
        shown = [self.visit, self.painter, self.status]
        self.painter.upload(self.on_upload, at_hand, shown, **QUIET)
        self.painter.mask_in(self.on_mask_in, at_hand, shown, **QUIET)
        self.painter.pick(self.on_pick, at_hand, [*shown, self.stop], concurrency_limit=None, **QUIET)
        self.painter.mask_out(self.on_mask_out, [self.visit, self.painter], self.downloads.delivery, **QUIET)
        self.examples.select(self.on_example, [self.visit, self.examples, self.backend], shown, **QUIET)
        self._wire_backend()
        inputs = [self.visit, self.painter, *self.how, self.explain, self.method, self.smooth, self.test]
        busy = [self.visit, self.status, self.fill, self.stop, self.outcome.refill, *self.outcome.places]
        for button in (self.fill, self.outcome.refill):
            button.click(self.on_fill, inputs, busy, concurrency_limit=None, **QUIET)
        self.stop.click(self.on_stop, self.visit, None, **QUICK)
        self.outcome.avoid.click(self.on_avoid, at_hand, shown, **QUIET)
        asked = [self.visit, self.method, self.smooth, self.test]
        self.outcome.all.click(self.on_explain, asked, busy, concurrency_limit=None, **QUIET)
        self.outcome.lens.select(self.on_patch, [*asked, self.outcome.lens], busy, concurrency_limit=None, **QUIET)
        self.outcome.wire(self.visit)

    def _wire_backend(self) -> None:
        self.backend.change(backend_choice.card, self.backend, self.card, **QUICK)
        self.backend.change(None, self.backend, self.choice, js="(name) => name", **QUICK)

    def on_upload(self, visit: Visit, painter: Any, backend: str) -> Update:
        """A picture was given."""
        try:
            value = fill_actions.opened(visit, painted_of(painter), backend, self.desk.limits)
        except Exception as error:
            return {self.painter: fill_actions.unchanged(painter), self.status: sentence(error)}
        self.desk.visits.used(visit)
        return {self.visit: visit, self.painter: value, self.status: note("Now paint over what is to be filled.")}

    def on_example(self, visit: Visit, pressed: Any, backend: str) -> Update:
        """An example was pressed."""
        try:
            value = fill_actions.example(visit, name_of(pressed), backend, self.desk.limits)
        except Exception as error:
            return {self.status: sentence(error)}
        self.desk.visits.used(visit)
        return {self.visit: visit, self.painter: value, self.status: note("Press Fill, or change the paint first.")}

    def on_mask_in(self, visit: Visit, painter: Any, backend: str) -> Update:
        """A mask was given."""
        try:
            value = fill_actions.with_mask_file(visit, painted_of(painter), backend, self.desk.limits)
        except Exception as error:
            return {self.painter: fill_actions.unchanged(painter), self.status: sentence(error)}
        return {self.painter: value, self.status: note("The mask is painted; change it as you like.")}

    def on_mask_out(self, visit: Visit, painter: Any) -> dict[str, Any]:
        """The mask is wanted as a file."""
        try:
            return fill_actions.mask_file(visit, painted_of(painter), self.desk.limits)
        except Exception as error:
            return refused(str(error))

    async def on_pick(self, visit: Visit, painter: Any, backend: str) -> AsyncIterator[Update]:
        """A thing was clicked to select it."""
        yield {self.status: starting("Selecting"), self.stop: gr.update(interactive=True)}
        try:
            painted, (point, take) = painted_of(painter), fill_actions.picked_point(point_of(painter))
            photo = await aside(fill_actions.at_hand, visit, painted, self.desk.limits)
            device = await aside(selecting_device)
            job = self.desk.start(
                visit, TAB, "select", lambda monitor: select(photo.picture, [point], monitor=monitor), device, "select"
            )
            async for update in lines(job, "Selecting", self.status):
                yield update
            value = fill_actions.picked(photo, painter, painted, taken(job).mask, take, backend)
            yield {self.painter: value, self.status: note("Selected; Alt and a click take a thing away again.")}
        except Exception as error:
            yield {self.status: sentence(error)}
        yield {self.stop: gr.update(interactive=False)}

    def on_avoid(self, visit: Visit, painter: Any, backend: str) -> Update:
        """What is highlighted is not to be used."""
        try:
            value = fill_actions.avoiding(visit, painted_of(painter), backend)
        except Exception as error:
            return {self.status: sentence(error)}
        words = "What stood out is striped in blue now: change it with brush or eraser, then press Refill."
        return {self.painter: value, self.status: note(words)}

    def on_stop(self, visit: Visit) -> None:
        """Stop what runs or waits."""
        visit.stop(TAB)

    async def on_fill(
        self,
        visit: Visit,
        painter: Any,
        backend: str,
        form: Any,
        seed: float,
        grow: float,
        feather: float,
        match: bool,
        explain: bool,
        method: str,
        smooth: str,
        test: bool,
    ) -> AsyncIterator[Update]:
        """Fill what is painted, and explain it if that is wanted."""
        yield self._busy("Filling")
        try:
            how = fill_actions.fill_options(backend, chosen_of(form), seed, grow, feather, match)
            async for update in self._fill(visit, painted_of(painter), how):
                yield update
            if explain:
                why = fill_actions.explain_options(backend, method, smooth, test)
                async for update in self._explain(visit, why):
                    yield update
            yield {self.status: note(fill_actions.told(visit.shot))}
        except Exception as error:
            yield {self.status: sentence(error)}
        yield self._idle(visit)

    async def _fill(self, visit: Visit, painted: Painted, how: FillOptions) -> AsyncIterator[Update]:
        device = await aside(place, how)
        photo, source = await aside(fill_actions.prepared, visit, painted, how, self.desk.limits)
        key = key_of(photo, painted, how)
        outcome = self.desk.examples.get(key)
        if outcome is None:
            job = self.desk.start(visit, TAB, "fill", lambda monitor: fill(source, how, monitor), device, how.backend)
            async for update in lines(job, "Filling", self.status):
                yield update
            outcome = taken(job)
            self.desk.examples.put(key, outcome)
        shot = Shot(photo, outcome, avoided=source.exclude is not None, key=key)
        visit.add(shot)
        self.desk.visits.used(visit)
        yield await aside(self.outcome.filled, visit)

    async def on_explain(self, visit: Visit, method: str, smooth: str, test: bool) -> AsyncIterator[Update]:
        """Explain the whole fill."""
        async for update in self._explained(visit, method, smooth, test, None):
            yield update

    async def on_patch(self, visit: Visit, method: str, smooth: str, test: bool, lens: Any) -> AsyncIterator[Update]:
        """Explain the part of the fill that was clicked."""
        async for update in self._explained(visit, method, smooth, test, point_of(lens)):
            yield update

    async def _explained(
        self, visit: Visit, method: str, smooth: str, test: bool, point: dict[str, Any] | None
    ) -> AsyncIterator[Update]:
        yield self._busy("Explaining")
        try:
            target = None if point is None else fill_actions.target_of(point)
            backend = visit.shot.outcome.filling.options.backend
            why = fill_actions.explain_options(backend, method, smooth, test, target)
            async for update in self._explain(visit, why):
                yield update
            yield {self.status: note("The patch is explained." if target else "The whole fill is explained.")}
        except Exception as error:
            yield {self.status: sentence(error)}
        yield self._idle(visit)

    async def _explain(self, visit: Visit, why: ExplainOptions) -> AsyncIterator[Update]:
        shot = visit.shot
        filling = shot.outcome.filling
        key = shot.key and f"{shot.key} {why}"
        reasons = self.desk.examples.get(key)
        if reasons is None:
            device = await aside(place, filling.options)
            job = self.desk.start(
                visit,
                TAB,
                "explain",
                lambda monitor: give_reasons(filling, why, monitor),
                device,
                filling.options.backend,
            )
            async for update in lines(job, "Explaining", self.status):
                yield update
            reasons = taken(job)
            self.desk.examples.put(key if why.target is None else "", reasons)
        if why.target:
            shot.patch = reasons
        else:
            shot.whole, shot.patch = reasons, None
        yield await aside(self.outcome.explained, visit, shot)

    def _busy(self, what: str) -> Update:
        idle = gr.update(interactive=False)
        return {
            self.status: starting(what),
            self.fill: idle,
            self.outcome.refill: idle,
            self.stop: gr.update(interactive=True),
        }

    def _idle(self, visit: Visit) -> Update:
        if visit.busy(TAB):  # with what was asked for meanwhile
            return {self.visit: visit}
        free = gr.update(interactive=True)
        return {
            self.visit: visit,
            self.fill: free,
            self.outcome.refill: free,
            self.stop: gr.update(interactive=False),
        }

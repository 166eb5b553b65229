"""Lists of samples and the display of one of them, as the pages of trainings 1 and 2 show them."""

from __future__ import annotations

from typing import Any

from ...training.feedback.session import SampleView
from . import pictures
from .bench import Bench
from .parts import LISTED, strip_value
from .seat import Seat

EMPTY = "The task has no pairs."
NO_PICTURE = "The picture was deleted."


def samples(bench: Bench, seat: Seat, stage: str) -> list[SampleView]:
    """The samples of a task; one of them is chosen."""
    session = bench.task(seat)
    views = bench.shelf.read(("samples", seat.task, stage), lambda: session.samples(stage))
    if views and seat.pair not in {view.pair for view in views}:
        seat.pair = views[0].pair
    return views


def listed(views: list[SampleView], seat: Seat) -> dict[str, Any]:
    """A value for `strip`."""
    value = strip_value(views, seat, seat.pair, EMPTY)
    part = views[value["first"] : value["first"] + LISTED]
    items = [
        {
            "id": view.pair,
            "pair": view.pair,
            "words": view.name,
            "url": pictures.thumb(view.first),
            "marks": _marks(view),
        }
        for view in part
    ]
    return value | {"items": items}


def _marks(view: SampleView) -> list[str]:
    marks = ["labelled"] if view.labelled else []
    marks += ["held out"] if view.held_out else []
    return [*marks, *([view.target] if view.target else [])]


def displayed(views: list[SampleView], seat: Seat) -> dict[str, Any]:
    """A value for `display`: input, prediction and good picture of the chosen sample."""
    view = next((one for one in views if one.pair == seat.pair), None)
    if view is None:
        return {"name": "", "layers": [], "caption": "", "empty": EMPTY}
    files = {"input": ("Input", view.first), "prediction": ("Prediction", view.prediction)}
    files["good"] = ("Good picture", view.second)
    layers = [{"key": key, "words": words, "url": pictures.shown(path)} for key, (words, path) in files.items()]
    known = f"Said of it: {view.said}. " if view.said else ""
    return {
        "name": f"{view.name} ({view.pair})",
        "layers": layers,
        "caption": f"{view.name}. {known}" + (f"Target: {view.target}." if view.target else ""),
        "empty": NO_PICTURE,
    }

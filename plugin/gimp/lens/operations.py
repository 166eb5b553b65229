"""What the menu does: fill, explain a fill, refill without what it was made from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from .areas import Area
from .asking import Question, Sight, ask
from .choices import LAST_REGION, MIDDLE, NAMED, Choices, middle_of, square_around
from .choosing import all_alive, check_alive
from .errors import Stopped
from .layers import all_layers, explains, heatmaps_of, is_own, latest_fill, note_of, top_of
from .notes import Note
from .parts import Parts
from .pixels import extent
from .placing import Placed, place_fill, place_heatmap
from .progress import Progress
from .refusals import Refusal
from .selection import hole_on, named_area, selected

Show = Callable[[str], AbstractContextManager[Progress]]
"""Shows the progress of something with a title."""
_NO_REGION = (
    "This fill has no highlighted region: take Explain This Fill… first, or select what the fill should not look at."
)


def fill(image: Any, layer: Any, choices: Choices, show: Show) -> tuple[Placed, str]:
    """Fill the selection.

    Returns:
        The new layers, and the explanation in words.

    Raises:
        Refusal, Trouble: one sentence; nothing was changed.
        Stopped: likewise.
    """
    layer = picture_below(image, layer)
    hole = hole_on(image, layer)
    avoid = _avoided(image, layer, hole, choices)
    target = middle_of(hole) if choices.what == MIDDLE else None
    sight = Sight.of(image, layer, hole, choices)
    question = Question(sight, hole, avoid, choices, target)
    parts = _asked(question, show, "Fill and Explain", image, [layer])
    note = Note(choices, layer.get_tattoo(), hole, avoid, parts.region, sight.checksum)
    return place_fill(image, layer, top_of(image, layer), parts, note, []), parts.sentence


def explain(image: Any, layer: Any, whole: bool, opacity: float, show: Show) -> tuple[Placed, str]:
    """Explain a fill, all of it or what of it is selected; see `fill`."""
    result, note = fill_meant(image, layer)
    ground, sight = _ground(image, note)
    if sight.checksum != note.checksum:
        raise Refusal("The picture has changed since this fill was made: fill it anew, then explain that.")
    target = None if whole else _selected_part(image, ground, note)
    choices = replace(note.choices, explain=True, opacity=opacity)
    question = Question(sight, note.hole, note.avoid, choices, target)
    parts = _asked(question, show, "Explain This Fill", image, [result, ground])
    if parts.heatmap is None:
        raise Refusal("The service gave no explanation of this fill: try again.")
    note = replace(note, choices=choices, region=parts.region)
    return place_heatmap(image, ground, result, parts.heatmap, note, heatmaps_of(image, note)), parts.sentence


def refill(image: Any, layer: Any, show: Show) -> tuple[Placed, str]:
    """Fill again without the region of interest, or what else is selected; see `fill`."""
    result, note = fill_meant(image, layer)
    ground, sight = _ground(image, note)
    hidden = _selected_outside(image, ground, note) or note.region
    if hidden is None:
        raise Refusal(_NO_REGION)
    avoid, heatmaps = hidden.joined(note.avoid), heatmaps_of(image, note)
    choices = replace(note.choices, explain=note.choices.explain or bool(heatmaps))
    parts = _asked(Question(sight, note.hole, avoid, choices), show, "Refill", image, [result, ground])
    kept = Note(choices, ground.get_tattoo(), note.hole, avoid, parts.region, sight.checksum)
    earlier = [*(heatmap for heatmap in heatmaps if heatmap.is_valid()), result]
    return place_fill(image, ground, top_of(image, ground), parts, kept, earlier), parts.sentence


def picture_below(image: Any, layer: Any) -> Any:
    """The layer itself, or of a layer that was made here the one that was filled; raises `Refusal` if it is gone."""
    if not is_own(layer):
        return layer
    _, note = fill_meant(image, layer)
    return _ground(image, note)[0]


def fill_meant(image: Any, layer: Any) -> tuple[Any, Note]:
    """The result layer that is selected, or that belongs to what is selected, with its note; raises `Refusal`."""
    if note := note_of(layer):
        return layer, note
    name, latest = explains(layer), latest_fill(image, layer)
    for found in all_layers(image):
        note = note_of(found)
        if note and (note.name == name or found == latest):
            return found, note
    raise Refusal(
        f"The layer “{layer.get_name()}” has no fill: take Fill and Explain… first, or select the layer of a fill."
    )


def _asked(question: Question, show: Show, title: str, image: Any, needed: list[Any]) -> Parts:
    """All that comes of a question; raises `Refusal` as soon as the image or a layer that is needed is gone."""
    with show(title) as progress:
        try:
            parts = Parts.of(question, ask(question, progress, lambda: all_alive(image, needed)))
        except Stopped:
            check_alive(image, needed)
            raise
    check_alive(image, needed)
    return parts


def _avoided(image: Any, layer: Any, hole: Area, choices: Choices) -> Area | None:
    if choices.avoid == NAMED:
        return named_area(image, layer).without(hole.hard)
    if choices.avoid != LAST_REGION:
        return None
    last = latest_fill(image, layer)
    note = last and note_of(last)
    if not note or note.region is None:
        raise Refusal(f"No fill of “{layer.get_name()}” has been explained yet: avoid nothing, or explain one first.")
    return note.region.without(hole.hard)


def _ground(image: Any, note: Note) -> tuple[Any, Sight]:
    """The layer that was filled, and what is seen of it now; raises `Refusal` if it is gone.

    In a copy of an image the numbers of its layers are others, so that a layer with the same pixels is taken first.
    """
    fitting = [
        layer
        for layer in sorted(all_layers(image), key=lambda layer: layer.get_tattoo() != note.source)
        if not is_own(layer) and note.hole.box.common(extent(layer)) == note.hole.box
    ]
    first = None
    for layer in fitting:
        sight = Sight.of(image, layer, note.hole, note.choices)
        if sight.checksum == note.checksum:
            return layer, sight
        if layer.get_tattoo() == note.source:
            first = layer, sight
    if first is None:
        raise Refusal("The layer that was filled is gone: select the picture's layer, and fill it anew.")
    return first


def _selected_part(image: Any, ground: Any, note: Note) -> dict[str, int] | None:
    """The square around what of a fill is selected; None where that is all, or nothing is selected."""
    chosen, hole = selected(image, ground), note.hole.hard
    if chosen is None:
        return None
    part = chosen.hard.common(hole)
    if part is None:
        raise Refusal("The selection does not touch this fill: select a part of it, or nothing to explain all of it.")
    return None if part == hole else square_around(part)


def _selected_outside(image: Any, ground: Any, note: Note) -> Area | None:
    """What is selected beside the hole."""
    chosen = selected(image, ground)
    return chosen and chosen.hard.without(note.hole.hard)

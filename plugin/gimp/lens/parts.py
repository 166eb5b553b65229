"""`Parts`: all that a job made, fetched before anything is changed in GIMP."""

from __future__ import annotations

from dataclasses import dataclass

from .areas import Area, Box
from .asking import Question
from .client import Answer, Layer
from .colours import cut, deep_fill, over, with_alpha
from .pixels import RGBA

RESULT, HEATMAP, OUTLINE = "result", "heatmap", "region-of-interest"


@dataclass(frozen=True)
class Piece:
    """Pixels of a layer to be: `data` in the format `kind`; `box` is counted from the layer that was filled."""

    box: Box
    kind: str
    data: bytes


@dataclass(frozen=True)
class Parts:
    """What a job made.

    Attributes:
        result: the fill, transparent outside of the soft selection.
        heatmap: with the outline of the region of interest; None if nothing was explained.
        region: the region of interest.
        sentence: the explanation in words.
    """

    result: Piece
    heatmap: Piece | None
    region: Area | None
    sentence: str

    @classmethod
    def of(cls, question: Question, answer: Answer) -> Parts:
        """Fetch everything; raises `Trouble`."""
        sight, places = question.sight, {layer.slug: layer for layer in answer.layers}
        region = answer.region()
        made = cls(
            _result(question, answer, places[RESULT]),
            _heatmap(answer, places, sight.box) if HEATMAP in places else None,
            None if region is None else Area.of(sight.box, region),
            answer.sentence,
        )
        answer.forget()
        return made


def _result(question: Question, answer: Answer, place: Layer) -> Piece:
    sight = question.sight
    box, pixels = _box(place, sight.box), answer.pixels(RESULT)
    alpha = question.hole.on(box) if question.soft else pixels[3::4]
    if not sight.deep:
        return Piece(box, RGBA, with_alpha(pixels, alpha))
    filled, before = (cut(data, sight.box, box, 8) for data in (answer.fill(), sight.pixels))
    return Piece(box, sight.kind, deep_fill(filled, before, alpha, mixed=not question.soft))


def _heatmap(answer: Answer, places: dict[str, Layer], crop: Box) -> Piece:
    pixels = answer.pixels(HEATMAP)
    if OUTLINE in places:
        pixels = over(pixels, answer.pixels(OUTLINE))
    return Piece(_box(places[HEATMAP], crop), RGBA, pixels)


def _box(place: Layer, crop: Box) -> Box:
    return Box(place.left, place.top, place.width, place.height).moved(crop.x, crop.y)

"""Put what was made into GIMP: layers in the image, or in a copy in colour where the image cannot show them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .gimp import Gimp
from .layers import add, attach, colour_copy, one_step, twin
from .notes import Note, heatmap_note
from .parts import Parts, Piece

GREY_NOTE = "The picture is grey, so that the heatmap is in a copy of it in colour."
INDEXED_NOTE = "The picture has a palette, which was left as it is: the layers are in a copy of it in RGB."


@dataclass(frozen=True)
class Placed:
    """What was added.

    Attributes:
        result: the fill's layer, in the image itself where it takes it.
        heatmap: None if nothing was explained.
        copy: a new image that has to be shown; None if there is none.
        message: what a person should know of it.
    """

    result: Any
    heatmap: Any
    copy: Any
    message: str


def place_fill(image: Any, ground: Any, above: Any, parts: Parts, note: Note, hide: list[Any]) -> Placed:
    """Add a fill, with its heatmap if it has one, as one step.

    Args:
        image: the picture.
        ground: the layer that was filled.
        above: the layer above which they go.
        parts: what was made.
        note: what the result remembers.
        hide: earlier fills and heatmaps, which the new ones stand for.
    """
    if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
        copy = colour_copy(image)
        ground, above = twin(image, copy, ground), twin(image, copy, above)
        placed = place_fill(copy, ground, above, parts, note, [twin(image, copy, layer) for layer in hide])
        copy.undo_enable()
        return replace(placed, copy=copy, message=INDEXED_NOTE)
    heatmap = None
    with one_step(image):
        for layer in hide:
            layer.set_visible(False)
        result = _add_piece(image, above, ground, parts.result, f"Fill: {note.choices.backend}")
        attach(result, replace(note, source=ground.get_tattoo()).to_bytes())
        if parts.heatmap is not None and image.get_base_type() == Gimp.ImageBaseType.RGB:
            heatmap = _add_heatmap(image, result, ground, parts.heatmap, note)
    if parts.heatmap is None or heatmap is not None:
        return Placed(result, heatmap, None, "")
    return _in_colour(image, ground, result, parts.heatmap, note)


def place_heatmap(image: Any, ground: Any, result: Any, piece: Piece, note: Note, hide: list[Any]) -> Placed:
    """Add a heatmap to a fill that is there already, as one step; see `place_fill`."""
    heatmap = None
    with one_step(image):
        attach(result, note.to_bytes())
        if image.get_base_type() == Gimp.ImageBaseType.RGB:
            for layer in hide:
                layer.set_visible(False)
            heatmap = _add_heatmap(image, result, ground, piece, note)
    return Placed(result, heatmap, None, "") if heatmap else _in_colour(image, ground, result, piece, note)


def _in_colour(image: Any, ground: Any, result: Any, piece: Piece, note: Note) -> Placed:
    """The heatmap in a copy of an image that has no colours of its own."""
    copy = colour_copy(image)
    copied, base = twin(image, copy, result), twin(image, copy, ground)
    # Layers of a copy have other tattoos.
    attach(copied, replace(note, source=base.get_tattoo()).to_bytes())
    heatmap = _add_heatmap(copy, copied, base, piece, note)
    copy.set_selected_layers([base])
    copy.undo_enable()
    return Placed(result, heatmap, copy, GREY_NOTE)


def _add_heatmap(image: Any, result: Any, ground: Any, piece: Piece, note: Note) -> Any:
    layer = _add_piece(image, result, ground, piece, f"Heatmap: {note.choices.backend}")
    layer.set_opacity(note.choices.opacity)
    attach(layer, heatmap_note(note.name))
    return layer


def _add_piece(image: Any, above: Any, ground: Any, piece: Piece, name: str) -> Any:
    return add(image, above, ground, piece.box, name, piece.kind, piece.data)

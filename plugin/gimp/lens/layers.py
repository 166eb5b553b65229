"""Layers that are added, found again, and copied into another image; one undo step for all that is done at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .areas import Box
from .gimp import Gimp
from .notes import PARASITE, Note, explained_by
from .pixels import offset, write


@contextmanager
def one_step(image: Any) -> Iterator[None]:
    """Everything inside is undone at once, and the same layers stay selected."""
    selected = image.get_selected_layers()
    image.undo_group_start()
    try:
        yield
        if selected:
            image.set_selected_layers(selected)
    finally:
        image.undo_group_end()


def add(image: Any, above: Any, origin: Any, box: Box, name: str, kind: str, data: bytes) -> Any:
    """A new layer.

    Args:
        image: where to.
        above: the layer above which it goes, in the same group.
        origin: the layer from whose corner `box` is counted.
        box: where it lies.
        name: of the layer; GIMP numbers those of the same name.
        kind: format of `data`.
        data: its pixels.
    """
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    mode = Gimp.ImageType.GRAYA_IMAGE if grey else Gimp.ImageType.RGBA_IMAGE
    layer = Gimp.Layer.new(image, name, box.width, box.height, mode, 100.0, Gimp.LayerMode.NORMAL)
    write(layer, kind, data)
    image.insert_layer(layer, above.get_parent(), image.get_item_position(above))
    x, y = offset(origin)
    layer.set_offsets(x + box.x, y + box.y)
    return layer


def attach(layer: Any, data: bytes) -> None:
    """Keep a note on a layer, in its file too; taken back by undo."""
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    layer.attach_parasite(Gimp.Parasite.new(PARASITE, flags, data))


def note_of(layer: Any) -> Note | None:
    """The note on a result layer."""
    data = _data(layer)
    return None if data is None else Note.from_bytes(data)


def explains(layer: Any) -> str | None:
    """The name of the fill that a heatmap layer explains; None for another layer."""
    data = _data(layer)
    return None if data is None else explained_by(data)


def is_own(layer: Any) -> bool:
    """Whether a layer was made here."""
    return _data(layer) is not None


def all_layers(image: Any) -> Iterator[Any]:
    """From top to bottom, a group before what is in it."""
    waiting = list(image.get_layers())
    while waiting:
        layer = waiting.pop(0)
        yield layer
        if layer.is_group():
            waiting = list(layer.get_children()) + waiting


def heatmaps_of(image: Any, note: Note) -> list[Any]:
    """The layers that explain a fill, from top to bottom."""
    return [layer for layer in all_layers(image) if explains(layer) == note.name]


def top_of(image: Any, source: Any) -> Any:
    """The topmost of a layer and its fills and heatmaps that lie beside it."""
    parent, tattoo = source.get_parent(), source.get_tattoo()
    siblings = parent.get_children() if parent else image.get_layers()
    fills = {note.name for note in map(note_of, siblings) if note and note.source == tattoo}
    for layer in siblings:
        note = note_of(layer)
        if (note.name if note else explains(layer)) in fills:
            return layer
    return source


def latest_fill(image: Any, source: Any) -> Any:
    """The result layer of a layer's last fill; None if it has none."""
    tattoo, found = source.get_tattoo(), {}
    for layer in all_layers(image):
        note = note_of(layer)
        if note is not None and note.source == tattoo:
            found[note.made] = layer
    return found[max(found)] if found else None


def twin(image: Any, copy: Any, layer: Any) -> Any:
    """The layer at the same place in a copy of the image."""
    places = []
    while layer is not None:
        places.append(image.get_item_position(layer))
        layer = layer.get_parent()
    found = copy.get_layers()[places.pop()]
    while places:
        found = found.get_children()[places.pop()]
    return found


def colour_copy(image: Any) -> Any:
    """A copy of an image in colour, without a history of its own."""
    copy = image.duplicate()
    copy.undo_disable()
    copy.convert_rgb()
    return copy


def _data(layer: Any) -> bytes | None:
    parasite = layer.get_parasite(PARASITE)
    return None if parasite is None else bytes(parasite.get_data())

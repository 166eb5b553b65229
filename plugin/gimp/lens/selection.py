"""What is selected, and what is to be avoided, as `Area`s in the layer's own coordinates."""

from __future__ import annotations

from typing import Any

from .areas import Area, Box
from .gimp import Gimp
from .pixels import MASK, extent, offset, read
from .refusals import Refusal

NAME = "avoid"
"""Of the channel or path that says what the model may not look at."""


def selected(image: Any, layer: Any) -> Area | None:
    """The selection on a layer; None where nothing of it is selected."""
    if Gimp.Selection.is_empty(image):
        return None
    hit, *box = layer.mask_intersect()
    return _area(image.get_selection(), layer, Box(*box)) if hit else None


def hole_on(image: Any, layer: Any) -> Area:
    """What is to be filled; raises `Refusal` where that is nothing or everything."""
    if Gimp.Selection.is_empty(image):
        raise Refusal("Nothing is selected: select what to fill with any selection tool, then try again.")
    hole = selected(image, layer)
    if hole is None:
        raise Refusal(
            f"The selection lies outside of the layer “{layer.get_name()}”: select a part of it, or another layer."
        )
    if hole.box == extent(layer) and b"\0" not in hole.values:
        raise Refusal("All of the layer is selected: leave some of it to fill from, and select less.")
    return hole


def named_area(image: Any, layer: Any) -> Area:
    """What the channel or the path named "avoid" covers; raises `Refusal` where there is none."""
    channel, path = image.get_channel_by_name(NAME), image.get_path_by_name(NAME)
    if channel is not None:
        found = _area(channel, layer, extent(layer))
    elif path is not None:
        found = _path_area(image, layer, path)
    else:
        raise Refusal(
            f"There is no channel or path named “{NAME}”: select what the model may not look at, take Select > Save to "
            f"Channel, and name the channel “{NAME}”."
        )
    halved = found and found.halved
    if halved is None:
        raise Refusal(
            f"The channel or path named “{NAME}” covers nothing of this layer: paint in it, or avoid nothing."
        )
    return halved


def _area(channel: Any, layer: Any, box: Box) -> Area | None:
    """The values of a channel, which is as large as the image, in a box of the layer."""
    return Area.of(box, read(channel, box.moved(*offset(layer)), MASK))


def _path_area(image: Any, layer: Any, path: Any) -> Area | None:
    """The inside of a path. It is drawn in an image of its own, so that the selection stays as it is."""
    sheet = Gimp.Image.new(image.get_width(), image.get_height(), Gimp.ImageBaseType.GRAY)
    try:
        copy = Gimp.Path.new(sheet, NAME)
        sheet.insert_path(copy, None, 0)
        for stroke in path.get_strokes():
            kind, points, closed = path.stroke_get_points(stroke)
            copy.stroke_new_from_points(kind, list(points), closed)
        sheet.select_item(Gimp.ChannelOps.REPLACE, copy)
        return _area(sheet.get_selection(), layer, extent(layer))
    finally:
        sheet.delete()

"""Which layer is meant."""

from __future__ import annotations

from typing import Any

from .gimp import Gimp
from .refusals import Refusal

NO_IMAGE = "No picture is open: open one, select what to fill, and try again."
_FLOATING = "There is a floating selection: anchor it first (Layer > Anchor Floating Selection), then try again."


def chosen_layer(image: Any, drawables: list[Any]) -> Any:
    """The one layer that is selected, also while its mask is edited; a group is one too.

    Raises:
        Refusal: there is no such layer, with what to do.
    """
    if image is None or not image.is_valid():
        raise Refusal(NO_IMAGE)
    if image.get_floating_sel() is not None:
        raise Refusal(_FLOATING)
    if not drawables:
        raise Refusal("No layer is selected: select the picture's layer in the Layers dialog, then try again.")
    if len(drawables) > 1:
        raise Refusal(f"{len(drawables)} layers are selected: select one, or put them into a group and select that.")
    item = drawables[0]
    if isinstance(item, Gimp.LayerMask):
        item = Gimp.Layer.from_mask(item)
    if not isinstance(item, Gimp.Layer):
        raise Refusal("A channel is selected: select the picture's layer in the Layers dialog, then try again.")
    if item.is_group() and not item.get_children():
        raise Refusal(f"The group “{item.get_name()}” is empty: select a layer with pixels.")
    return item


def all_alive(image: Any, layers: list[Any]) -> bool:
    """Whether the image is still open and has these layers."""
    return image.is_valid() and all(layer.is_valid() for layer in layers)


def check_alive(image: Any, layers: list[Any]) -> None:
    """Raise `Refusal` where the image was closed or a layer deleted in the meantime."""
    if not image.is_valid():
        raise Refusal("The picture was closed in the meantime: nothing was added.")
    if not all_alive(image, layers):
        raise Refusal("The layer was deleted in the meantime: nothing was added.")

"""What happens on the Fill tab, as functions of plain values; nothing here knows the page's components."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from ..backends.registry import info
from ..imaging.errors import InputError
from ..imaging.hole import Mask, threshold
from ..imaging.reading import Limits, read_mask_array
from ..imaging.writing import encode_png
from ..plugin.operation import Source
from ..plugin.request import ExplainOptions, FillOptions, Target, default_method
from ..plugin.selecting import Point
from .backend_choice import guided
from .photos import (
    EMPTY,
    NOTHING_PAINTED,
    Photo,
    easel,
    mask_of,
    open_photo,
    paint_url,
    photo_of,
    read,
    source_of,
    uploaded_mask,
)
from .results import Shot
from .samples import sample_files
from .visits import Visit
from .widgets import KINDS, Painted, delivered, stamp

AUTO = "auto"
"""The method that suits the backend."""


def opened(visit: Visit, painted: Painted, backend: str, limits: Limits) -> dict[str, Any]:
    """A picture was uploaded; returns the painter's value."""
    if painted.file is None:
        raise InputError(EMPTY)
    name = painted.file_name or painted.file.name
    photo = open_photo(read(painted.file, name, limits), name, str(painted.file), limits)
    visit.take_photo(photo)
    held = replace(painted, source=painted.file, sample="", name=name)
    return easel(photo, held, {}, guided=backend in guided())


def example(visit: Visit, name: str, backend: str, limits: Limits) -> dict[str, Any]:
    """An example was taken: photograph and mask; returns the painter's value."""
    path, mask_path = sample_files(name)
    photo = open_photo(path.read_bytes(), path.name, name, limits)
    visit.take_photo(photo)
    mask = threshold(read_mask_array(mask_path), photo.picture.size)
    paint = {"fill": paint_url(photo, mask)}
    return easel(photo, Painted(sample=name, name=path.name), paint, guided=backend in guided())


def unchanged(painter: Any) -> dict[str, Any]:
    """The painter's value as it was, without the file that could not be used."""
    held = painter if isinstance(painter, dict) else {}
    return held | {"stamp": stamp(), "file": None, "mask_file": None}


def with_mask_file(visit: Visit, painted: Painted, backend: str, limits: Limits) -> dict[str, Any]:
    """A mask was uploaded for the picture; returns the painter's value."""
    photo = at_hand(visit, painted, limits)
    if painted.mask_file is None:
        raise InputError("Choose a mask: a picture of the same size, white = fill this.")
    data = read(painted.mask_file, painted.mask_name, limits)
    mask = uploaded_mask(data, painted.mask_name or "mask", photo, limits, whole=info(backend).task == "restore")
    paint = _urls(painted) | {"fill": paint_url(photo, mask)}
    return easel(photo, painted, paint, guided=backend in guided(), only=["fill"])


def mask_file(visit: Visit, painted: Painted, limits: Limits) -> dict[str, Any]:
    """The mask as a file: white = fill this; a value for `delivery`."""
    photo = photo_of(painted, visit.photo, limits)
    mask = mask_of(photo, painted.paint.get("fill", b""))
    if mask is None:
        raise InputError(NOTHING_PAINTED)
    return delivered(encode_png(np.where(mask, np.uint8(255), np.uint8(0))), f"{photo.name}_mask.png")


def avoiding(visit: Visit, painted: Painted, backend: str) -> dict[str, Any]:
    """Take what is highlighted as a start for what is not to be used; returns the painter's value."""
    shot = visit.shot
    highlighted = shot.highlighted()
    if not highlighted.any():
        raise InputError("Nothing outside of the hole stands out: paint over what misled the fill yourself.")
    before = mask_of(shot.photo, painted.paint.get("avoid", b""))
    if before is not None:
        highlighted |= before
    paint = _urls(painted) | {"avoid": paint_url(shot.photo, highlighted)}
    return easel(shot.photo, painted, paint, kind="avoid", guided=backend in guided(), only=["avoid"])


def at_hand(visit: Visit, painted: Painted, limits: Limits) -> Photo:
    """The picture that the painter shows."""
    photo = photo_of(painted, visit.photo, limits)
    visit.take_photo(photo)
    return photo


def picked_point(point: dict[str, Any]) -> tuple[Point, bool]:
    """Where a thing was clicked, in pixels of the picture, and whether it is to be taken (or given back)."""
    try:
        return Point(int(point["x"]), int(point["y"])), bool(point.get("take", True))
    except (KeyError, TypeError, ValueError):
        raise InputError("Click on the thing to select it.") from None


def picked(photo: Photo, painter: Any, painted: Painted, mask: Mask, take: bool, backend: str) -> dict[str, Any]:
    """A thing was found where somebody clicked; returns the painter's value with it painted, or with it taken away."""
    kind = painter.get("brush") if isinstance(painter, dict) else None
    kind = kind if kind in KINDS else "fill"
    before = mask_of(photo, painted.paint.get(kind, b""))
    if before is not None:
        mask = before | mask if take else before & ~mask
    elif not take:
        mask = np.zeros_like(mask)
    paint = _urls(painted) | {kind: paint_url(photo, mask)}
    return easel(photo, painted, paint, kind=kind, guided=backend in guided(), only=[kind])


def prepared(visit: Visit, painted: Painted, how: FillOptions, limits: Limits) -> tuple[Photo, Source]:
    """The picture and what is painted on it, as the operation takes them."""
    photo = at_hand(visit, painted, limits)
    backend = info(how.backend)
    return photo, source_of(photo, painted, bool(backend.guide), whole=backend.task == "restore")


def fill_options(
    backend: str, chosen: dict[str, dict[str, Any]], seed: float, grow: float, feather: float, match: bool
) -> FillOptions:
    """How to fill, from the values of the page."""
    if not backend:
        raise InputError("Choose a backend first.")
    return FillOptions(
        backend=backend,
        seed=int(seed or 0),
        grow_px=int(grow),
        feather_px=int(feather),
        match_border=bool(match),
        settings=chosen.get(backend, {}),
    )


def explain_options(
    backend: str, method: str, smooth: str, test: bool = False, target: Target | None = None
) -> ExplainOptions:
    """How to explain, from the values of the page."""
    if method == AUTO:
        method = default_method(info(backend))
    return ExplainOptions(method=method, smooth=smooth, test=bool(test), target=target)  # pyright: ignore[reportArgumentType]


def target_of(point: dict[str, Any]) -> Target:
    """The square that was asked for, in pixels of the picture."""
    try:
        return Target(int(point["x"]), int(point["y"]), max(1, int(point["size"])))
    except (KeyError, TypeError, ValueError):
        raise InputError("Click a point of the fill to explain it.") from None


def told(shot: Shot) -> str:
    """One line about a fill that is done."""
    outcome, backend = shot.outcome, shot.outcome.filling.backend
    text = f"Filled by {backend.info.name} in {outcome.seconds['fill']:.1f} s"
    if backend.device != "cpu":
        text += f" on {backend.device}"
    if shot.whole:
        text += f", explained in {shot.whole.seconds:.1f} s"
    return text + (", without what you marked." if shot.avoided else ".")


def _urls(painted: Painted) -> dict[str, str]:
    """The paint as the page sent it."""
    return {
        kind: "data:image/png;base64," + base64.b64encode(painted.paint[kind]).decode()
        if painted.paint.get(kind)
        else ""
        for kind in KINDS
    }

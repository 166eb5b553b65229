"""Pictures as the page holds them: opened once at full fidelity, shown as a smaller copy, painted on that copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.box import Size
from ..imaging.errors import InputError
from ..imaging.hole import Hole, Mask, threshold
from ..imaging.picture import Picture
from ..imaging.reading import Limits, decode_picture, mask_array
from ..imaging.writing import encode_picture
from ..plugin.operation import Source
from .samples import sample_files
from .widgets import GONE, KINDS, Painted, cached, file_data, mask_url, stamp, url_bytes

RGB = NDArray[np.uint8]
SHOWN_PX = 2048
"""Longest side of the copy that is shown and painted on; masks are brought back to full size."""
MOST_EXACT = 6
EMPTY = "Open a photo or take an example first."
NOTHING_PAINTED = "Paint over what is to be filled first, with the pink brush."


@dataclass(frozen=True, eq=False)
class Photo:
    """An opened picture.

    Attributes:
        picture: at full size, in its own depth and colours.
        name: for people and for files, without a suffix.
        key: tells it from others: the file or the example.
        shown_size: height and width of the copy that the page shows.
        exact: masks at full size that stand for paint which nobody touched since; by the bytes of that paint.
        files: cached files made of it, by what they show.
    """

    picture: Picture
    name: str
    key: str
    shown_size: Size
    exact: dict[bytes, Mask] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return self.picture.pixels.nbytes + sum(mask.nbytes for mask in self.exact.values())


def small(rgb: RGB, side_px: int = SHOWN_PX) -> RGB:
    """A copy for the eye with a longest side of at most `side_px`."""
    height, width = rgb.shape[:2]
    share = side_px / max(height, width)
    if share >= 1:
        return rgb
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(rgb: RGB, name: str) -> str:
    """A cached JPEG for showing; returns its path."""
    return cached(encode_picture(Picture.from_array(rgb), "jpeg")[0], f"{name}.jpg")


def open_photo(data: bytes, file_name: str, key: str, limits: Limits) -> Photo:
    """Decode what a visitor gave; raises `InputError` with one sentence for what cannot be used."""
    picture = decode_picture(data, file_name, limits)
    if min(picture.size) < 16:
        raise InputError(f"'{file_name}' is {picture.size[1]} × {picture.size[0]} pixels: take a larger picture.")
    name = Path(file_name).stem[:80] or "picture"
    copy = small(picture.to_srgb8())
    return Photo(picture, name, key, (copy.shape[0], copy.shape[1]), files={"shown": jpeg(copy, name)})


def gone(path: str | None) -> bool:
    """Whether a cached file has to be made anew: it never was, or the cache was emptied."""
    return path is None or not Path(path).exists()


def shown_file(photo: Photo) -> str:
    """The copy that the page shows, as a cached JPEG."""
    if gone(photo.files.get("shown")):
        photo.files["shown"] = jpeg(small(photo.picture.to_srgb8()), photo.name)
    return photo.files["shown"]


def before_file(photo: Photo) -> str:
    """The picture at full size as a cached PNG; made once."""
    if gone(photo.files.get("before")):
        photo.files["before"] = cached(encode_picture(photo.picture, "png")[0], f"{photo.name}_before.png")
    return photo.files["before"]


def read(path: Path, name: str, limits: Limits) -> bytes:
    """The bytes of an uploaded file, if it is still there and not too large."""
    if not path.is_file():
        raise InputError(GONE)
    if path.stat().st_size > limits.max_bytes:
        size, most = path.stat().st_size / 1e6, limits.max_bytes / 1e6
        raise InputError(f"'{name}' is {size:.0f} MB, more than the limit of {most:.0f} MB: make it smaller first.")
    return path.read_bytes()


def photo_of(painted: Painted, known: Photo | None, limits: Limits) -> Photo:
    """The picture that the painter shows: the one in memory, or else opened again from where it came.

    Raises:
        InputError: there is none, or its file is gone.
    """
    key = painted.sample or (str(painted.source) if painted.source else "")
    if not key:
        raise InputError(EMPTY)
    if known and known.key == key:
        return known
    if painted.sample:
        photo, _ = sample_files(painted.sample)
        return open_photo(photo.read_bytes(), photo.name, key, limits)
    assert painted.source is not None
    return open_photo(read(painted.source, painted.name, limits), painted.name or "picture", key, limits)


def mask_of(photo: Photo, paint: bytes) -> Mask | None:
    """Paint on the copy as a mask `[H, W]` of the whole picture; None where nothing is painted."""
    if not paint:
        return None
    if paint in photo.exact:
        return photo.exact[paint]
    height, width = photo.shown_size
    drawn = decode_picture(paint, "paint", Limits(height * width, 64 * 1024**2))
    mask = np.zeros(drawn.size, bool)
    if drawn.alpha is not None:
        mask = drawn.alpha >= drawn.full_scale / 2
    if mask.shape != photo.shown_size:
        raise InputError("The paint does not fit the picture: open the picture again.")
    if not mask.any():
        return None
    return resized(mask, photo.picture.size)


def resized(mask: Mask, size: Size) -> Mask:
    """A mask at another size."""
    if mask.shape == tuple(size):
        return mask
    larger = cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(larger, bool)


def paint_url(photo: Photo, mask: Mask | None) -> str:
    """A mask `[H, W]` of the whole picture as paint; it stands at full size for as long as nobody paints over it."""
    if mask is None or not mask.any():
        return ""
    url = mask_url(mask if mask.shape == photo.shown_size else small_mask(mask, photo.shown_size))
    while len(photo.exact) >= MOST_EXACT:
        photo.exact.pop(next(iter(photo.exact)))
    photo.exact[url_bytes(url)] = mask
    return url


def small_mask(mask: Mask, size: Size) -> Mask:
    """A mask on the smaller copy, where thin lines stay."""
    share = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(share) > 0.25


def uploaded_mask(data: bytes, name: str, photo: Photo, limits: Limits, whole: bool = False) -> Mask:
    """A mask file as a hole of the picture, which may be all of it if `whole` says so.

    Raises:
        InputError: it has another size, or nothing or too much of it is white.
    """
    return Hole(threshold(mask_array(decode_picture(data, name, limits)), photo.picture.size), whole).mask


def source_of(photo: Photo, painted: Painted, guided: bool, whole: bool = False) -> Source:
    """What is to be filled, all of the picture too if `whole` says so; raises `InputError` where nothing is painted."""
    masks: Mapping[str, Mask | None] = {kind: mask_of(photo, painted.paint.get(kind, b"")) for kind in KINDS}
    if masks["fill"] is None:
        raise InputError(NOTHING_PAINTED)
    return Source(photo.picture, Hole(masks["fill"], whole), masks["avoid"], masks["guide"] if guided else None)


def easel(
    photo: Photo,
    painted: Painted,
    paint: Mapping[str, str],
    *,
    kind: str = "fill",
    guided: bool = False,
    only: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A value for the painter.

    Args:
        photo: the picture.
        painted: where it came from.
        paint: by kind.
        kind: of the brush.
        guided: guide lines are offered.
        only: kinds of paint to take over; the others stay as they are painted by then. None = all.
    """
    height, width = photo.shown_size
    return {
        "stamp": stamp(),
        "picture": file_data(shown_file(photo)),
        "width": width,
        "height": height,
        "full_width": photo.picture.size[1],
        "full_height": photo.picture.size[0],
        "name": painted.name or photo.name,
        "sample": painted.sample,
        "source": file_data(str(painted.source)) if painted.source else None,
        "paint": dict(paint),
        "kind": kind,
        "guide": guided,
        "only": None if only is None else list(only),
    }

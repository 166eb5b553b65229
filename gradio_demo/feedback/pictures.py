"""Pictures of a task as data URLs: nothing of its folder is served as a file."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path

from ...imaging.picture import Picture
from ...imaging.writing import encode_picture
from ...training.pictures import read_rgb
from ..photos import small

THUMB_PX, SHOWN_PX = 96, 640
EXACT_PX = 256
"""Longest side up to which pictures travel without loss."""


def thumb(path: Path | None) -> str:
    """A small picture for lists; empty where the file was deleted."""
    return _url(path, THUMB_PX)


def shown(path: Path | None) -> str:
    """A picture to look at; empty where the file was deleted."""
    return _url(path, SHOWN_PX)


def _url(path: Path | None, side_px: int) -> str:
    if path is None:
        return ""
    try:
        return _small_url(path, side_px) if side_px == THUMB_PX else _large_url(path, side_px)
    except ValueError:
        return ""


def _encoded(path: Path, side_px: int) -> str:
    rgb = small(read_rgb(path), side_px)
    kind = "png" if THUMB_PX < max(rgb.shape) <= EXACT_PX else "jpeg"
    data = encode_picture(Picture.from_array(rgb), kind)[0]
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


# Files are named by their content, so that what was made of one stays right.
_small_url = lru_cache(maxsize=4096)(_encoded)
_large_url = lru_cache(maxsize=64)(_encoded)

"""Results for untouched examples, so that the next visitor who takes one has them at once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Any

from ..plugin.request import FillOptions
from .photos import Photo
from .samples import sample_names
from .widgets import Painted

MOST = 12


class ExampleCache:
    """The last results for examples of the page; what visitors bring themselves is never kept here."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Any:
        """What was kept under a key; None if nothing was or the key is empty."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, result: Any) -> None:
        """Keep a result; the one not asked for longest goes. An empty key keeps nothing."""
        if not key:
            return
        with self._lock:
            self._kept[key] = result
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def key_of(photo: Photo, painted: Painted, how: FillOptions) -> str:
    """What was asked for, if it is an example with the mask that came with it; else empty."""
    paint = painted.paint.get("fill", b"")
    others = any(data for kind, data in painted.paint.items() if kind != "fill")
    if painted.sample not in sample_names() or painted.sample != photo.key or others or paint not in photo.exact:
        return ""
    digest = hashlib.blake2b(paint, digest_size=16).hexdigest()
    return f"{painted.sample} {digest} {how}"

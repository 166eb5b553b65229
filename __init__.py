"""Inpaint Lens: fill a hole in a picture and see why it was filled so.

>>> import inpaint_lens as lens
>>> filled = lens.fill(image, mask)                     # doctest: +SKIP
>>> why = lens.explain(image, mask, backend="lens-small")  # doctest: +SKIP

Nothing heavy is imported until a function is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Result, explain, fill
    from .backends.network import Convention
    from .backends.protocol import Backend, BackendInfo
    from .imaging.errors import LensError
    from .imaging.monitor import CancelToken, Monitor

    def backends() -> list[BackendInfo]:
        """Facts about every backend; nothing is loaded. At run time this is the package `backends`, called."""
        ...


__version__ = "0.1.0"
__all__ = [
    "Backend",
    "BackendInfo",
    "CancelToken",
    "Convention",
    "LensError",
    "Monitor",
    "Result",
    "backends",
    "explain",
    "fill",
]

_HOMES = {
    "Backend": "backends.protocol",
    "BackendInfo": "backends.protocol",
    "CancelToken": "imaging.monitor",
    "Convention": "backends.network",
    "LensError": "imaging.errors",
    "Monitor": "imaging.monitor",
    "Result": "api",
    "backends": "backends",
    "explain": "api",
    "fill": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_HOMES[name]}", __name__)
    value = module if name == "backends" else getattr(module, name)
    globals()[name] = value
    return value

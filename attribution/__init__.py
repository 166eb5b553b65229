"""Why a model filled a hole as it did. Nothing heavy is loaded before it is used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explanation import explain
    from .lam import LamMap, local_attribution_map
    from .methods import METHODS, Method, method_named
    from .region import Diffusion, MassByDistance
    from .report import Attribution, BaselineFacts, StepImages
    from .smoothing import SMOOTHINGS, smoothed

_HOME = {
    "explain": "explanation",
    "LamMap": "lam",
    "local_attribution_map": "lam",
    "METHODS": "methods",
    "Method": "methods",
    "method_named": "methods",
    "Diffusion": "region",
    "MassByDistance": "region",
    "Attribution": "report",
    "BaselineFacts": "report",
    "StepImages": "report",
    "SMOOTHINGS": "smoothing",
    "smoothed": "smoothing",
}

__all__ = [
    "METHODS",
    "SMOOTHINGS",
    "Attribution",
    "BaselineFacts",
    "Diffusion",
    "LamMap",
    "MassByDistance",
    "Method",
    "StepImages",
    "explain",
    "local_attribution_map",
    "method_named",
    "smoothed",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value

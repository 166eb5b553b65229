"""Backends as plain facts for people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..backends.registry import backends, status
from ..imaging.errors import LensError
from ..weights_registry.catalog import entry


def describe() -> list[dict[str, Any]]:
    """Every backend with its licence, needs, download size in megabytes, and whether it is ready."""
    facts = []
    for info in backends().values():
        state = status(info)
        size = sum(_megabytes(name) for name in info.weights)
        facts.append({**asdict(info), "ready": state.ready, "status": state.reason, "download_mb": round(size, 1)})
    return facts


def _megabytes(weights: str) -> float:
    try:
        return entry(weights).megabytes
    except LensError:  # another package's backend may name weights that no catalog holds; its status says so
        return 0

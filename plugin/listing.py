"""Backends as plain facts for people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..backends.registry import backends, status
from ..imaging.errors import LensError
from ..weights_registry.catalog import WeightsEntry, entry


def describe() -> list[dict[str, Any]]:
    """Every backend with its licence, needs, download size in megabytes, and whether it is ready."""
    facts = []
    for info in backends().values():
        state = status(info)
        entries = [found for name in info.weights if (found := _entry(name))]
        more = {
            "ready": state.ready,
            "status": state.reason,
            "download_mb": round(sum(found.megabytes for found in entries), 1),
            "by_hand": any(found.by_hand for found in entries),
        }
        facts.append({**asdict(info), **more})
    return facts


def _entry(weights: str) -> WeightsEntry | None:
    try:
        return entry(weights)
    except LensError:  # another package's backend may name weights that no catalog holds; its status says so
        return None

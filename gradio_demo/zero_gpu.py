"""Hugging Face's ZeroGPU: a GPU is there only inside a decorated function. Elsewhere the decorator does nothing."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")
DURATION_S = 120


def on_gpu(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The function, run on a ZeroGPU where the Space has one, for at most `DURATION_S` seconds."""
    if importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(duration=DURATION_S)(function)

"""Give memory back when nobody works."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys

from ...backends.registry import unload

log = logging.getLogger(__name__)


def give_back_memory() -> None:
    """Unload all backends and hand free memory back to the system and the GPU."""
    unload()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim()
    log.info("Idle: the memory of models was given back.")


def trim() -> None:
    """Hand the C library's free memory back, where it can (glibc keeps what many threads freed)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return

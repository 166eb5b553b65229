"""What must be set before Gradio is used: no analytics, a private folder for files, no telemetry of the Hub."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def prepare() -> Path:
    """Set the environment once; returns the folder that holds what visitors upload and fetch.

    Unless the operator named one (`GRADIO_TEMP_DIR`), it is new, owner-only, and removed at the end.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Gradio keeps statistics of every call and sums them up with pandas each time, for a page that is not offered.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    named = os.environ.get("GRADIO_TEMP_DIR")
    if named:
        Path(named).mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(named)
    folder = Path(tempfile.mkdtemp(prefix="inpaint-lens-pages-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


prepare()

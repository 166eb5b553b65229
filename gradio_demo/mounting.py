"""The page inside of the service's application, or by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from ..plugin.service.jobs import Jobs
from ..plugin.service.settings import ServiceSettings
from .gate import put_gate, refuse_addresses
from .pages import build
from .theme import HEAD, css, theme

SESSIONS = 400
"""Visitors and API clients that Gradio remembers at most, about 0.2 MB each; the one longest unseen goes first."""


def mount(app: FastAPI, jobs: Jobs, settings: ServiceSettings, path: str = "/", tasks: Path | None = None) -> gr.Blocks:
    """Add the page to an application.

    Nothing of the machine is served beside what visitors upload, what is made for them, and pictures of the tasks below
    `tasks` where it is given; errors name no paths.
    """
    page = build(jobs, settings.limits, tasks)
    page.state_session_capacity = SESSIONS
    gr.mount_gradio_app(app, page, path=path, **look_and_limits(settings))
    # Mounted, Gradio takes the page for one that was not started yet, and then copies any file of the machine that a
    # client names into the folder that it serves.
    page.has_launched = True
    put_gate(app, path)
    refuse_addresses()
    return page


def look_and_limits(settings: ServiceSettings) -> dict[str, Any]:
    """What Gradio takes both where it is mounted and where it is launched."""
    return {
        "theme": theme(),
        "css": css(),
        "head": HEAD,
        "footer_links": ["api"],
        "run_history": False,
        "show_error": False,
        "ssr_mode": False,
        "allowed_paths": [],
        "max_file_size": settings.max_bytes,
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
    }

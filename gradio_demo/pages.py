"""The whole page: head, tabs, named endpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ..imaging.reading import Limits
from ..plugin.service.jobs import Jobs
from . import backend_choice
from .api import add_endpoints
from .compare_tab import CompareTab
from .desk import QUICK, Desk
from .fill_tab import FillTab
from .theme import page_js
from .widgets import asset

TITLE = "Inpaint Lens"
MOST_VISITS = 300
"""Visits that Gradio remembers; each takes some hundred kilobytes even when nothing was opened."""
MOST_AT_ONCE = 64
"""Events that may wait in Gradio's own queue; the queue that counts is that of the jobs."""


def build(jobs: Jobs, limits: Limits, tasks: Path | None = None) -> gr.Blocks:
    """The page over a queue of jobs.

    Args:
        jobs: runs everything.
        limits: what is too large to open.
        tasks: folder of the tasks of feedback training; None = no such tab.
    """
    desk = Desk(jobs, limits)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(1800, 3600), fill_width=True) as page:
        gr.HTML(asset("head.html"), elem_id="head", js_on_load=page_js())
        with gr.Tabs(elem_id="main-tabs"):
            with gr.Tab("Fill", id="fill-tab"):
                tab = FillTab(desk)
            with gr.Tab("Compare", id="compare-tab"):
                comparison = CompareTab(desk, tab)
            if tasks is not None:
                with gr.Tab("Train", id="train-tab"):
                    _train_tab(tasks, limits)
            with gr.Tab("How it works", id="help-tab"):
                gr.HTML(asset("help.html"), elem_id="help")
        add_endpoints(desk)
        page.load(_choices, None, [tab.backend, comparison.backends], **QUICK)
    page.state_session_capacity = MOST_VISITS
    page.queue(max_size=MOST_AT_ONCE, default_concurrency_limit=MOST_AT_ONCE)
    return page


def _train_tab(tasks: Path, limits: Limits) -> None:
    from .feedback.tab import FeedbackTab  # needs packages that the other tabs do without

    FeedbackTab(tasks, limits)


def _choices() -> list[dict[str, Any]]:
    """The list of backends as it is now: weights may have come, and speeds are known better."""
    return [gr.update(choices=backend_choice.choices())] * 2

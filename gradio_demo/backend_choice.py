"""The list of backends, and what the page says of each."""

from __future__ import annotations

import html
from typing import Any

from ..plugin.choices import DEFAULT_BACKEND
from ..plugin.listing import describe
from ..plugin.service.wording import without_paths
from .doing import speeds

TOLD_AS_WORDS = ("prompt", "negative-prompt")


def choices() -> list[tuple[str, str]]:
    """For each backend its label and its name; those that are ready come first."""
    found = sorted(describe(), key=lambda facts: not facts["ready"])
    return [(_label(facts), facts["name"]) for facts in found]


def ready_names() -> list[str]:
    """Backends that can be used now."""
    return [facts["name"] for facts in describe() if facts["ready"]]


def default() -> str:
    """What is chosen at first."""
    return DEFAULT_BACKEND


def _label(facts: dict[str, Any]) -> str:
    parts = [facts["name"], _size(facts), facts["licence"], speed(facts)]
    return ("" if facts["ready"] else "○ ") + " · ".join(part for part in parts if part)


def _size(facts: dict[str, Any]) -> str:
    if facts["download_mb"] >= 1000:
        return f"{facts['download_mb'] / 1000:.1f} GB"
    return f"{facts['download_mb']:.0f} MB" if facts["download_mb"] else ""


def speed(facts: dict[str, Any]) -> str:
    """How long a fill took here, or a hint."""
    if facts["name"] in speeds:
        return f"{max(0.1, speeds[facts['name']]):.1f} s here"
    names = {setting["name"] for setting in facts["settings"]}
    if names & {"guidance", "jump-length"}:
        return "slow without a GPU"
    return "seconds" if facts["learned"] or facts["copies"] or "iterations" in names else "quick"


def card(name: str) -> str:
    """What is known of one backend, as HTML."""
    facts = next((one for one in describe() if one["name"] == name), None)
    if facts is None:
        return ""
    state = '<b class="ready">ready</b>' if facts["ready"] else '<b class="absent">not ready</b>'
    licence = facts["licence"] + ("" if facts["commercial_use"] else ", no commercial use")
    tags = [licence, _size(facts) + " to download" * bool(_size(facts)), speed(facts)]
    tags += ["another fill for each seed"] if facts["stochastic"] else []
    tags += ["takes guide lines"] if facts["guide"] else []
    shown = "".join(f"<li>{html.escape(tag)}</li>" for tag in tags if tag)
    todo = "" if facts["ready"] else f'<p class="todo">{html.escape(without_paths(facts["status"]))}</p>'
    return (
        f'<div class="card"><p><b>{html.escape(facts["title"])}</b>: {html.escape(facts["advice"])}.</p>'
        f'<ul class="facts"><li>{state}</li>{shown}</ul>{todo}</div>'
    )


def guided() -> list[str]:
    """Backends that take drawn lines."""
    return [facts["name"] for facts in describe() if facts["guide"]]


def specs() -> dict[str, list[dict[str, Any]]]:
    """What each backend lets people choose, as the settings form takes it."""
    return {facts["name"]: [_spec(setting) for setting in facts["settings"]] for facts in describe()}


def _spec(setting: dict[str, Any]) -> dict[str, Any]:
    start = setting["default"]
    kind = "text"
    if isinstance(start, bool):
        kind = "tick"
    elif isinstance(start, int | float):
        kind = "number"
    elif setting["choices"]:
        kind = "choice"
    elif setting["name"] in TOLD_AS_WORDS:
        kind = "words"
    return {
        "name": setting["name"],
        "label": setting["name"].replace("-", " ").capitalize(),
        "help": setting["help"],
        "kind": kind,
        "start": start,
        "whole": isinstance(start, int),
        "low": setting["low"],
        "high": setting["high"],
        "choices": list(setting["choices"]),
    }

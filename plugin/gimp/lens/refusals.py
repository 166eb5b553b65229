"""`Refusal`: something that the person can put right."""

from __future__ import annotations


class Refusal(Exception):
    """What was asked cannot be done: one sentence that says why and what to do."""

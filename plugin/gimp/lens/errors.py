"""What can go wrong, as people are told of it."""

from __future__ import annotations


class Trouble(Exception):
    """Something went wrong: one sentence for people, with the next step."""


class Unreachable(Trouble):
    """The service is not there, or went away in the middle."""


class Stopped(Exception):
    """The person asked to stop; nothing is left to say."""

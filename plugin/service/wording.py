"""What a client is told: one sentence, without paths of this machine."""

from __future__ import annotations

import re

from ...imaging.errors import LensError

OUT_OF_MEMORY = "There was not enough memory for this: give a smaller picture or a smaller context."
UNEXPECTED = "Something unexpected went wrong in the service, which logged it: try again, or tell whoever runs it."
_START = r"(?:file://)?(?:~|[A-Za-z]:)?[/\\]"
_QUOTED = re.compile(rf"(?<='){_START}[^']+(?=')")
_BARE = re.compile(rf"(?<![\w/:.]){_START}[^\s'\",;:()]+")
_OPTION = re.compile(r"(?<![\w-])--([a-z])")
"""How options are called on a command line, which clients don't have."""


def told(error: BaseException) -> LensError:
    """An error for clients: our own sentences without paths, one general sentence for anything else."""
    if isinstance(error, LensError):
        text = _OPTION.sub(r"\1", without_paths(str(error)))
        return error if text == str(error) else _same_kind(error, text)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return LensError(OUT_OF_MEMORY)
    return LensError(UNEXPECTED)


def without_paths(text: str) -> str:
    """`text` with each path of a file or folder cut down to its last name; addresses of the web stay."""
    for pattern in (_QUOTED, _BARE):
        text = pattern.sub(_last_name, text)
    return text


def _last_name(path: re.Match[str]) -> str:
    names = [name for name in re.split(r"[/\\]", path[0]) if name]
    return names[-1] if names else path[0]


def _same_kind(error: LensError, text: str) -> LensError:
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == LensError.__module__)
    made = kind(text)
    assert isinstance(made, LensError)
    return made

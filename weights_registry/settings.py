"""Where to fetch from and where to keep it: one value, read from the environment once per call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..imaging.errors import InputError
from .stand_in import standing


def default_cache() -> Path:
    """Our own cache folder: `INPAINT_LENS_CACHE`, else `inpaint-lens` in the user's cache folder."""
    if own := os.environ.get("INPAINT_LENS_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "inpaint-lens"


@dataclass(frozen=True)
class HubSettings:
    """Where weights come from and where they lie.

    Attributes:
        endpoint: address of the Hub or a mirror; None = huggingface_hub's own (`HF_ENDPOINT`).
        hub_cache: the Hub client's cache folder; None = its own (`HF_HOME`, `HF_HUB_CACHE`).
        cache: our cache folder: files from `https` sources, lock file, remembered checksums.
        token: for gated repositories; None = huggingface_hub's own (`HF_TOKEN`, `hf auth login`). Never shown.
        offline: never touch the network.
        catalog: the user's own catalog, merged over ours.
        weights: local files or folders that stand in for entries, by name.
        weights_dir: folder in which files called like an entry or its file stand in for it.
        timeout_s: patience with a server that does not answer, in seconds.
        retry_wait_s: pause before a cut connection is taken up again, in seconds.
    """

    endpoint: str | None = None
    hub_cache: Path | None = None
    cache: Path = field(default_factory=default_cache)
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    catalog: Path | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    weights_dir: Path | None = None
    timeout_s: float = 8.0
    retry_wait_s: float = 0.5

    @classmethod
    def from_environment(cls) -> HubSettings:
        """Settings as the environment and `standing_in` say.

        Raises:
            InputError: `INPAINT_LENS_WEIGHTS` cannot be read.
        """
        environ = os.environ
        offline = environ.get("HF_HUB_OFFLINE") or environ.get("TRANSFORMERS_OFFLINE") or ""
        return cls(
            offline=offline.upper() in ("1", "ON", "YES", "TRUE"),
            catalog=_path(environ.get("INPAINT_LENS_CATALOG")),
            weights={**parse_weights(environ.get("INPAINT_LENS_WEIGHTS", "")), **standing()},
            weights_dir=_path(environ.get("INPAINT_LENS_WEIGHTS_DIR")),
        )


def parse_weights(text: str) -> dict[str, Path]:
    """`name=/path,name2=/path2` as a mapping; raises `InputError` where a part has another form."""
    pairs = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, path = part.partition("=")
        if not equals or not name.strip() or not path.strip():
            raise InputError(
                f"INPAINT_LENS_WEIGHTS has '{part}' where NAME=PATH is expected: write NAME=PATH,NAME2=PATH2."
            )
        pairs[name.strip()] = Path(path.strip()).expanduser()
    return pairs


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None

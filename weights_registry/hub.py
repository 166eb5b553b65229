"""The Hugging Face Hub as a source: look, ask, download."""

from __future__ import annotations

import logging
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from tqdm.std import tqdm

from ..imaging.errors import LensError, NetworkError, WeightsError
from ..imaging.monitor import Monitor
from .catalog import WeightsEntry, WeightsFile, allowed_address
from .formats import PICKLE_SUFFIXES
from .messages import HUB_FAILURES, endpoint_of, hub_error
from .settings import HubSettings

log = logging.getLogger(__name__)


def locate(entry: WeightsEntry, filename: str, settings: HubSettings) -> Path | None:
    """Where the Hub's cache holds a file of the entry's pinned revision; None if nowhere. No network."""
    found = try_to_load_from_cache(
        entry.repo, filename, cache_dir=settings.hub_cache, revision=entry.revision, repo_type=entry.repo_type
    )
    return Path(found) if isinstance(found, str) else None


def checksum_by_store(path: Path) -> WeightsFile | None:
    """The checksum under which the Hub's cache stores a file, by the name of its blob; None where it has none."""
    return _with_etag(path.name, 0, path.resolve().name)


def cache_folder(settings: HubSettings) -> Path:
    """The Hub client's cache folder."""
    return settings.hub_cache or Path(constants.HF_HUB_CACHE)


def list_files(entry: WeightsEntry, settings: HubSettings) -> tuple[WeightsFile, ...]:
    """The files that the patterns of `entry.include` take at the pinned revision, with sizes and checksums.

    Raises:
        NetworkError, MissingError: as `ask`.
        WeightsError: nothing fits the patterns, or something that fits is a pickle.
    """
    api = HfApi(endpoint=settings.endpoint, token=_token(settings))
    try:
        # Not list_repo_tree: where the Hub cannot be reached, that one tries for 23 seconds.
        facts = api.repo_info(
            entry.repo,
            revision=entry.revision,
            repo_type=entry.repo_type,
            timeout=settings.timeout_s,
            files_metadata=True,
        )
    except HUB_FAILURES as error:
        raise hub_error(entry, "its list of files", settings, error) from error
    found = []
    for node in getattr(facts, "siblings", None) or ():
        path = node.rfilename
        if any(fnmatch(path, pattern) for pattern in entry.include):
            if path.endswith(PICKLE_SUFFIXES) or ".." in path.split("/"):
                raise WeightsError(f"'{entry.name}' holds the file {path}, which is refused: narrow its patterns.")
            sha256, git_sha1 = (node.lfs.sha256, "") if node.lfs else ("", node.blob_id or "")
            found.append(WeightsFile(path, node.size or 0, sha256, git_sha1))
    if not found:
        raise WeightsError(f"{entry.repo} has no file that fits {', '.join(entry.include)}: correct the catalog.")
    return tuple(found)


def ask(entry: WeightsEntry, expected: WeightsFile, settings: HubSettings) -> WeightsFile:
    """Size and checksum of a file as the Hub tells them, in one quick request that is not tried again.

    Raises:
        MissingError: offline, or the repository is gated.
        NetworkError: the Hub cannot be reached, or does not have the file.
        WeightsError: the Hub has another file than the one pinned.
    """
    endpoint = endpoint_of(settings)
    try:
        url = hf_hub_url(
            entry.repo, expected.path, repo_type=entry.repo_type, revision=entry.revision, endpoint=endpoint
        )
        facts = get_hf_file_metadata(url, token=_token(settings), timeout=settings.timeout_s, endpoint=endpoint)
    except HUB_FAILURES as error:
        raise hub_error(entry, expected.path, settings, error) from error
    told = _with_etag(expected.path, facts.size or 0, facts.etag or "")
    if facts.commit_hash is None or facts.etag is None:
        raise NetworkError(f"{endpoint} does not answer as the Hub does: correct HF_ENDPOINT.")
    if told and told.sha256 and expected.sha256 and told.sha256 != expected.sha256:
        raise WeightsError(
            f"{endpoint} offers another {expected.path} for '{entry.name}' than the one recorded "
            f"({told.sha256[:12]}... instead of {expected.sha256[:12]}...): do not use it, look at {entry.page_url}."
        )
    return told or WeightsFile(expected.path, facts.size or 0)


def download(entry: WeightsEntry, filename: str, settings: HubSettings, monitor: Monitor, *, force: bool) -> Path:
    """Fetch one file into the Hub's cache and return its path; its checksum is not looked at here."""
    try:
        path = hf_hub_download(
            entry.repo,
            filename,
            repo_type=entry.repo_type,
            revision=entry.revision,
            cache_dir=settings.hub_cache,
            endpoint=settings.endpoint,
            token=_token(settings),
            etag_timeout=settings.timeout_s,
            force_download=force,
            tqdm_class=_bar_class(entry.name, monitor),
        )
    except LensError:
        raise
    except HUB_FAILURES as error:
        raise hub_error(entry, filename, settings, error) from error
    monitor.check()
    return Path(path)


def _token(settings: HubSettings) -> str | bool | None:
    """The token to send: none over plain http to another machine, where anyone on the way could read it."""
    if allowed_address(endpoint_of(settings)):
        return settings.token
    log.warning("%s is not https, so no token is sent to it.", endpoint_of(settings))
    return False


def _with_etag(path: str, size: int, etag: str) -> WeightsFile | None:
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        return WeightsFile(path, size, sha256=etag)
    return WeightsFile(path, size, git_sha1=etag) if re.fullmatch(r"[0-9a-f]{40}", etag) else None


def _bar_class(name: str, monitor: Monitor) -> type[tqdm]:
    """A progress bar class that shows nothing and tells `monitor`, whose `Cancelled` ends the download."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            self._told_bytes = float(options.get("initial") or 0)
            self._total_bytes = float(options.get("total") or 0)
            options["disable"] = True
            super().__init__(*args, **options)

        def update(self, n: float | None = 1) -> bool | None:
            self._told_bytes += n or 0
            monitor.report(f"downloading {name}", self._told_bytes / self._total_bytes if self._total_bytes else 0.0)
            return None

        # The two that the Hub's chunked transfer looks for: with them it drives one bar, not two.
        def update_transfer(self, n: float | None = 1) -> None:
            monitor.check()

        def set_transfer_postfix_str(self, text: str = "", refresh: bool = True) -> None:
            monitor.check()

    return Bar

"""What the Hub, its client, the network and the disk can do wrong, each told in one sentence."""

from __future__ import annotations

import errno
import re

import httpx2
from huggingface_hub import constants, errors

from ..imaging.errors import InputError, LensError, MissingError, NetworkError
from .catalog import WeightsEntry, size_text
from .settings import HubSettings
from .store import unwritable

HUB_FAILURES = (
    OSError,
    ValueError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    errors.EntryNotFoundError,
    errors.RevisionResolutionError,
    errors.XetDownloadError,
)
"""What the Hub's client raises when something is wrong that is no mistake of ours."""

BY_HAND = "or put the file on this machine and set INPAINT_LENS_WEIGHTS={name}=/path/to/it"


def endpoint_of(settings: HubSettings) -> str:
    """Address of the Hub or mirror in use."""
    return (settings.endpoint or constants.ENDPOINT).rstrip("/")


def offline_error(entry: WeightsEntry) -> MissingError:
    """Not here, and the network may not be asked."""
    return MissingError(
        f"The weights '{entry.name}' are not on this machine and HF_HUB_OFFLINE forbids fetching them: "
        f"unset it, {by_hand(entry)}."
    )


def by_hand(entry: WeightsEntry) -> str:
    """What to do without a network."""
    return BY_HAND.format(name=entry.name)


def unreachable(entry: WeightsEntry, address: str, reason: str) -> NetworkError:
    """The sentence for a server that cannot be reached."""
    mirror = "set HF_ENDPOINT to a mirror, " if entry.source == "hub" else ""
    return NetworkError(
        f"{address} cannot be reached to fetch '{entry.name}' ({reason}): check the network, {mirror}{by_hand(entry)}."
    )


def no_space(entry: WeightsEntry, folder: object, needed: int, free: int | None = None) -> MissingError:
    """The sentence for a full disk."""
    left = f", {size_text(free) if free else 'nothing'} is left" if free is not None else ""
    return MissingError(
        f"The disk of {folder} has no room for '{entry.name}' ({size_text(needed)} needed{left}): free some space, "
        "or set HF_HOME and INPAINT_LENS_CACHE to folders on another disk."
    )


def disk_error(entry: WeightsEntry, settings: HubSettings, error: OSError) -> LensError | None:
    """The sentence for an `OSError` of the disk, None where it is something else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(entry, settings.hub_cache or settings.cache, entry.size)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return unwritable(settings.hub_cache or settings.cache, error)
    return None


def hub_error(entry: WeightsEntry, filename: str, settings: HubSettings, error: BaseException) -> LensError:
    """The sentence for whatever the Hub's client raised while fetching `filename`."""
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        return hub_error(entry, filename, settings, error.__cause__)
    endpoint, page = endpoint_of(settings), entry.page_url
    place = f"'{entry.name}' ({entry.repo}, {filename})"
    if isinstance(error, errors.GatedRepoError):
        return MissingError(
            f"'{entry.name}' is given only to people who accept its conditions: visit {page}, accept them, then run "
            "`hf auth login` or set HF_TOKEN to a token of that account."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return NetworkError(f"{endpoint} knows no repository for {place}, or it is private: check {page} and HF_TOKEN.")
    if isinstance(error, errors.RevisionNotFoundError):
        return NetworkError(
            f"{endpoint} no longer has revision {entry.revision} of {place}: look at {page}, {by_hand(entry)}."
        )
    if isinstance(error, errors.EntryNotFoundError):
        return NetworkError(f"{endpoint} has no such file in {place}: look at {page}, {by_hand(entry)}.")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return offline_error(entry)
    if isinstance(error, errors.HfHubHTTPError):
        status = getattr(error.response, "status_code", "unknown")
        return NetworkError(
            f"{endpoint} answered with status {status} for {place}: try again later, or set HF_ENDPOINT to a mirror."
        )
    if isinstance(error, httpx2.HTTPError):
        return unreachable(entry, endpoint, scrub(error, settings) or type(error).__name__)
    if isinstance(error, OSError) and (told := disk_error(entry, settings, error)):
        return told
    if isinstance(error, errors.HFValidationError):
        return InputError(f"The Hub's client refuses the name of {place}: correct the catalog.")
    return NetworkError(f"Fetching {place} from {endpoint} failed ({scrub(error, settings)}): try again.")


def scrub(error: BaseException, settings: HubSettings) -> str:
    """First line of an error's text, without anything that looks like a token."""
    text = str(error).strip().partition("\n")[0]
    if settings.token:
        text = text.replace(settings.token, "***")
    return re.sub(r"(hf_|Bearer\s+)[A-Za-z0-9_-]{4,}", "***", text).rstrip(" .:")

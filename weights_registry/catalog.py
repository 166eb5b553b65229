"""Which weights exist: the entries of `catalog.toml` and of the user's own catalog, as values."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ..imaging.errors import InputError
from .settings import HubSettings

SOURCES = ("hub", "https", "page")
SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torchscript": ".pt", "pytorch": ".pth", "diffusers": ""}
"""The usual end of a file's name by format; none for a folder."""
FORMATS = tuple(SUFFIXES)
PURPOSES = ("inpaint", "diffusion", "segment", "score", "perceptual", "restore")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
BUILT_IN = Path(__file__).with_name("catalog.toml")


@dataclass(frozen=True)
class WeightsFile:
    """One file of an entry.

    Attributes:
        path: where it lies in its repository (forward slashes), or its file name for `https` and `page`.
        size: bytes, 0 = not known.
        sha256: 64 hexadecimal digits, empty = not known.
        git_sha1: for small text files, of which the Hub keeps only git's own hash: 40 digits, or empty.
    """

    path: str
    size: int = 0
    sha256: str = ""
    git_sha1: str = ""

    @property
    def pinned(self) -> bool:
        """Whether a checksum is known."""
        return bool(self.sha256 or self.git_sha1)


@dataclass(frozen=True)
class WeightsEntry:
    """One set of weights that has a name, and can be fetched by it unless its source is a page for people.

    Attributes:
        name: what users type.
        title: one short line for lists.
        source: `hub`, `https`, or `page`: a person has to fetch it.
        licence: SPDX name where there is one, with any doubt in brackets.
        commercial_use: whether the licence of the weights is stated and allows commercial use.
        format: one of `FORMATS`; says how the file may be loaded.
        purpose: one of `PURPOSES`.
        use: what it is for, one sentence.
        files: the files, empty where `include` has to be resolved first.
        include: patterns of a whole repository, resolved at the pinned revision.
        repo, revision, repo_type: of the Hub; the revision is a commit.
        url: of an `https` source.
        page: of a `page` source, where a person finds it.
        size: all files together in bytes, 0 = not known, rounded where there is `include`.
        upstream: paper and home page.
        gated: the repository asks people to accept conditions on its page first.
        gate_page: that page, empty = the page of the repository.
        superseded_by: the entry to take instead, unless there is a reason.
    """

    name: str
    title: str
    source: str
    licence: str
    commercial_use: bool
    format: str
    purpose: str
    use: str
    files: tuple[WeightsFile, ...] = ()
    include: tuple[str, ...] = ()
    repo: str = ""
    revision: str = ""
    repo_type: str = "model"
    url: str = ""
    page: str = ""
    size: int = 0
    upstream: str = ""
    gated: bool = False
    gate_page: str = ""
    superseded_by: str = ""

    @property
    def megabytes(self) -> float:
        """Size of all files in units of 10^6 bytes, 0 = not known."""
        return self.size / 1e6

    @property
    def size_text(self) -> str:
        """The size in words: `208 MB`, `about 2.7 GB`, `size unknown`."""
        return ("about " if self.include and self.size else "") + size_text(self.size)

    @property
    def page_url(self) -> str:
        """The page to read before fetching: of the gate, the repository, the file's host, or the file itself."""
        if self.gate_page:
            return self.gate_page
        if self.source != "hub":
            return self.page or self.url
        prefix = {"model": "", "space": "spaces/", "dataset": "datasets/"}[self.repo_type]
        return f"https://huggingface.co/{prefix}{self.repo}"

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of files rather than one file."""
        return bool(self.include) or len(self.files) > 1

    @property
    def filename(self) -> str:
        """Name of the single file, without folders; empty for a folder of files."""
        return "" if self.is_folder else PurePosixPath(self.files[0].path).name

    @property
    def by_hand(self) -> bool:
        """Whether only a person can fetch it."""
        return self.source == "page"

    @property
    def identity(self) -> str:
        """What the bytes are tied to: repository and commit, or the address."""
        return f"{self.repo_type}:{self.repo}@{self.revision}" if self.source == "hub" else self.page or self.url


def size_text(size: int) -> str:
    """Bytes in words, `size unknown` for 0."""
    if size <= 0:
        return "size unknown"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}" if size < 10 * scale else f"{size / scale:.0f} {unit}"
    return f"{size} bytes"


def load_catalog(settings: HubSettings | None = None) -> dict[str, WeightsEntry]:
    """All entries by name: ours, then those of the file that `INPAINT_LENS_CATALOG` names, which win.

    Raises:
        InputError: the user's file is missing, is not TOML, or has an entry that cannot be used.
    """
    settings = settings or HubSettings.from_environment()
    entries = dict(_built_in())
    if settings.catalog:
        entries.update(read_catalog(settings.catalog))
    return entries


def entry(name: str, settings: HubSettings | None = None) -> WeightsEntry:
    """The entry called `name`; raises `InputError` with the nearest names where there is none."""
    entries = load_catalog(settings)
    if name in entries:
        return entries[name]
    near = difflib.get_close_matches(name, entries, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `inpaint-lens download --list`."
    raise InputError(f"There are no weights called '{name}': {hint}")


@cache
def _built_in() -> dict[str, WeightsEntry]:
    return read_catalog(BUILT_IN)


def read_catalog(path: Path) -> dict[str, WeightsEntry]:
    """The entries of one TOML file; raises `InputError` that names the file and the entry at fault."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"The catalog {path} cannot be read ({error.strerror}): check INPAINT_LENS_CATALOG."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The catalog {path} is not valid TOML ({error}): correct it.") from error
    entries = {}
    for name, table in tables.items():
        try:
            entries[name] = parse_entry(name, table)
        except (ValueError, TypeError) as error:
            raise InputError(f"Entry '{name}' of the catalog {path} cannot be used: {error}.") from error
    return entries


def parse_entry(name: str, table: Any) -> WeightsEntry:
    """One table of the catalog as a value; raises `ValueError` in words where it breaks a rule."""
    if not isinstance(table, Mapping):
        raise ValueError("it is not a table")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ValueError("its name may hold letters, digits, '.', '-' and '_' only")
    known = {field.name for field in fields(WeightsEntry)} - {"name"}
    if extra := set(table) - known - {"file", "sha256"}:
        raise ValueError(f"unknown key {', '.join(sorted(extra))}")
    needed = {field.name for field in fields(WeightsEntry) if field.default is MISSING} - {"name"}
    if missing := needed - set(table):
        raise ValueError(f"{', '.join(sorted(missing))} missing")
    values = {key: value for key, value in table.items() if key not in ("file", "sha256", "files", "include")}
    files = _files(name, table)
    made = WeightsEntry(name=name, files=files, include=tuple(table.get("include", ())), **values)
    _check(made)
    return made


def _files(name: str, table: Mapping[str, Any]) -> tuple[WeightsFile, ...]:
    if "files" in table:
        return tuple(WeightsFile(**part) for part in table["files"])
    path = table.get("file") or PurePosixPath(urlsplit(table.get("url", "")).path).name
    if not path and table["source"] == "page":
        path = name + SUFFIXES.get(table["format"], "")
    return (WeightsFile(path, table.get("size", 0), table.get("sha256", "")),) if path else ()


def _check(made: WeightsEntry) -> None:
    for value, allowed in ((made.source, SOURCES), (made.format, FORMATS), (made.purpose, PURPOSES)):
        if value not in allowed:
            raise ValueError(f"'{value}' is none of {', '.join(allowed)}")
    if not made.licence or not isinstance(made.commercial_use, bool) or not isinstance(made.size, int):
        raise ValueError("it needs a licence in words, commercial_use true or false, and a size in bytes")
    if made.page and not made.by_hand:
        raise ValueError("a page belongs to the source page only")
    if made.source == "hub":
        _check_hub(made)
    elif made.by_hand:
        _check_page(made)
    elif len(made.files) != 1 or not allowed_address(made.url):
        raise ValueError("an https source is one file at an https address")
    if not made.files and not made.include:
        raise ValueError("it names no file")
    if made.format == "torchscript" and not all(part.sha256 for part in made.files):
        raise ValueError("TorchScript runs code, so its sha256 has to be given")
    for part in made.files:
        _check_file(part)


def _check_hub(made: WeightsEntry) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", made.repo):
        raise ValueError("repo has to be owner/name")
    if not re.fullmatch(r"[0-9a-f]{40}", made.revision):
        raise ValueError("revision has to be a commit of 40 hexadecimal digits")
    if made.repo_type not in ("model", "space", "dataset"):
        raise ValueError(f"'{made.repo_type}' is none of model, space, dataset")


def _check_page(made: WeightsEntry) -> None:
    if urlsplit(made.page).scheme != "https" or not urlsplit(made.page).hostname:
        raise ValueError("a page source needs a page with an https address")
    if made.url or made.repo or made.revision or made.gated:
        raise ValueError("a page source has a page, and no url, repo, revision or gate")
    if len(made.files) != 1 or made.include or made.format == "diffusers":
        raise ValueError("a page source is one file")


def _check_file(part: WeightsFile) -> None:
    path = PurePosixPath(part.path)
    if path.is_absolute() or ".." in path.parts or "\\" in part.path or not path.name:
        raise ValueError(f"the file name '{part.path}' leaves its folder")
    if part.sha256 and not re.fullmatch(r"[0-9a-f]{64}", part.sha256):
        raise ValueError("sha256 has to be 64 hexadecimal digits in lower case")


def allowed_address(url: str) -> bool:
    """Whether a file may be fetched from `url`: https, or http on this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))

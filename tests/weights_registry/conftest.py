"""A Hub and a plain file server on loopback, with the faults that the tests need."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants
from inpaint_lens.weights_registry import HubSettings

COMMIT = "a" * 40
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"


class FakeHub(ThreadingHTTPServer):
    """Serves `repos[repo][file]` as the Hub does, and `plain[name]` at /files/name.

    cuts: numbers of bytes after which the next bodies are cut off, one for each GET.
    spoilt: how many of the next GETs have their first byte changed (the length stays).
    ranges: whether a request for the rest of a file is answered with the rest, else with all of it.
    hold: bodies wait for this event after their first half; `held` is set when one does.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.plain: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.gated: set[str] = set()
        self.git_files: set[str] = set()
        self.etags: dict[str, str] = {}
        self.cuts: list[int] = []
        self.spoilt = 0
        self.ranges = True
        self.status = 0
        self.hold: threading.Event | None = None
        self.held = threading.Event()
        self.log: list[tuple[str, str, str | None, str | None]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self) -> list[str | None]:
        """The Range of each GET of a file's body so far."""
        return [span for method, path, span, _ in self.log if method == "GET" and not path.startswith("/api/")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None: ...

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, code: int, name: str) -> None:
        self.answer(code, X_Error_Code=name, X_Repo_Commit=COMMIT)

    def do_HEAD(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.log.append((self.command, path, self.headers.get("Range"), self.headers.get("Authorization")))
        if self.server.status:
            return self.answer(self.server.status)
        if path.startswith("/files/"):
            return self.plain(path.removeprefix("/files/"))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", path):
            return self.info(found[1])
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        return self.resolve(*found.groups()) if found else self.answer(404)

    def do_GET(self) -> None:
        self.do_HEAD()

    def plain(self, name: str) -> None:
        if name in self.server.redirects:
            return self.answer(302, Location=self.server.redirects[name])
        if name not in self.server.plain:
            return self.answer(404)
        data = self.server.plain[name]
        return self.body(data, ETag=f'"{hashlib.md5(data).hexdigest()}"')

    def info(self, repo: str) -> None:
        nodes = []
        for path, data in self.server.repos.get(repo, {}).items():
            node: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": git_sha1(data)}
            if path not in self.server.git_files:
                node["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            nodes.append(node)
        about = {"id": repo, "sha": COMMIT, "private": False, "gated": False, "tags": [], "siblings": nodes}
        self.answer(200, json.dumps(about).encode(), Content_Type="application/json")

    def resolve(self, repo: str, revision: str, name: str) -> None:
        if repo not in self.server.repos:
            return self.fail(401, "RepoNotFound")
        if repo in self.server.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.fail(401, "GatedRepo")
        if revision != COMMIT:
            return self.fail(404, "RevisionNotFound")
        if name not in self.server.repos[repo]:
            return self.fail(404, "EntryNotFound")
        data = self.server.repos[repo][name]
        own = git_sha1(data) if name in self.server.git_files else hashlib.sha256(data).hexdigest()
        etag = self.server.etags.get(name, own)
        return self.body(data, X_Repo_Commit=COMMIT, ETag=f'"{etag}"')

    def body(self, data: bytes, **headers: str) -> None:
        span = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "") if self.server.ranges else None
        start = int(span[1]) if span else 0
        headers |= {"Accept_Ranges": "bytes", "Content_Length": str(len(data) - start)}
        if span:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        part = data[start:]
        if self.command == "HEAD":
            return self.answer(200, part, **headers)
        if self.server.spoilt:
            self.server.spoilt -= 1
            part = bytes([part[0] ^ 1]) + part[1:]
        self.send_response(206 if span else 200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.server.cuts:
            part = part[: self.server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(part[: len(part) // 2])
        if self.server.hold:
            self.server.held.set()
            self.server.hold.wait(20)
        self.wfile.write(part[len(part) // 2 :])


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CATALOG", "WEIGHTS", "WEIGHTS_DIR"):
        monkeypatch.delenv(f"INPAINT_LENS_{name}", raising=False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        if server.hold:
            server.hold.set()
        server.shutdown()


@pytest.fixture
def data() -> bytes:
    """A megabyte that looks like no known format."""
    return b"weights!" + b"".join(hashlib.sha256(b"%d" % index).digest() for index in range(1 << 15))


@pytest.fixture
def settings(hub: FakeHub, tmp_path: Path) -> HubSettings:
    return HubSettings(
        endpoint=hub.url,
        hub_cache=tmp_path / "hub",
        cache=tmp_path / "cache",
        catalog=tmp_path / "catalog.toml",
        timeout_s=3.0,
        retry_wait_s=0.0,
    )


@pytest.fixture
def offer(hub: FakeHub, tmp_path: Path) -> Callable[..., None]:
    """Add a one-file entry to the catalog and its file to the server; `over` changes keys, None drops one."""
    tables: dict[str, dict[str, Any]] = {}

    def add(name: str, content: bytes, *, source: str = "hub", file: str = "model.onnx", **over: Any) -> None:
        table: dict[str, Any] = {"title": name, "source": source, "licence": "MIT", "commercial_use": True}
        table |= {"format": "onnx", "purpose": "inpaint", "use": "Tests.", "size": len(content)}
        table |= {"sha256": hashlib.sha256(content).hexdigest()}
        if source == "hub":
            table |= {"repo": f"acme/{name}", "revision": COMMIT, "file": file}
            hub.repos.setdefault(f"acme/{name}", {})[file] = content
        elif source == "https":
            table |= {"url": f"{hub.url}/files/{name}/{file}"}
            hub.plain[f"{name}/{file}"] = content
        else:
            table |= {"page": "https://example.org/models", "file": file or None}
        tables[name] = {key: value for key, value in (table | over).items() if value is not None}
        (tmp_path / "catalog.toml").write_text(toml(tables), encoding="utf-8")

    return add


def toml(tables: dict[str, dict[str, Any]]) -> str:
    """Flat tables of strings, numbers, booleans and lists of strings as TOML, of which JSON's values are a part."""
    return "\n".join(
        f'["{name}"]\n' + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


@pytest.fixture
def leftovers(tmp_path: Path) -> Callable[[], list[str]]:
    """Names of the files in both caches, without locks and memory."""

    def names() -> list[str]:
        kept = [path for root in ("hub", "cache") for path in (tmp_path / root).rglob("*")]
        housekeeping = (".lock", "verified.json", "CACHEDIR.TAG", ".gitignore")
        files = [path for path in kept if path.is_symlink() or path.is_file()]
        return [path.name for path in files if not path.name.endswith(housekeeping)]

    return names

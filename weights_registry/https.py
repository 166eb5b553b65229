"""A plain https address as a source: streamed, taken up again where it was cut, whole or not at all."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from ..imaging.errors import LensError, NetworkError
from ..imaging.monitor import Monitor
from .catalog import WeightsEntry, allowed_address
from .settings import HubSettings

CHUNK_BYTES = 1 << 18
ATTEMPTS = 5
AGENT = "inpaint-lens"


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https (or to this machine) only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not allowed_address(newurl):
            raise NetworkError(f"{req.host} redirects to {newurl}, which is not https: the file is not fetched.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(entry: WeightsEntry, target: Path, settings: HubSettings, monitor: Monitor) -> None:
    """Fetch the entry's address into `target`; the checksum is not looked at here.

    Raises:
        NetworkError: the server cannot be reached, refuses, or was cut off again and again.
        Cancelled: asked to stop; nothing is left behind.
        OSError: the disk is full or cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(".*.part"):  # of a process that was killed; the caller holds the lock
        left.unlink(missing_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            _Transfer(entry, settings, monitor, stream).run()
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class _Transfer:
    """One download: what is already there, and how often the server failed in a row."""

    def __init__(self, entry: WeightsEntry, settings: HubSettings, monitor: Monitor, stream: IO[bytes]) -> None:
        self.entry, self.settings, self.monitor, self.stream = entry, settings, monitor, stream
        self.opener = urllib.request.build_opener(_OnlySafe)
        self.done = 0
        self.total = entry.size
        self.version = ""

    def run(self) -> None:
        """Receive everything, taking up the connection again where it breaks."""
        failures = 0
        while True:
            before = self.done
            try:
                if self._receive():
                    return
                reason: object = "the connection was cut"
            except LensError:
                raise
            except urllib.error.HTTPError as error:
                error.close()
                if error.code < 500 and error.code not in (408, 429):
                    raise self._refused(error.code) from error
                reason = f"status {error.code}"
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                reason = getattr(error, "reason", None) or error
                if before == self.done == 0 and isinstance(reason, ConnectionRefusedError | OSError):
                    raise self._unreachable(reason) from error
            failures = 0 if self.done > before else failures + 1
            if failures >= ATTEMPTS:
                raise self._unreachable(reason)
            self.monitor.check()
            time.sleep(self.settings.retry_wait_s)

    def _receive(self) -> bool:
        """One connection; True when the file is complete."""
        request = urllib.request.Request(self.entry.url, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
        if self.done:
            request.add_header("Range", f"bytes={self.done}-")
            if self.version:
                request.add_header("If-Range", self.version)
        with closing(self.opener.open(request, timeout=self.settings.timeout_s)) as response:
            self._begin(response.status, response.headers)
            while block := response.read1(CHUNK_BYTES):
                self.stream.write(block)
                self.done += len(block)
                self.monitor.report(f"downloading {self.entry.name}", self.done / self.total if self.total else 0.0)
                if self.total and self.done > self.total:
                    raise NetworkError(
                        f"{self.entry.url} sends more than the {self.total} bytes that it should: not fetched."
                    )
        return not self.total or self.done == self.total

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Read the headers; a server that sends the whole file again makes us start over."""
        if self.done and (status != 206 or not headers.get("Content-Range", "").startswith(f"bytes {self.done}-")):
            self.stream.seek(0)
            self.stream.truncate()
            self.done = 0
        etag = headers.get("ETag", "")
        self.version = "" if etag.startswith("W/") else etag
        length = headers.get("Content-Length", "")
        if not self.total and length.isdigit():
            self.total = self.done + int(length)

    def _refused(self, code: int) -> NetworkError:
        return NetworkError(
            f"{self.entry.url} answered with status {code} for '{self.entry.name}': "
            f"get the file elsewhere and set INPAINT_LENS_WEIGHTS={self.entry.name}=/path/to/it."
        )

    def _unreachable(self, reason: object) -> NetworkError:
        return NetworkError(
            f"{self.entry.url} cannot be reached to fetch '{self.entry.name}' ({reason}): check the network, "
            f"or put the file on this machine and set INPAINT_LENS_WEIGHTS={self.entry.name}=/path/to/it."
        )

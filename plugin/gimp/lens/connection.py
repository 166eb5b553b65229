"""HTTP to the private service, over its Unix socket or over loopback with its token; every wait has a limit."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Union

from .errors import Trouble, Unreachable

SILENCE_S = 30.0
"""How long the other end may keep still, while we send, wait for an answer, or follow a job."""
_BLOCK = 1 << 20
_NO_SENSE = "The service gave an answer that makes no sense (log: {log}): try again."
_GONE = "The service of Inpaint Lens stopped unexpectedly (log: {log}): try again."
_SILENT = "The service of Inpaint Lens has not answered for {seconds:.0f} seconds (log: {log}): try again."
_LOST = (http.client.HTTPException, OSError)


@dataclass(frozen=True)
class Address:
    """Where the service listens: a Unix socket, or a port with the token that it asks for."""

    uds: str = ""
    host: str = ""
    port: int = 0
    token: str = ""


class _Line(http.client.HTTPConnection):
    """One connection; `hang_up` ends it from another thread."""

    def __init__(self, address: Address, limit_s: float) -> None:
        super().__init__("localhost" if address.uds else address.host, address.port or None, timeout=limit_s)
        self._uds = address.uds
        self._line: socket.socket | None = None

    def connect(self) -> None:
        """Connect, and keep hold of the socket, which the base class lets go when the last answer begins."""
        if self._uds:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._uds)
        else:
            super().connect()
        self._line = self.sock

    def hang_up(self) -> None:
        """Make whoever waits on this connection hear its end."""
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


class Call:
    """One request and its answer; `hang_up` may be called from another thread at any time."""

    def __init__(self, connection: Connection, limit_s: float) -> None:
        self._log = connection.log
        self._token = connection.address.token
        self._limit_s = limit_s
        self._line = _Line(connection.address, limit_s)

    def hang_up(self) -> None:
        """End it; the other thread sees `Unreachable`."""
        self._line.hang_up()

    def read(self, method: str, path: str, body: Body | None = None) -> bytes:
        """Send, and receive the whole answer.

        Raises:
            Trouble: the service refused, with its own sentence.
            Unreachable: it is not there, went away or kept still for too long.
        """
        with self.opened(method, path, body) as answer:
            return answer.read()

    @contextmanager
    def opened(self, method: str, path: str, body: Body | None = None) -> Iterator[http.client.HTTPResponse]:
        """The answer, to be read step by step; raises as `read` does."""
        try:
            headers = {"Connection": "close"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            if body is not None:
                headers.update({"Content-Type": body.kind, "Content-Length": str(body.length)})
            with suppress(BrokenPipeError, ConnectionResetError):  # refused while we send: the answer says why
                self._line.request(method, path, None if body is None else body.blocks(), headers)
            answer = self._line.getresponse()
            if answer.status >= 400:
                raise Trouble(self._refusal(answer.status, answer.read()))
            yield answer
        except socket.timeout:  # noqa: UP041 - in Python 3.9 this is not yet TimeoutError
            raise Unreachable(_SILENT.format(seconds=self._limit_s, log=self._log)) from None
        except _LOST as error:
            raise gone(self._log) from error
        finally:
            self._line.close()

    def _refusal(self, status: int, data: bytes) -> str:
        try:
            return str(json.loads(data)["detail"])
        except (ValueError, KeyError, TypeError):
            return f"The service refused with status {status} (log: {self._log}): try again."


class Connection:
    """The service at an address; each request takes a connection of its own.

    Args:
        address: where it listens.
        log: path of its log, for sentences.
    """

    def __init__(self, address: Address, log: str = "") -> None:
        self.address, self.log = address, log

    def call(self, limit_s: float = SILENCE_S) -> Call:
        """A new request that can be hung up."""
        return Call(self, limit_s)

    def read(self, method: str, path: str, body: Body | None = None, limit_s: float = SILENCE_S) -> bytes:
        """The answer's body; raises `Trouble`."""
        return self.call(limit_s).read(method, path, body)

    def json(self, method: str, path: str, body: Body | None = None, limit_s: float = SILENCE_S) -> Any:
        """The answer's body as JSON; raises `Trouble`."""
        return self.decoded(self.read(method, path, body, limit_s))

    def decoded(self, data: bytes) -> Any:
        """JSON that the service sent; raises `Trouble` where it is none."""
        try:
            return json.loads(data)
        except ValueError:
            raise self.senseless() from None

    def senseless(self) -> Trouble:
        """For an answer that is not what was agreed."""
        return Trouble(_NO_SENSE.format(log=self.log))

    def gone(self) -> Unreachable:
        """For a service that went away in the middle."""
        return gone(self.log)


def gone(log: str) -> Unreachable:
    """For a service that is not there, or went away in the middle."""
    return Unreachable(_GONE.format(log=log))


Part = Union[bytes, memoryview]  # noqa: UP007 - evaluated when the module is imported, in Python 3.9 too


@dataclass(frozen=True)
class Body:
    """What is sent with a request: parts that are never joined, since pictures are large."""

    kind: str
    parts: Sequence[Part]

    @classmethod
    def of_json(cls, value: object) -> Body:
        """Plain values."""
        return cls("application/json", [json.dumps(value).encode()])

    @classmethod
    def of_form(cls, fields: Mapping[str, Sequence[Part]], boundary: str) -> Body:
        """A form; each field's parts follow one another. `options` is text, everything else a file.

        `boundary` must not occur in any field.
        """
        parts: list[Part] = []
        for name, data in fields.items():
            file = "" if name == "options" else '; filename="f"\r\nContent-Type: application/octet-stream'
            parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode())
            parts.extend([*data, b"\r\n"])
        parts.append(f"--{boundary}--\r\n".encode())
        return cls(f"multipart/form-data; boundary={boundary}", parts)

    @property
    def length(self) -> int:
        """In bytes."""
        return sum(len(part) for part in self.parts)

    def blocks(self) -> Iterator[memoryview]:
        """All parts, in pieces short enough that the limit on each wait means something."""
        for part in self.parts:
            view = memoryview(part).cast("B")
            for start in range(0, len(view), _BLOCK):
                yield view[start : start + _BLOCK]

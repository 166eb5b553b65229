"""What stands before the service and the pages: who may come, from where, and with how much."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from anyio import move_on_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_S = 10.0
"""How long a body that is not wanted is read on, so that its sender hears why."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = ("same-origin", "none")


class Guard:
    """Refuses strangers before anything else runs.

    - a `Host` header with a name that is not ours: a foreign page may have made that name mean this machine;
    - a browser that changes something on behalf of another site;
    - without the right user and password, or token, where one is asked for.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], auth: str | None = None, token: str | None = None) -> None:
        self.app = app
        self._hosts = tuple(host.lower() for host in hosts)
        self._basic = None if auth is None else auth.encode()
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._known_host(headers):
            await _refuse(scope, receive, send, 400, "This service does not answer to that host name.")
        elif _foreign(scope, headers):
            await _refuse(scope, receive, send, 403, "Another site may not use this service.")
        elif not self._admitted(headers):
            asks = {"WWW-Authenticate": 'Basic realm="Inpaint Lens", charset="UTF-8"'}
            await _refuse(scope, receive, send, 401, "Give the user and password, or the token.", asks)
        else:
            await self.app(scope, receive, _with_care(send))

    def _known_host(self, headers: Headers) -> bool:
        if "*" in self._hosts:
            return True
        given = headers.getlist("host")
        return len(given) == 1 and _name(given[0]) in self._hosts

    def _admitted(self, headers: Headers) -> bool:
        if self._basic is None and self._token is None:
            return True
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._token is not None:
            return hmac.compare_digest(value.strip().encode(), self._token)
        if kind.lower() == "basic" and self._basic is not None:
            try:
                return hmac.compare_digest(base64.b64decode(value.strip(), validate=True), self._basic)
            except (binascii.Error, ValueError):
                return False
        return False


def _name(host: str) -> str:
    """The host without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() and (name.endswith("]") or ":" not in name) else host.lower()


def _foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a browser says that another site makes it change something here."""
    if scope["type"] == "http" and scope["method"] in _SAFE:
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in _OWN_SITE
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _with_care(send: Send) -> Send:
    async def careful(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "same-origin")
        await send(message)

    return careful


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, sentence: str, headers: dict[str, str] | None = None
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await JSONResponse({"detail": sentence}, status, headers)(scope, receive, send)


class BodyLimit:
    """Answers 413 to a request body of more than `max_bytes`, told from its header or counted while it comes.

    What comes nevertheless is read and dropped first, within limits: a client whose connection is closed while it
    still sends sees a broken connection, and never the sentence.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sentence = f"The request is larger than {self.max_bytes / 1e6:g} MB: send smaller pictures."
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_bytes:
            if "expect" not in headers:  # such a client sends nothing before it is told to
                await _drain(receive, self.max_bytes)
            await _refuse(scope, receive, send, 413, sentence, {"Connection": "close"})
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                if message.get("more_body"):
                    await _drain(receive, self.max_bytes)
                raise HTTPException(413, sentence, {"Connection": "close"})
            return message

        await self.app(scope, counted, send)


async def _drain(receive: Receive, max_bytes: int) -> None:
    """Read what is left of a request body and drop it: at most `max_bytes` more, for at most `DRAIN_S` seconds."""
    seen = 0
    with move_on_after(DRAIN_S):
        while seen <= max_bytes:
            message = await receive()
            seen += len(message.get("body", b""))
            if not message.get("more_body"):
                return

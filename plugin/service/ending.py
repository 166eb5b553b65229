"""Streams that would go on for ever end with the service."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OpenStreams:
    """The answers under way, each of which can be told that nobody listens any more."""

    def __init__(self) -> None:
        self._endings: set[asyncio.Event] = set()

    def end(self) -> None:
        """Tell all of them; to be called in the event loop of the server."""
        for ending in self._endings:
            ending.set()

    def add(self) -> asyncio.Event:
        """Remember one more; set when it is to end."""
        ending = asyncio.Event()
        self._endings.add(ending)
        return ending

    def remove(self, ending: asyncio.Event) -> None:
        """It has ended."""
        self._endings.discard(ending)


class Ending:
    """Lets a request that has come wholly see its client leave when `streams` end.

    Pages keep a connection open for as long as they are shown. Without this a server that stops would wait for
    everyone to close their browser.
    """

    def __init__(self, app: ASGIApp, streams: OpenStreams) -> None:
        self.app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ending, whole, begun = self._streams.add(), False, False

        async def until_end() -> Message:
            nonlocal whole
            message = await (_first(receive, ending) if whole else receive())
            whole = not message.get("more_body", False)
            return message

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, until_end, noting)
            if begun and ending.is_set():
                await send({"type": "http.response.body"})
        finally:
            self._streams.remove(ending)


async def _first(receive: Receive, ending: asyncio.Event) -> Message:
    """The next message, or that the client has left where `ending` is set before."""
    tasks = asyncio.ensure_future(receive()), asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else {"type": "http.disconnect"}
    finally:
        for task in tasks:
            task.cancel()

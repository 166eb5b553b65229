"""A service that stops does not wait for pages that somebody left open."""

from __future__ import annotations

import asyncio
import logging
import threading

import httpx
from fastapi import FastAPI
from inpaint_lens.plugin.service.app import create_app
from inpaint_lens.plugin.service.server import address, listen, make_server
from inpaint_lens.plugin.service.settings import ServiceSettings
from starlette.responses import StreamingResponse


async def heartbeat():
    while True:
        yield "alive\n"
        await asyncio.sleep(0.05)


def pages(app: FastAPI, _jobs: object) -> None:
    app.add_api_route("/heartbeat", lambda: StreamingResponse(heartbeat()))


def test_open_streams_end_at_once_and_without_a_trace(caplog):
    settings = ServiceSettings(port=0)
    with listen(settings) as door:
        server = make_server(create_app(settings, pages))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        with (
            caplog.at_level(logging.WARNING),
            httpx.Client(base_url=address(settings, door), timeout=20) as client,
            client.stream("GET", "/heartbeat") as stream,
        ):
            lines = stream.iter_lines()
            assert next(lines) == "alive"
            server.should_exit = True
            assert set(lines) <= {"alive"}
        thread.join(20)
    assert not thread.is_alive()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

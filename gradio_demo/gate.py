"""What stands between the network and Gradio: only the routes that the page needs, no addresses opened for clients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from gradio import processing_utils
from gradio.routes import App
from gradio.utils import get_upload_folder
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from ..imaging.errors import InputError

OPEN = re.compile(
    r"/?(?:"
    r"|(?:config|theme\.css|robots\.txt|manifest\.json|favicon\.ico)/?"
    r"|(?:assets|static)/.*"
    r"|pwa_icon(?:/\d+)?"
    r"|gradio_api/(?:info|startup-events|app_id|theme\.css|upload|upload_progress|cancel|reset|login_check|openapi\.json)/?"
    r"|gradio_api/(?:heartbeat|run|api|call|queue)/.*"
    r"|gradio_api/file=(?!\w+:).*"
    r")",
    re.DOTALL,
)
"""Paths below the page's own; Gradio also has routes that fetch other sites, edit code or keep what others typed."""
MOST_CACHED_BYTES = 8 * 1024**3
"""Uploads are refused while the visitors' files take more than this; they are cleared away after an hour."""


class Gate:
    """Lets through what `OPEN` names.

    Args:
        app: Gradio's application.
        path: where it is mounted.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(self._path)
        if not OPEN.fullmatch(path):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
        elif path.rstrip("/").endswith("gradio_api/upload") and cached_bytes() > MOST_CACHED_BYTES:
            await PlainTextResponse("There is no room for files now: try again later.", 503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def put_gate(app: Starlette, path: str) -> None:
    """Put a gate before the Gradio application that is mounted in `app`."""
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, App):
            route.app = Gate(route.app, path)


def refuse_addresses() -> None:
    """Keep Gradio, in this process, from fetching what clients name by an address instead of sending it."""
    processing_utils.async_ssrf_protected_download = _refuse
    processing_utils.ssrf_protected_download = _refuse


def cached_bytes() -> int:
    """How much the visitors' files take."""
    return sum(path.stat().st_size for path in Path(get_upload_folder()).rglob("*") if path.is_file())


def _refuse(*_given: Any, **_more: Any) -> NoReturn:
    """In place of Gradio's downloads."""
    raise InputError("Addresses are not opened: send the file itself.")

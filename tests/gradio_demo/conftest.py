from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the pages need the extra 'web'")
pytest.importorskip("fastapi", reason="the pages need the extra 'web'")

from inpaint_lens.plugin.demo import SAMPLES
from PIL import Image

LONGEST_PX = 208
PATIENCE_MS = 60_000


class Site:
    """The service with its pages, served on this machine."""

    def __init__(self) -> None:
        import uvicorn
        from inpaint_lens.gradio_demo.mounting import mount
        from inpaint_lens.plugin.service.app import create_app
        from inpaint_lens.plugin.service.settings import ServiceSettings

        settings = ServiceSettings(port=0, queue=8, max_pixels=4_000_000, max_bytes=8 * 1024**2)
        self.app = create_app(settings, lambda app, jobs: mount(app, jobs, settings))
        self.jobs = self.app.state.jobs
        self.server = uvicorn.Server(uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1))
        door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{door.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [door]}, daemon=True)
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def _scaled(path: Path, mode: str) -> Image.Image:
    image = Image.open(path).convert(mode)
    image.thumbnail((LONGEST_PX, LONGEST_PX))
    return image


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundled photograph, small enough to be quick."""
    path = tmp_path_factory.mktemp("photos") / "osprey.png"
    _scaled(SAMPLES / "osprey.jpg", "RGB").save(path)
    return path


@pytest.fixture(scope="session")
def mask(photo: Path) -> Path:
    path = photo.with_name("osprey_mask.png")
    levels = np.asarray(_scaled(SAMPLES / "osprey_mask.png", "L"))
    Image.fromarray(np.where(levels > 127, np.uint8(255), np.uint8(0))).save(path)
    return path


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser_arguments() -> list[str]:
    """What a module gives its browser besides."""
    return []


@pytest.fixture(scope="module")
def browser(browser_arguments: list[str]):
    """Headless Chromium; for one module only, since its driver keeps an event loop running in this thread."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright to drive a browser")
    path = chromium()
    if path is None:
        assert not os.environ.get("CI"), ".ci/run installs Chromium, and there it has to be found"
        pytest.skip("needs Chromium or Chrome on the PATH")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--headless=new", "--no-sandbox", *browser_arguments]
        )
        yield browser
        browser.close()


class Visitor:
    """One tab of the browser, and a note of whatever goes wrong in it."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | context))
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.trouble: list[str] = []
        self.page.on("console", lambda m: self.trouble.append(f"console: {m.text}") if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        self.page.on("request", self._look)
        self.page.on("response", lambda r: self.trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.goto(url)
        self.page.locator("#fill").wait_for()

    def _look(self, request: Any) -> None:
        where = urlparse(request.url)
        if where.scheme not in ("data", "blob") and where.hostname != "127.0.0.1":
            self.trouble.append(f"another host: {request.url}")

    def open(self, photo: Path) -> None:
        self.page.locator(".photo-file").set_input_files(photo)
        self.said("Now paint")
        self.page.locator(".painter.full").wait_for()

    def stroke(self, *points: tuple[float, float]) -> None:
        """Paint from point to point, in shares of the painting area."""
        self.page.wait_for_timeout(200)  # the picture is fitted in the next frame
        places = [self.place(".painter .stage", point) for point in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=5)
        self.page.mouse.up()

    def place(self, query: str, share: tuple[float, float]) -> tuple[float, float]:
        box = self.page.locator(query).bounding_box()
        return box["x"] + box["width"] * share[0], box["y"] + box["height"] * share[1]

    def said(self, words: str, where: str = "#status") -> str:
        """Wait until a status line says something."""
        line = self.page.locator(where, has_text=words)
        line.wait_for()
        return line.inner_text()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def button(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).filter(visible=True).first.click()

    def take(self, name: str) -> Path:
        """Press a button that saves a file; returns the file."""
        with self.page.expect_download() as coming:
            self.button(name)
        return Path(coming.value.path())

    def choose(self, words: str) -> None:
        """Choose a backend by what its label begins with."""
        self.page.get_by_role("combobox", name="Backend").click()
        self.page.get_by_role("option", name=words).first.click()

    def fill_only(self) -> None:
        """Explain nothing unless asked."""
        self.page.get_by_text("More choices").click()
        self.page.get_by_label("Explain every fill").uncheck()


@pytest.fixture
def visit(browser: Any, site: Site) -> Iterator[Callable[..., Visitor]]:
    """Open the page; whatever went wrong in it by the end fails the test."""
    visitors: list[Visitor] = []

    def come(**context: Any) -> Visitor:
        visitors.append(Visitor(browser, site.url, **context))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.context.close()
    assert [trouble for visitor in visitors for trouble in visitor.trouble] == []

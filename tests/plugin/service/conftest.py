import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from inpaint_lens.imaging.errors import Cancelled
from inpaint_lens.plugin.service import work
from inpaint_lens.plugin.service.app import create_app
from inpaint_lens.plugin.service.jobs import Jobs
from inpaint_lens.plugin.service.server import address, listen, make_server
from inpaint_lens.plugin.service.settings import ServiceSettings
from numpy.typing import NDArray
from starlette.testclient import TestClient

LIMIT_S = 20.0
"""More than anything here takes on a busy machine."""


def until(true: Callable[[], object]) -> bool:
    """Whether something comes true within the time limit."""
    end = time.monotonic() + LIMIT_S
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.002)
    return bool(found)


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], object]], bool]:
    """Waits for what has no event of its own."""
    return until


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No cache and no password of the person who runs the tests."""
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("INPAINT_LENS_AUTH", raising=False)


@pytest.fixture
def make_jobs() -> Iterator[Callable[..., Jobs]]:
    """Makes `Jobs` that are closed after the test."""
    with ExitStack() as stack:

        def make(*args: Any, **options: Any) -> Jobs:
            jobs = Jobs(*args, **options)
            stack.callback(jobs.close)
            return jobs

        yield make


class Gate:
    """Work that stands still until it is opened or stopped."""

    def __init__(self) -> None:
        self.started, self.open, self.stopped = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, monitor: Any) -> str:
        self.started.set()
        try:
            while not self.open.wait(0.005):
                monitor.check()
        except Cancelled:
            self.stopped.set()
            raise
        return "through"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """One of these; opened after the test."""
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def gated_fill(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> Gate:
    """Every fill of the service stands at the gate first."""
    real = work.fill_and_explain

    def fill(source: Any, how: Any, why: Any, monitor: Any) -> Any:
        gate(monitor)
        return real(source, how, why, monitor)

    monkeypatch.setattr(work, "fill_and_explain", fill)
    return gate


def photograph(seed: int = 0, height: int = 60, width: int = 70) -> NDArray[np.uint8]:
    """Noise `[H, W, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def square(height: int = 60, width: int = 70) -> NDArray[np.bool_]:
    """A hole `[H, W]`."""
    mask = np.zeros((height, width), bool)
    mask[24:36, 30:44] = True
    return mask


def npy(array: NDArray[Any]) -> bytes:
    """An array as a file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def form(seed: int = 0) -> dict[str, tuple[str, bytes]]:
    """Picture and mask of a request."""
    return {"picture": ("p", npy(photograph(seed))), "mask": ("m", npy(square()))}


TELEA = {"options": '{"fill": {"backend": "telea"}}'}
EXPLAINED = {"options": '{"fill": {"backend": "telea"}, "explain": {"method": "occlusion"}}'}


class Client(TestClient):
    """Speaks with the application without a network."""

    form, photograph, square = staticmethod(form), staticmethod(photograph), staticmethod(square)

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(create_app(settings), base_url="http://127.0.0.1", raise_server_exceptions=False)

    @property
    def jobs(self) -> Jobs:
        return cast(FastAPI, self.app).state.jobs

    def submit(self, explained: bool = False, **files: tuple[str, bytes]) -> Any:
        return self.post("/v1/jobs", files=form() | files, data=EXPLAINED if explained else TELEA)

    def done(self, explained: bool = False, **files: tuple[str, bytes]) -> str:
        """The address of a job that is done."""
        answer = self.submit(explained, **files)
        assert answer.status_code == 202, answer.text
        job = self.jobs.get(answer.json()["id"])
        assert job is not None and job.wait(LIMIT_S) and job.state == "done", job
        return f"/v1/jobs/{job.id}"


@pytest.fixture
def connect() -> type[Client]:
    """Makes clients of services with settings of their own; to be used in a `with`."""
    return Client


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service with the usual settings."""
    with Client(ServiceSettings()) as made:
        yield made


@dataclass
class Served:
    """A service that really listens."""

    app: FastAPI
    address: str
    client: httpx.Client
    form, photograph, square = staticmethod(form), staticmethod(photograph), staticmethod(square)

    @property
    def jobs(self) -> Jobs:
        return self.app.state.jobs

    def submit(self, seed: int = 0, **data: str) -> str:
        answer = self.client.post("/v1/jobs", files=form(seed), data=TELEA | data)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def wait(self, job: str) -> dict[str, Any]:
        found = self.jobs.get(job)
        assert found is not None and found.wait(LIMIT_S)
        return self.client.get(f"/v1/jobs/{job}").json()


@contextmanager
def serving(settings: ServiceSettings) -> Iterator[Served]:
    """A service on a free port of this machine, stopped at the end."""
    with listen(settings) as socket:
        app = create_app(settings)
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            with httpx.Client(base_url=address(settings, socket), timeout=LIMIT_S, trust_env=False) as client:
                yield Served(app, address(settings, socket), client)
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)
            assert not thread.is_alive()


@pytest.fixture
def served() -> Iterator[Served]:
    """A service with the usual settings."""
    with serving(ServiceSettings(port=0)) as made:
        yield made


@pytest.fixture
def serve() -> Callable[[ServiceSettings], Any]:
    """`serving` for tests that want settings of their own."""
    return serving


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A folder for results that is not there yet."""
    return tmp_path / "spool"

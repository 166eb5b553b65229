import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from inpaint_lens import __version__
from inpaint_lens.plugin.gimp.lens.client import Client, Request
from inpaint_lens.plugin.gimp.lens.connection import Connection
from inpaint_lens.plugin.gimp.lens.settings import Settings
from inpaint_lens.plugin.gimp.lens.starting import connect
from numpy.typing import NDArray

LIMIT_S = 30.0
"""More than anything here takes on a busy machine."""


def photograph(height: int = 60, width: int = 70) -> NDArray[np.uint8]:
    """Opaque noise `[H, W, 4]`."""
    pixels = np.random.default_rng(5).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return pixels


def square(height: int = 60, width: int = 70) -> NDArray[np.uint8]:
    """A hole `[H, W]`, 255 in it."""
    mask = np.zeros((height, width), np.uint8)
    mask[24:36, 30:44] = 255
    return mask


def request_of(options: dict, pixels: NDArray | None = None, exclude: NDArray | None = None) -> Request:
    """What the plug-in would send."""
    pixels = photograph() if pixels is None else pixels
    height, width = pixels.shape[:2]
    return Request(
        width,
        height,
        pixels.tobytes(),
        square(height, width).tobytes(),
        options,
        None if exclude is None else exclude.tobytes(),
        pixels.dtype.name,
        pixels.shape[2],
    )


@contextmanager
def folder_of_a_service() -> Iterator[Path]:
    """A folder with a path short enough for a socket; a service that was left in it is ended."""
    root = Path(tempfile.mkdtemp(prefix="lens-"))
    place = root / "private"
    try:
        yield place
    finally:
        for pid in services_in(place):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(root, ignore_errors=True)


def services_in(place: Path) -> list[int]:
    """Processes that were told to serve from that folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(place) in words and entry.name != str(os.getpid()):
                found.append(int(entry.name))
    return found


def settings_of(place: Path) -> Settings:
    """As `inpaint-lens gimp install` writes them."""
    return Settings(sys.executable, __version__, str(place))


def joined(place: Path) -> Connection:
    """A connection to the service of that folder, started if need be."""
    return connect(settings_of(place), lambda *_: None, lambda: False)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where a service of one's own may live."""
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with folder_of_a_service() as made:
        yield made


@pytest.fixture(scope="session")
def running() -> Iterator[Path]:
    """The folder of a service that all may use, and none may end."""
    with folder_of_a_service() as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        joined(made)
        yield made


@pytest.fixture
def client(running: Path) -> Client:
    """A client of it."""
    return Client(joined(running))


@pytest.fixture
def ask() -> Callable[..., Request]:
    """Makes requests."""
    return request_of


@pytest.fixture
def join() -> Callable[[Path], Connection]:
    """Connects to the service of a folder, which is started if need be."""
    return joined


@pytest.fixture
def settings_for() -> Callable[[Path], Settings]:
    """Makes settings for a folder."""
    return settings_of


@pytest.fixture
def services() -> Callable[[Path], list[int]]:
    """Lists the processes that serve from a folder."""
    return services_in


@pytest.fixture
def until() -> Callable[[Callable[[], object]], bool]:
    """Whether something comes true within the time limit; for what has no event of its own."""

    def wait(true: Callable[[], object]) -> bool:
        end = time.monotonic() + LIMIT_S
        while not (found := true()) and time.monotonic() < end:
            time.sleep(0.01)
        return bool(found)

    return wait

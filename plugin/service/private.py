"""The private service of one person's programs, such as the GIMP plug-in; run with `python -m`.

It listens for its owner only, keeps models warm, writes where it is into a folder, and ends when nobody needs it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from filelock import FileLock, Timeout

from ... import __version__
from ...imaging.errors import InputError, LensError, MissingError
from ..gimp.lens.errors import Trouble
from ..gimp.lens.folder import FACTS, LOCK, LOG, SOCKET, make_private

log = logging.getLogger(__name__)
IDLE_S = 900.0
LOOK_S = 15.0
MAX_PIXELS = 100_000_000
MAX_BYTES = MAX_PIXELS * (16 + 2) + 65536
"""RGBA of float32 with two masks, and the form around them."""
_LONGEST_SOCKET = 100
"""Paths of Unix sockets must be shorter, in bytes, on some systems."""
_LOG_BYTES = 1_000_000
_WARM_UP_S = 30.0
_TAKE_OVER_S = 20.0
"""Patience with a service that is about to end."""
_KEEP_S = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until nobody needs it.

    Returns:
        0 when it ended as it should, or another one runs already; otherwise the exit code of the error, whose sentence
        is on standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m inpaint_lens.plugin.service.private", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for its socket, address and log")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="ends after so many seconds without work")
    parser.add_argument("--look-s", type=float, default=LOOK_S, help="looks so often whether its Python is still there")
    options = parser.parse_args(arguments)
    try:
        return run(options.folder, options.idle_s, options.look_s)
    except LensError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def run(folder: Path, idle_s: float = IDLE_S, look_s: float = LOOK_S) -> int:
    """Serve from `folder` until nobody needs it; returns 0.

    Raises:
        InputError: the folder cannot be used.
        MissingError: a package is not installed.
    """
    try:
        make_private(folder)
    except Trouble as error:
        raise InputError(str(error)) from None
    lock = FileLock(folder / LOCK, mode=0o600)
    if not _taken(lock, folder):
        return 0
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with _logging(folder / LOG), suppress(KeyboardInterrupt):
            _serve(folder, idle_s, look_s)
    finally:
        _withdraw(folder)
        lock.release()
        signal.signal(signal.SIGTERM, before)
    return 0


def _taken(lock: FileLock, folder: Path) -> bool:
    """Take the folder; False where another service has it. One that is about to end is waited for."""
    until = time.monotonic() + _TAKE_OVER_S
    while True:
        with suppress(Timeout):
            lock.acquire(blocking=False)
            return True
        if (folder / FACTS).exists() or time.monotonic() > until:
            return False
        time.sleep(0.05)


def _serve(folder: Path, idle_s: float, look_s: float) -> None:
    for name in (FACTS, SOCKET):  # what a killed service left behind
        (folder / name).unlink(missing_ok=True)
    from .server import listen
    from .settings import ServiceSettings

    place = folder.resolve() / SOCKET
    common: dict[str, Any] = {
        "max_pixels": MAX_PIXELS,
        "max_bytes": MAX_BYTES,
        "queue": 8,
        "expire_s": _KEEP_S,
        "idle_unload_s": _KEEP_S,
        "longest_s": None,
    }
    if hasattr(socket, "AF_UNIX") and len(os.fsencode(place)) < _LONGEST_SOCKET:
        settings = ServiceSettings(uds=place, **common)
    else:
        settings = ServiceSettings(port=0, token=token_urlsafe(32), **common)
    with listen(settings) as made:
        _write_facts(folder, _address(settings.uds, settings.token, made))
        _answer(settings, made, folder, idle_s, look_s)


def _answer(settings: Any, made: socket.socket, folder: Path, idle_s: float, look_s: float) -> None:
    """Import what is slow and answer; who has connected meanwhile waits."""
    try:
        from .lifetime import Life
        from .private_api import create_private_app
        from .server import make_server
    except ModuleNotFoundError as error:
        raise MissingError(f"The service needs {error.name}: pip install 'inpaint-lens[web]'") from error
    app = create_private_app(settings, idle_s, (*_signs(), folder / FACTS), look_s)
    life: Life = app.state.life
    server = make_server(app)

    def keep_watch() -> None:
        why = life.wait()
        _withdraw(folder, [FACTS])  # from now on nobody finds us
        log.info("Ending, since %s.", why)
        life.leave()
        life.drain()
        server.should_exit = True

    threading.Thread(target=keep_watch, name="life", daemon=True).start()
    warming = threading.Thread(target=_warm_up, name="warm-up", daemon=True)
    warming.start()
    log.info("Version %s listens, process %d.", __version__, os.getpid())
    server.run(sockets=[made])
    # Python aborts where it ends in the middle of an import of PyTorch.
    warming.join(_WARM_UP_S)


def _warm_up() -> None:
    """Load what the first call most likely needs."""
    try:
        from ...backends.registry import load
        from ..choices import DEFAULT_BACKEND

        load(DEFAULT_BACKEND)
    except Exception:  # whoever asks for it will be told why
        log.warning("The backend that is used most cannot be loaded.", exc_info=True)


def _signs() -> tuple[Path, ...]:
    """What must be there as long as this installation is."""
    return Path(sys.executable), Path(__file__)


def _address(uds: Path | None, token: str | None, made: socket.socket) -> dict[str, Any]:
    if uds is not None:
        return {"uds": str(uds)}
    host, port = made.getsockname()[:2]
    return {"host": host, "port": port, "token": token}


def _write_facts(folder: Path, address: dict[str, Any]) -> None:
    facts = {"pid": os.getpid(), "version": __version__, "python": sys.executable, "address": address}
    part = folder / f"{FACTS}.part"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(facts, file)
    part.replace(folder / FACTS)


def _withdraw(folder: Path, names: Sequence[str] = (FACTS, SOCKET)) -> None:
    """Remove what we put there, unless someone emptied the folder and another service has it by now."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads((folder / FACTS).read_text())["pid"] != os.getpid():
            return
    for name in names:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """All that is logged goes into a file that stays short."""
    handler = _Log(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()


class _Log(RotatingFileHandler):
    """A log for its owner only, of which one older part is kept.

    Where the log is our standard error as well, that moves on with it, so that what libraries write there is found.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
        self._ours = [number for number in (1, 2) if _is_file(number, path)]

    def doRollover(self) -> None:  # noqa: N802 - the base class's name
        """Begin anew."""
        super().doRollover()
        if self.stream is not None:
            for number in self._ours:
                os.dup2(self.stream.fileno(), number)

    def _open(self) -> TextIOWrapper:
        number = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(number, "a", encoding="utf-8")


def _is_file(number: int, path: Path) -> bool:
    """Whether a file descriptor of ours is that file."""
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except OSError:  # it is closed
        return False


if __name__ == "__main__":
    sys.exit(main())

"""`ServiceSettings`: where the service listens, who may use it, and how much."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...imaging.errors import InputError
from ...imaging.reading import Limits
from ...weights_registry.settings import default_cache

AUTH_VARIABLE = "INPAINT_LENS_AUTH"
"""Environment variable that may hold `USER:PASSWORD`, so that it need not stand on a command line."""
PORT = 7860
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of one service.

    Attributes:
        host: address to listen at.
        port: TCP port; 0 = any that is free.
        uds: path of a Unix socket to listen at instead of host and port.
        auth: `USER:PASSWORD` for HTTP Basic; None = not asked for. Never shown.
        token: accepted as `Authorization: Bearer TOKEN`; None = not asked for. Never shown.
        allow_remote: let other machines in without a password.
        hosts: names that the `Host` header may have; empty = this machine's own where the service listens only there,
            any elsewhere.
        max_pixels: height times width of a picture.
        max_bytes: size of a request, all its files together.
        queue: how many jobs may wait.
        expire_s: for how long a finished job can be fetched, in seconds.
        idle_unload_s: after so many seconds without a job the memory of models is given back; None = never.
        leave_s: how soon a job is stopped when nobody listens to its events any more, in seconds.
        longest_s: that one job may run; None = no limit.
        spool: owner-only folder that keeps results over a restart; None = they go with the process.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    uds: Path | None = None
    auth: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    allow_remote: bool = False
    hosts: tuple[str, ...] = ()
    max_pixels: int = 40_000_000
    max_bytes: int = 256 * 1024**2
    queue: int = 16
    expire_s: float = 900.0
    idle_unload_s: float | None = 600.0
    leave_s: float = 1.0
    longest_s: float | None = 900.0
    spool: Path | None = None

    @property
    def local(self) -> bool:
        """True where only this machine can reach the service."""
        return self.uds is not None or is_loopback(self.host)

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Names that the `Host` header may have, so that no foreign name can be made to mean this machine."""
        if self.hosts:
            return self.hosts
        own = f"[{self.host}]" if ":" in self.host else self.host
        return tuple(dict.fromkeys((*_LOOPBACK_NAMES, own.lower()))) if self.local else ("*",)

    @property
    def limits(self) -> Limits:
        """What is too large to decode."""
        return Limits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)

    def check(self) -> None:
        """Raise `InputError` for settings that make no sense or open the service to everyone unasked."""
        if not 0 <= self.port <= 65535:
            raise InputError(f"--port is {self.port}: give a number from 0 to 65535.")
        if self.max_pixels < 1 or self.max_bytes < 1:
            raise InputError(f"--max-pixels is {self.max_pixels}: give a number above 0, for example 40000000.")
        if self.queue < 0:
            raise InputError(f"--queue is {self.queue}: give how many jobs may wait, 0 or more.")
        if self.auth is not None:
            user, colon, password = self.auth.partition(":")
            if not (user and colon and password):
                raise InputError(f"--auth (or {AUTH_VARIABLE}) has another form: give USER:PASSWORD.")
        if not (self.local or self.auth or self.token or self.allow_remote):
            raise InputError(
                f"--host {self.host} lets other machines in: give --auth USER:PASSWORD (or set {AUTH_VARIABLE}), or "
                "say --allow-remote if everyone may come."
            )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own and cannot be reached from others."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def auth_from(given: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """`USER:PASSWORD` as given, or else from the environment."""
    return given or environment.get(AUTH_VARIABLE) or None


def default_spool(host: str, port: int) -> Path | None:
    """Where a service that listens there keeps results; None for a port that is another one each time."""
    if port == 0:
        return None
    name = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in host)
    return default_cache() / "service" / f"{name}-{port}"

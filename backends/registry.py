"""Which backends there are, whether they are ready, and loading them once."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import logging
import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from threading import Lock

from ..imaging.errors import InputError, LensError, MissingError
from ..weights_registry.stand_in import standing_in
from .catalog import BUILT_IN
from .devices import DeviceError, resolve
from .protocol import Backend, BackendInfo

log = logging.getLogger(__name__)
GROUP = "inpaint_lens.backends"
"""Entry-point group by which other packages add backends; each entry point is a `BackendInfo`."""
KEPT = 3
"""How many loaded backends stay in memory."""

_loaded: OrderedDict[tuple[str, str, str], Backend] = OrderedDict()
_unusable: set[tuple[str, str]] = set()
"""Places on which torch works here but a backend does not, found when `auto` tried."""
_lock = Lock()


@dataclass(frozen=True)
class Status:
    """Whether a backend can be used now; `reason` says what is missing and what to do."""

    ready: bool
    reason: str


@cache
def backends() -> dict[str, BackendInfo]:
    """All known backends by name, those of other packages included; nothing is loaded."""
    found = {info.name: info for info in BUILT_IN}
    for point in entry_points(group=GROUP):
        try:
            info = point.load()
        except Exception as error:  # another package's code may raise anything, which must not take ours along
            log.warning("The backend %s of another package cannot be imported: %s", point.name, error)
            continue
        if not isinstance(info, BackendInfo):
            log.warning("The entry point %s of %s is no BackendInfo; it is left out.", point.name, GROUP)
        elif info.name in found:
            log.warning("The backend name %s is taken; the entry point %s is left out.", info.name, point.name)
        else:
            found[info.name] = info
    return found


def info(name: str) -> BackendInfo:
    """Facts about one backend; raises `InputError` with the nearest name for an unknown one."""
    known = backends()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"take one of {', '.join(known)}."
    raise InputError(f"There is no backend '{name}': {hint}")


def status(backend: BackendInfo) -> Status:
    """Whether a backend's packages and weights are here; touches neither the network nor torch, and never raises."""
    if lacking := _lacking_package(backend):
        return Status(False, lacking)
    if backend.weights:
        from ..weights_registry.advice import how_to_get
        from ..weights_registry.catalog import entry
        from ..weights_registry.fetch import find

        try:
            absent = [entry(name) for name in backend.weights if find(name) is None]
        except LensError as error:
            return Status(False, f"has unusable weights: {error}")
        if absent:
            links = [one.name for one in absent if not one.by_hand]
            steps = [f"inpaint-lens download {' '.join(links)}"] if links else []
            steps += dict.fromkeys(how_to_get(one) for one in absent if one.by_hand)
            return Status(False, f"needs weights: {'; '.join(steps)}")
    return Status(True, "ready")


def _lacking_package(backend: BackendInfo) -> str:
    """What to install; empty if all packages are here."""
    if all(importlib.util.find_spec(module) for module in backend.modules):
        return ""
    return f"needs a package: pip install 'inpaint-lens[{backend.extra}]'"


def load(name: str, device: str = "auto", files: Mapping[str, str] | None = None) -> Backend:
    """The backend `name`, loaded once for each device and kept.

    Args:
        name: of the backend.
        device: `auto` or where to run.
        files: weights to take instead of those of the registry, by catalog entry; read anew at each change.

    Raises:
        InputError: unknown name or device.
        MissingError: a package, weights or the device are not here.
        WeightsError: the weights are not what they should be.
    """
    facts = info(name)
    place = resolve(device, facts)
    with _lock:
        if device == "auto" and (name, place) in _unusable:
            place = "cpu"
        key = name, place, _stamps(files or {})
        if key in _loaded:
            _loaded.move_to_end(key)
            return _loaded[key]
        if lacking := _lacking_package(facts):
            raise MissingError(f"{name} {lacking}")
        with standing_in(files or {}):
            backend = _made(facts, place, auto=device == "auto")
        _loaded[name, "cpu" if (name, place) in _unusable else place, key[2]] = backend
        while len(_loaded) > KEPT:
            _loaded.popitem(last=False)
        return backend


def _stamps(files: Mapping[str, str]) -> str:
    """What tells files apart, the time of their last change included."""
    stats = [(name, path, Path(path).stat() if Path(path).exists() else None) for name, path in sorted(files.items())]
    return ",".join(f"{name}={path}:{stat and (stat.st_mtime_ns, stat.st_size)}" for name, path, stat in stats)


def _made(facts: BackendInfo, place: str, auto: bool) -> Backend:
    module, _, function = facts.loader.partition(":")
    with own_random_state(place):
        loader = getattr(importlib.import_module(module), function)
        try:
            return loader(facts, place)
        except DeviceError as error:
            if not auto:
                raise
            log.warning("%s runs on the CPU: %s", facts.name, error)
            _unusable.add((facts.name, place))
            return loader(facts, "cpu")


@contextmanager
def own_random_state(place: str = "cpu") -> Iterator[None]:
    """Whatever is drawn or seeded inside, the global generators of Python, NumPy and torch are as before."""
    import numpy as np
    import torch

    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[place] if place.startswith("cuda") else []):
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def unload() -> None:
    """Give back the memory of all loaded backends."""
    with _lock:
        _loaded.clear()

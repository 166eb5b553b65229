"""Which backends there are, whether they are ready, and loading them once."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from threading import Lock

from ..imaging.errors import InputError, MissingError
from .catalog import BUILT_IN
from .devices import resolve
from .protocol import Backend, BackendInfo

log = logging.getLogger(__name__)
GROUP = "inpaint_lens.backends"
"""Entry-point group by which other packages add backends; each entry point is a `BackendInfo`."""
KEPT = 3
"""How many loaded backends stay in memory."""

_loaded: OrderedDict[tuple[str, str], Backend] = OrderedDict()
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
        except (ImportError, AttributeError) as error:
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
    """Whether a backend's packages and weights are here; touches neither the network nor torch."""
    lacking = [module for module in backend.modules if importlib.util.find_spec(module) is None]
    if lacking:
        return Status(False, f"needs a package: pip install 'inpaint-lens[{backend.extra}]'")
    if backend.weights:
        from ..weights_registry.fetch import find

        absent = [name for name in backend.weights if find(name) is None]
        if absent:
            return Status(False, f"needs weights: inpaint-lens download {' '.join(absent)}")
    return Status(True, "ready")


def load(name: str, device: str = "auto") -> Backend:
    """The backend `name`, loaded once for each device and kept.

    Raises:
        InputError: unknown name or device.
        MissingError: a package, weights or the device are not here.
        WeightsError: the weights are not what they should be.
    """
    facts = info(name)
    place = resolve(device, facts)
    with _lock:
        if (name, place) in _loaded:
            _loaded.move_to_end((name, place))
            return _loaded[name, place]
        state = status(facts)
        if not state.ready and state.reason.startswith("needs a package"):
            raise MissingError(f"{name} {state.reason}")
        module, _, function = facts.loader.partition(":")
        backend = getattr(importlib.import_module(module), function)(facts, place)
        _loaded[name, place] = backend
        while len(_loaded) > KEPT:
            _loaded.popitem(last=False)
        return backend


def unload() -> None:
    """Give back the memory of all loaded backends."""
    with _lock:
        _loaded.clear()

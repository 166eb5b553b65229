"""What can fill a hole: one protocol, one registry, one file for each family.

The package itself can be called: `inpaint_lens.backends()` lists the backends, as people expect of the public API.
"""

import sys
from types import ModuleType

from .protocol import Backend, BackendInfo
from .registry import Status, info, load, status, unload
from .registry import backends as _by_name

__all__ = ["Backend", "BackendInfo", "Status", "info", "load", "status", "unload"]


class _Listing(ModuleType):
    def __call__(self) -> list[BackendInfo]:
        """Facts about every backend; nothing is loaded."""
        return list(_by_name().values())


sys.modules[__name__].__class__ = _Listing

"""Which weights exist, where they live, and how they get here: catalog, fetching, checksums, safe loading."""

from .catalog import WeightsEntry, WeightsFile, entry, load_catalog
from .fetch import fetch, find, require
from .settings import HubSettings

__all__ = ["HubSettings", "WeightsEntry", "WeightsFile", "entry", "fetch", "find", "load_catalog", "require"]

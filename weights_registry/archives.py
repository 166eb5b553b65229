"""Files that torch saves, taken apart without its reader: the pickle inside as data, and the storages beside it.

A new file is a zip archive that is not compressed: `name/data.pkl`, and `name/data/KEY` for every storage. An old one
is five pickles in a row (a magic number, a version, facts about the machine, the value, the keys of the storages) and
then for each key the number of elements, in 8 bytes, and the elements.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from .pickled import Global, MalformedPickle, Persistent, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C
LARGEST_GROWTH = 8
"""A file whose content is this many times larger than itself is refused; torch does not compress."""
SPARE_BYTES = 64 << 20

DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "QUInt8Storage": torch.quint8,
    "QInt8Storage": torch.qint8,
    "QInt32Storage": torch.qint32,
    "UntypedStorage": torch.uint8,
}


@dataclass(frozen=True, eq=False)
class Storage:
    """A row of numbers in a file.

    Attributes:
        dtype: of the numbers.
        count: how many.
        read: gives their bytes; called again, the same.
    """

    dtype: torch.dtype
    count: int
    read: Callable[[], bytearray]


Storages = Callable[[Persistent], Storage]
"""Gives the storage that a pickle names."""


def most_bytes(path: Path) -> int:
    """How many bytes the content of a file of weights may have at most."""
    return LARGEST_GROWTH * path.stat().st_size + SPARE_BYTES


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Storages]]:
    """The value that a file of torch or a plain pickle holds, see `read_pickle`, and its storages.

    Raises:
        MalformedPickle: damaged, or more than it can hold is claimed.
        zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError: the archive cannot be read.
    """
    with path.open("rb") as stream:
        if stream.read(2) == b"PK":
            with zipfile.ZipFile(stream) as archive:
                yield _from_zip(archive, most_bytes(path))
        else:
            stream.seek(0)
            yield _from_pickles(stream, path.stat().st_size)


def storage_in(data: bytes) -> Storage:
    """The storage that `data` is the old kind of file of: so plain pickles hold the numbers of a tensor."""
    value, storages = _from_pickles(io.BytesIO(data), len(data))
    if not isinstance(value, Persistent):
        raise MalformedPickle("where numbers should be it holds something else")
    return storages(value)


def _from_zip(archive: zipfile.ZipFile, limit: int) -> tuple[Any, Storages]:
    facts = {info.filename: info for info in archive.infolist()}
    if sum(info.file_size for info in facts.values()) > limit:
        raise MalformedPickle("it grows beyond reason when it is unpacked")
    root = next((name for name in facts if name.endswith("/data.pkl")), "data.pkl").removesuffix("data.pkl")
    if f"{root}byteorder" in facts and archive.read(f"{root}byteorder") != b"little":
        raise MalformedPickle("its numbers begin with the most significant byte")
    data = archive.read(f"{root}data.pkl")
    value = read_pickle(io.BytesIO(data), len(data))
    latest: dict[str, bytearray] = {}

    def read(name: str) -> bytearray:
        if name not in latest:
            latest.clear()
            latest[name] = bytearray(archive.read(name))
        return latest[name]

    def storage(wanted: Persistent) -> Storage:
        dtype, key, count = _named(wanted)
        name = f"{root}data/{key}"
        if name not in facts or facts[name].file_size != count * dtype.itemsize:
            raise MalformedPickle(f"the storage {key!r} is missing or has another size")
        return Storage(dtype, count, lambda: read(name))

    return value, storage


def _from_pickles(stream: IO[bytes], size: int) -> tuple[Any, Storages]:
    value = read_pickle(stream, size)
    if value != MAGIC:
        return value, _no_storage
    read_pickle(stream, size)
    machine = read_pickle(stream, size)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise MalformedPickle("its numbers begin with the most significant byte")
    outside: list[Persistent] = []
    value = read_pickle(stream, size, outside)
    places = _places(stream, size, read_pickle(stream, size), outside)
    latest: dict[str, bytearray] = {}

    def read(key: str, length: int) -> bytearray:
        if key not in latest:
            latest.clear()
            stream.seek(places[key][0])
            latest[key] = bytearray(stream.read(length))
        return latest[key]

    def storage(wanted: Persistent) -> Storage:
        dtype, key, count = _named(wanted)
        if key not in places or places[key][1] != count:
            raise MalformedPickle(f"the storage {key!r} is missing or has another size")
        return Storage(dtype, count, lambda: read(key, count * dtype.itemsize))

    return value, storage


def _places(stream: IO[bytes], size: int, keys: Any, outside: list[Persistent]) -> dict[str, tuple[int, int]]:
    """Where the numbers of each storage begin, and how many they are."""
    # Beside the storages there are the modules of classes, with their source code.
    stored = [named for named in outside if isinstance(named.identity, tuple) and named.identity[:1] == ("storage",)]
    dtypes = {key: dtype for dtype, key, _ in map(_named, stored)}
    places = {}
    if not isinstance(keys, list):
        raise MalformedPickle("it has no list of storages")
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        start = stream.tell()
        if not isinstance(key, str) or key not in dtypes or start + count * dtypes[key].itemsize > size:
            raise MalformedPickle("it ends too early")
        places[key] = (start, count)
        stream.seek(start + count * dtypes[key].itemsize)
    return places


def _no_storage(wanted: Persistent) -> Storage:
    raise MalformedPickle(f"it names something outside of itself ({type(wanted.identity).__name__})")


def _named(wanted: Persistent) -> tuple[torch.dtype, str, int]:
    """Kind, key and number of elements of the storage that a pickle names."""
    match wanted.identity:
        case ("storage", Global() as kind, str(key), str(), int(count), *view) if view in ([], [None]) and count >= 0:
            if kind.name in DTYPES and kind.module.partition(".")[0] == "torch":
                return DTYPES[kind.name], key, count
    raise MalformedPickle("it names something outside of itself that is no storage")

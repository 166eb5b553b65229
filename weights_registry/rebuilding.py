"""What the records of a pickle mean: which of them are tensors, arrays, mappings and modules.

Only a few names are known, and what they stand for is done here, on checked arguments; any other record means nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .archives import Storage, Storages, storage_in
from .pickled import Global, Inert, MalformedPickle, Persistent

REBUILT = {
    "torch._utils._rebuild_tensor": 4,
    "torch._utils._rebuild_tensor_v2": 4,
    "torch._utils._rebuild_tensor_v3": 7,
}
"""Functions that make a tensor of a storage, offset, size and stride, and how many arguments they need."""
WRAPPED = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
)
"""Functions whose first argument is the tensor."""
WITH_ATTRIBUTES = "torch._tensor._rebuild_from_type_v2"
EMBEDDED = "torch.storage._load_from_bytes"
HELPERS = ("copy_reg._reconstructor", "copyreg._reconstructor")
MAPPINGS = ("collections.OrderedDict", "collections.defaultdict")
ARRAY = re.compile(r"numpy\.(_?core)\.multiarray\._reconstruct")
ARRAY_OF_BYTES = re.compile(r"numpy\.(_?core)\.numeric\._frombuffer")
NUMBERS = re.compile(r"f[248]|[iu][1248]|b1")
KINDS = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    )
}  # fmt: skip
"""Kinds of numbers that are read, by name."""
ANY_TENSOR = "torch._utils._rebuild_"
"""How the names of all functions begin that make tensors, those of kinds that are not read included."""
MOST_VALUES = 500_000
"""Values looked at in one file; far above any checkpoint, and soon reached where values contain each other."""


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that still lies in its file.

    Attributes:
        bytes: of its numbers.
        build: reads them; None = it is of a kind that cannot be read.
    """

    bytes: int
    build: Callable[[], Tensor] | None


def rebuilt(value: Any, storages: Storages) -> Any:
    """The tensors of a recorded value, in the mappings and under the names that they have there.

    Modules become mappings of parameters and persistent buffers, as `state_dict` gives them.

    Returns:
        A `StoredTensor`, or a dictionary of such and of further dictionaries; None = neither tensor nor mapping.

    Raises:
        MalformedPickle: something claims to be a tensor and cannot be one, or the value is nested beyond reason.
    """
    try:
        return _Rebuilder(storages).value(value)
    except RecursionError as error:
        raise MalformedPickle("it is nested too deeply") from error


class _Rebuilder:
    """Walks over the records of one file."""

    def __init__(self, storages: Storages) -> None:
        self.storages = storages
        self.seen = 0
        self.embedded: dict[int, Storage] = {}

    def value(self, value: Any) -> Any:
        self.count(1)
        tensor = self.tensor(value)
        if tensor is not None:
            return tensor
        if isinstance(value, Inert) and (parts := next(_modules(value), None)) is not None:
            found: dict[str, StoredTensor] = {}
            self.module(parts, "", found)
            return found
        mapping = mapping_of(value)
        if mapping is None:
            return None
        self.count(len(mapping))
        inner = {key: self.value(part) for key, part in mapping.items() if isinstance(key, str)}
        return {key: part for key, part in inner.items() if part is not None}

    def count(self, values: int) -> None:
        self.seen += values
        if self.seen > MOST_VALUES:
            raise MalformedPickle("it holds more values than any network")

    def module(self, parts: Mapping[Any, Any], prefix: str, found: dict[str, StoredTensor]) -> None:
        """Add the tensors of a module to `found`, its own first, then those of its parts."""
        self.count(1)
        fleeting = _names(parts.get("_non_persistent_buffers_set"))
        own = {
            **(mapping_of(parts.get("_parameters")) or {}),
            **{key: part for key, part in (mapping_of(parts.get("_buffers")) or {}).items() if key not in fleeting},
        }
        inner = mapping_of(parts.get("_modules")) or {}
        if "_modules" not in parts:  # TorchScript keeps tensors and modules side by side
            own, inner = dict(parts), dict(parts)
        self.count(len(own) + len(inner))
        for name, part in own.items():
            tensor = self.tensor(part)
            if tensor is not None and isinstance(name, str):
                found[f"{prefix}{name}"] = tensor
        for name, part in inner.items():
            if isinstance(part, Inert) and (next_parts := next(_modules(part), None)) is not None:
                self.module(next_parts, f"{prefix}{name}.", found)

    def tensor(self, value: Any) -> StoredTensor | None:
        """The tensor that a record stands for, None where it stands for something else."""
        if not isinstance(value, Inert):
            return None
        path, arguments = called(value), list(value.arguments)
        if path in WRAPPED and arguments:
            return self.tensor(arguments[0])
        if path == WITH_ATTRIBUTES and len(arguments) == 4 and isinstance(arguments[2], tuple):
            return self.tensor(Inert(arguments[0], arguments[2]))
        if path in REBUILT and len(arguments) >= REBUILT[path]:
            storage, offset, size, stride = arguments[:4]
            found = self.storage(storage)
            dtype = _kind(arguments[6]) if path.endswith("_v3") else found.dtype
            if dtype is None or dtype not in KINDS.values():
                return StoredTensor(0, None)
            return _strided(found, offset, size, stride, dtype)
        if ARRAY.fullmatch(path) or ARRAY_OF_BYTES.fullmatch(path):
            return _array(value)
        return StoredTensor(0, None) if path.startswith(ANY_TENSOR) else None

    def storage(self, value: Any) -> Storage:
        if isinstance(value, Persistent):
            return self.storages(value)
        data = _bytes(value.arguments[0]) if called(value) == EMBEDDED and value.arguments else None
        if data is None:
            raise MalformedPickle("a tensor in it has no storage")
        if id(value) not in self.embedded:
            self.embedded[id(value)] = storage_in(data)
        return self.embedded[id(value)]


def called(value: Any) -> str:
    """What a record would have called, `module.name`; the class, where a helper makes an object of a class."""
    if not isinstance(value, Inert) or not isinstance(value.function, Global):
        return ""
    if value.function.path in HELPERS and value.arguments and isinstance(value.arguments[0], Global):
        return value.arguments[0].path
    return value.function.path


def mapping_of(value: Any) -> Mapping[Any, Any] | None:
    """The mapping that a value is or records, None where it is none."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, Inert):
        return None
    known = called(value) in MAPPINGS
    helped = isinstance(value.function, Global) and value.function.path in HELPERS
    given: dict[Any, Any] = {}
    for argument in value.arguments if known or helped else ():
        if isinstance(argument, dict):
            given.update(argument)
        elif isinstance(argument, list):
            pairs = [pair for pair in argument if isinstance(pair, list | tuple) and len(pair) == 2]
            given.update({key: part for key, part in pairs if isinstance(key, str)})
    if given:
        return {**given, **value.entries}
    return value.entries if known or value.entries else None


def _modules(value: Inert) -> Iterator[Mapping[Any, Any]]:
    """The attributes of the module that a record stands for: what it sets as state, or what its arguments hold.

    A helper that rebuilds objects from their source code gets it in a mapping, under "state".
    """
    states = [value.state, *(value.state if isinstance(value.state, tuple) else ())]
    states += [meta["state"] for argument in value.arguments if (meta := mapping_of(argument)) and "state" in meta]
    program = called(value).startswith("__torch__.")
    for state in states:
        parts = mapping_of(state)
        if parts is not None and (program or {"_parameters", "_modules"} <= parts.keys()):
            yield parts


def _names(value: Any) -> set[str]:
    """The texts of a set."""
    if isinstance(value, Inert):
        value = next((argument for argument in value.arguments if isinstance(argument, list)), ())
    return {name for name in value or () if isinstance(name, str)}


def _whole_numbers(value: Any) -> tuple[int, ...]:
    if isinstance(value, Inert) and called(value) == "torch.Size" and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, tuple | list) or not all(type(part) is int and 0 <= part < 1 << 63 for part in value):
        raise MalformedPickle("a tensor in it has a size that is no size")
    return tuple(value)


def _kind(value: Any) -> torch.dtype | None:
    """The kind of numbers that a record names, None where it is not read."""
    return KINDS.get(value.name) if isinstance(value, Global) and value.module == "torch" else None


def _strided(storage: Storage, offset: Any, size: Any, stride: Any, dtype: torch.dtype) -> StoredTensor:
    """A tensor as its place in a storage; nothing is read yet."""
    count = storage.count * storage.dtype.itemsize // dtype.itemsize
    (offset,), size, stride = _whole_numbers((offset,)), _whole_numbers(size), _whole_numbers(stride)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=False))
    numbers = math.prod(size)
    if len(size) != len(stride) or (numbers and last >= count):
        raise MalformedPickle("a tensor in it is larger than its storage")

    def build() -> Tensor:
        if numbers == 0:
            return torch.empty(size, dtype=dtype)
        return (
            torch.frombuffer(storage.read(), dtype=dtype, count=count)
            .as_strided(size, stride, offset)
            .clone(memory_format=torch.contiguous_format)
        )

    return StoredTensor(numbers * dtype.itemsize, build)


def _array(value: Inert) -> StoredTensor | None:
    """An array of NumPy as a tensor, None where its elements are no numbers."""
    match value:
        case Inert(arguments=(data, kind, shape, order)):
            fortran = order == "F"
        case Inert(state=(_, shape, kind, fortran, data)):
            pass
        case _:
            return None
    dtype, data = _array_dtype(kind), _bytes(data)
    if dtype is None or data is None:
        return None
    size = _whole_numbers(shape)
    if math.prod(size) * dtype.itemsize != len(data):
        raise MalformedPickle("an array in it has another size than its numbers")

    def build() -> Tensor:
        array = np.frombuffer(data, dtype).reshape(size, order="F" if fortran else "C")
        return torch.from_numpy(array.astype(dtype.newbyteorder("="), order="C"))

    return StoredTensor(len(data), build)


def _array_dtype(kind: Any) -> np.dtype | None:
    match kind:
        case Inert(arguments=(str(name), *_), state=(_, str(order), *_)) if called(kind) == "numpy.dtype":
            if NUMBERS.fullmatch(name) and order in ("<", ">", "|", "="):
                return np.dtype(order + name)
    return None


def _bytes(value: Any) -> bytes | None:
    """Bytes as pickles hold them; those of Python 2, and of old protocols, as text of one byte a letter."""
    if called(value) == "_codecs.encode" and value.arguments:
        value = value.arguments[0]
    if isinstance(value, str):
        return value.encode("latin-1")
    return bytes(value) if isinstance(value, bytes | bytearray) else None

"""Arrays as `.npy` (NumPy's format 1.0 and 2.0) without NumPy: a short header in text, then the plain values."""

from __future__ import annotations

import ast
import struct
import sys
from collections.abc import Sequence

_MAGIC = b"\x93NUMPY"
_ALIGNED = 64
_LONGEST_HEADER = 4096
_ORDER = "<" if sys.byteorder == "little" else ">"
_CODES = {
    "bool": "|b1",
    "uint8": "|u1",
    "uint16": f"{_ORDER}u2",
    "float32": f"{_ORDER}f4",
    "float64": f"{_ORDER}f8",
}
_NAMES = {code: name for name, code in _CODES.items()}


def header(shape: Sequence[int], dtype: str) -> bytes:
    """What stands before the values of an array.

    Args:
        shape: of the array, which lies row after row.
        dtype: `bool`, `uint8`, `uint16`, `float32` or `float64`, in this machine's byte order.
    """
    sides = ", ".join(str(side) for side in shape) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{_CODES[dtype]}', 'fortran_order': False, 'shape': ({sides}), }}"
    padding = -(len(_MAGIC) + 4 + len(text) + 1) % _ALIGNED
    line = (text + " " * padding + "\n").encode("ascii")
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(line)) + line


def parse(data: bytes) -> tuple[str, tuple[int, ...], memoryview]:
    """Type, shape and values of an array.

    Returns:
        The name of the type as `header` takes it; the shape; the values as bytes, not copied.

    Raises:
        ValueError: this is no array that `header` could describe, or it is cut short.
    """
    facts, start = _facts(data)
    code, shape = facts.get("descr"), facts.get("shape")
    name = _NAMES.get(code) if isinstance(code, str) else None
    if name is None or facts.get("fortran_order") is not False:
        raise ValueError(f"an array of the type {code!r} is not known here")
    if not isinstance(shape, tuple) or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError("the shape of the array is no list of sides")
    size = int(_CODES[name][-1])
    for side in shape:
        size *= side
    values = memoryview(data)[start:]
    if len(values) != size:
        raise ValueError(f"the array has {len(values)} bytes instead of {size}")
    return name, shape, values


def _facts(data: bytes) -> tuple[dict[str, object], int]:
    """The header's facts, and where the values start."""
    if data[:6] != _MAGIC or data[6:8] not in (b"\x01\x00", b"\x02\x00"):
        raise ValueError("this is no .npy of version 1.0 or 2.0")
    kind = "<H" if data[6] == 1 else "<I"
    start = 8 + struct.calcsize(kind)
    if len(data) < start:
        raise ValueError("the array is cut short")
    (length,) = struct.unpack_from(kind, data, 8)
    if length > _LONGEST_HEADER or len(data) < start + length:
        raise ValueError("the header of the array is too long or cut short")
    try:
        facts = ast.literal_eval(data[start : start + length].decode("ascii").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("the header of the array cannot be read") from None
    if not isinstance(facts, dict):
        raise ValueError("the header of the array cannot be read")
    return facts, start + length

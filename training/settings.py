"""Tables of a TOML file as frozen dataclasses: unknown keys, wrong kinds and numbers out of range get a sentence."""

from __future__ import annotations

import difflib
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ..imaging.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
_KINDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes", Path: "a path in quotes"
}  # fmt: skip


def number(default: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    """A field of a dataclass of settings that must lie between `low` and `high`, both allowed."""
    return field(default=default, metadata={"range": (low, high)})


def one_of(default: str, *choices: str) -> Any:
    """A field of a dataclass of settings that takes one of a few words."""
    return field(default=default, metadata={"choices": (default, *choices)})


def read_settings(kind: type[Settings], table: object, where: str) -> Settings:
    """A dataclass from a table of a TOML file.

    Fields may be bool, int, float, str, `Path`, tuples and mappings of these, other dataclasses, and any of these or
    None, which a file states by leaving the key away.

    Args:
        kind: the dataclass; fields without a default must be in the table.
        table: what the file says.
        where: the name of the table, for messages.

    Raises:
        InputError: unknown or missing key, wrong kind, number out of range; the sentence names table and key.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"[{where}] must be a table of settings, not {table!r}.")
    known = {one.name: one for one in fields(kind)}
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"take some of {', '.join(known) or 'none'}."
            raise InputError(f"[{where}] has no setting '{key}': {hint}")
    hints = get_type_hints(kind)
    values = {}
    for name, one in known.items():
        if name in table:
            values[name] = _value(table[name], hints[name], where, name)
            _check(values[name], one, where)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise InputError(f"[{where}] {name} is missing: give {_words(hints[name])}.")
    return kind(**values)


def _value(value: object, kind: Any, where: str, name: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _value(value, next(one for one in inner if one is not types.NoneType), where, name)
    if is_dataclass(kind) and isinstance(kind, type):
        return read_settings(kind, value, f"{where}.{name}")
    if origin is tuple and isinstance(value, list):
        length = None if inner[-1] is Ellipsis else len(inner)
        if length is None or length == len(value):
            return tuple(_value(one, inner[0], where, name) for one in value)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {str(key): _value(one, inner[1], f"{where}.{name}", str(key)) for key, one in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise InputError(f"[{where}] {name} is {value!r}: give {_words(kind)}.")


def _words(kind: Any) -> str:
    """What a value of a kind is, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _words(inner[0])
    if origin is tuple:
        count = "a list" if inner[-1] is Ellipsis else f"a list of {len(inner)}"
        return f"{count}, each {_words(inner[0])}"
    return _KINDS.get(kind, "a table of settings")


def _check(value: Any, one: Field[Any], where: str) -> None:
    low, high = one.metadata.get("range", (-math.inf, math.inf))
    numbers = value if isinstance(value, tuple) else (value,)
    for each in numbers:
        if isinstance(each, int | float) and not low <= each <= high:
            bounds = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
            raise InputError(f"[{where}] {one.name} is {each:g}: give {bounds}.")
    choices = one.metadata.get("choices")
    if choices and value not in choices:
        raise InputError(f"[{where}] {one.name} is '{value}': take one of {', '.join(choices)}.")


def as_table(settings: DataclassInstance) -> dict[str, Any]:
    """A dataclass of settings as plain values that JSON and TOML can hold; what is None is left away."""
    return {one.name: _plain(value) for one in fields(settings) if (value := getattr(settings, one.name)) is not None}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return as_table(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    return value


def to_toml(table: Mapping[str, Any], prefix: str = "") -> str:
    """Plain values as the text of a TOML file."""
    lines, tables = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{key}"
            tables.append(f"\n[{name}]\n{to_toml(value, f'{name}.')}")
        else:
            lines.append(f"{key} = {_literal(value)}\n")
    return "".join(lines + tables)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '"\\\x7f' else c for c in value)
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(_literal(one) for one in value)}]"
    return repr(value)


def apply_change(table: dict[str, Any], change: str, form: str) -> None:
    """Set `name=value` or `section.name=value`; the value is written as in TOML, and a text may go without quotes.

    Args:
        table: as a TOML file holds it; changed in place.
        change: what is to be set.
        form: how it is to be written, with an example; one that begins with SECTION asks for a section.

    Raises:
        InputError: it has another form, or names a section that is a value.
    """
    place, equals, text = change.partition("=")
    *sections, name = [part.strip() for part in place.split(".")]
    lacking = form.startswith("SECTION") and not sections
    if not equals or lacking or not all((*sections, name)):
        raise InputError(f"'{change}' is no setting: write {form}.")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise InputError(f"'{change}' cannot be set: '{section}' is no section.")
    try:
        table[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[name] = text.strip()

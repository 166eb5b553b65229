"""What a person chooses about a backend, checked against what the backend's info says."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..imaging.errors import InputError
from .protocol import BackendInfo, Setting, Value

TRUE, FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


def checked(info: BackendInfo, chosen: Mapping[str, Value]) -> dict[str, Value]:
    """A value for every setting of the backend, as chosen or by default; text is read as the type of the setting.

    Raises:
        InputError: the backend has no such setting, or the value is out of its range.
    """
    known = {setting.name: setting for setting in info.settings}
    for name in chosen:
        if name not in known:
            raise InputError(_unknown(info, name))
    return {
        name: _value(setting, chosen[name]) if name in chosen else setting.default for name, setting in known.items()
    }


def _unknown(info: BackendInfo, name: str) -> str:
    from .registry import backends

    names = [setting.name for setting in info.settings]
    near = difflib.get_close_matches(name, names, 1, 0.6)
    if near:
        return f"{info.name} has no setting '{name}': did you mean '{near[0]}'?"
    others = [other.name for other in backends().values() if any(setting.name == name for setting in other.settings)]
    if others:
        return f"{info.name} takes no {name}: leave it away, or take a backend that does ({', '.join(others[:4])})."
    listed = f"it has {', '.join(names)}." if names else "it has none."
    return f"{info.name} has no setting '{name}': {listed}"


def _value(setting: Setting, given: Value) -> Value:
    value = _typed(setting, given)
    if setting.choices and value not in setting.choices:
        raise InputError(f"{setting.name} is '{value}': take one of {', '.join(setting.choices)}.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = setting.low, setting.high
        if not _within(value, low, high):
            limits = ([] if low is None else [f"from {low:g}"]) + ([] if high is None else [f"to {high:g}"])
            raise InputError(f"{setting.name} is {value:g}: give a number {' '.join(limits)}.")
    return value


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _typed(setting: Setting, given: Value) -> Value:
    kind = type(setting.default)
    if kind is str:
        return str(given)
    if kind is bool:
        word = str(given).strip().lower()
        if word not in TRUE + FALSE:
            raise InputError(f"{setting.name} is '{given}': give yes or no.")
        return word in TRUE
    try:
        number = float(given)
    except ValueError:
        raise InputError(f"{setting.name} is '{given}': give a number.") from None
    if kind is float:
        if number != number:
            raise InputError(f"{setting.name} is '{given}': give a number.")
        return number
    if not number.is_integer():
        raise InputError(f"{setting.name} is {given}: give a whole number.")
    return int(number)


def extras(info: BackendInfo, settings: Mapping[str, Value], guide: Any = None) -> dict[str, Any]:
    """The further arguments of a call of the backend: `settings` and `guide`, where its info names them.

    Raises:
        InputError: the backend takes no guide or has no such setting.
    """
    values = checked(info, settings)
    given: dict[str, Any] = {"settings": values} if info.settings else {}
    if guide is None:
        return given
    if not info.guide:
        from .registry import backends

        able = ", ".join(other.name for other in backends().values() if other.guide)
        raise InputError(f"{info.name} takes no drawn lines: leave --guide away, or take one of {able}.")
    return given | {"guide": guide}

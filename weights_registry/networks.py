"""Which networks a file of weights holds, under what names, and which of them fills holes.

Trainers put things around the parameters: a mapping (`state_dict`, `params_ema`, `generator`), one mapping for each of
two networks (`G`, `D`), or a word before each name (`generator.`, and `module.` of parallel training).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..imaging.errors import InputError, WeightsError

State = dict[str, Any]

AVERAGED = ("g_ema", "gen_ema", "generator_ema", "netg_ema", "ema_generator")
GENERATORS = ("g", "gen", "generator", "netg", "net_g")
WRAPPERS = (
    "params_ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema", "params",
    "state_dict", "model_state_dict", "model", "net", "network",
)  # fmt: skip
PREFERENCE = (*AVERAGED, *GENERATORS, *WRAPPERS)
"""Names of what fills holes, in lower case, the best first: weights averaged over the training come before the last."""
PARTNERS = re.compile(r"(d|dis|disc|netd|net_d|discriminator\w*|.*(loss|optim|evaluator|criterion|vgg).*)(_ema)?")
"""Names of what only training needs, in lower case."""
PARALLEL = "module"
DEEPEST = 6


def networks(value: Any, kinds: type | tuple[type, ...]) -> dict[str, State]:
    """The state dicts inside `value` by the names that lead to them, with dots between; empty text = `value` itself.

    Args:
        value: what a file of weights holds.
        kinds: classes of what counts as a tensor.
    """
    found: dict[str, State] = {}
    seen: set[int] = set()

    def look(mapping: Mapping[Any, Any], path: str, depth: int) -> None:
        seen.add(id(mapping))
        named = {key: part for key, part in mapping.items() if isinstance(key, str)}
        own = {key: part for key, part in named.items() if isinstance(part, kinds)}
        found.update({_joined(path, name): state for name, state in _parts(own).items()} if own else {})
        for key, part in named.items():
            if isinstance(part, Mapping) and id(part) not in seen and depth < DEEPEST:
                look(part, _joined(path, key), depth + 1)

    if isinstance(value, Mapping):
        look(value, "", 0)
    return found


def _joined(*names: str) -> str:
    return ".".join(name for name in names if name)


def _parts(state: State, depth: int = 0) -> dict[str, State]:
    """One state dict as the networks that the first words of its names tell apart; mostly one, without a name."""
    tops = {key.partition(".")[0] for key in state}
    if depth == DEEPEST or not all("." in key for key in state):
        return {"": state}
    if tops == {PARALLEL}:
        return _parts(_inside(state, PARALLEL), depth + 1)
    if all(key.startswith("model.model.") for key in state):  # as in programs that hold LaMa
        return _parts(_inside(state, "model"), depth + 1)
    low = {top.lower() for top in tops}
    if not low & {*AVERAGED, *GENERATORS} or not (len(tops) == 1 or any(map(PARTNERS.fullmatch, low))):
        return {"": state}
    return {
        _joined(top, name): part
        for top in sorted(tops)
        for name, part in _parts(_inside(state, top), depth + 1).items()
    }


def _inside(state: State, name: str) -> State:
    """What lies under a name, without it."""
    return {key.removeprefix(f"{name}."): part for key, part in state.items() if key.startswith(f"{name}.")}


def chosen(found: Mapping[str, State], where: object, prefix: str | None = None) -> tuple[str, State]:
    """The network to take, and its name.

    Args:
        found: by name.
        where: the file, for messages.
        prefix: the name, its end, or the first words of the keys to take; None = the network that fills holes.

    Raises:
        WeightsError: there is no network, or it does not show which one fills holes.
        InputError: nothing is called `prefix`.
    """
    if not found:
        raise WeightsError(f"{where} holds no plain mapping of names to tensors: save a state dict and give that.")
    if prefix is not None:
        return _named(found, where, prefix.strip("."))
    best = min(map(_rank, found))
    first = [name for name in found if _rank(name) == best]
    if len(first) > 1:
        raise WeightsError(
            f"{where} holds several networks ({listed(found)}) and does not show which one fills holes: "
            "name it to `inpaint-lens convert` with --prefix."
        )
    return first[0], found[first[0]]


def _rank(name: str) -> int:
    words = name.lower().split(".")
    if any(map(PARTNERS.fullmatch, words)):
        return len(PREFERENCE) + 1
    return min((PREFERENCE.index(word) for word in words if word in PREFERENCE), default=len(PREFERENCE))


def _named(found: Mapping[str, State], where: object, prefix: str) -> tuple[str, State]:
    named = {name: state for name, state in found.items() if name == prefix}
    named = named or {name: state for name, state in found.items() if name.endswith(f".{prefix}")}
    named = named or {_joined(name, prefix): part for name, state in found.items() if (part := _inside(state, prefix))}
    whole = {_joined(name, key): part for name, state in found.items() for key, part in state.items()}
    named = named or ({prefix: part} if (part := _inside(whole, prefix)) else {})
    if len(named) == 1:
        return next(iter(named.items()))
    raise InputError(f"{where} has {'several' if named else 'no'} '{prefix}': --prefix is one of {listed(found)}.")


def listed(found: Mapping[str, State]) -> str:
    """The names of networks with their numbers of tensors, at most eight."""
    names = [
        f"{name or 'the file itself'} ({len(state)} tensor{'s' * (len(state) > 1)})" for name, state in found.items()
    ]
    return ", ".join(names[:8]) + (f", {len(names) - 8} more" if len(names) > 8 else "")

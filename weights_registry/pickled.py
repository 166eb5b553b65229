"""Read a pickle as data: what it asks to have done is written down and never done.

A pickle is a program for a machine with a stack, and Python's own machine calls whatever the program names. The machine
here is fed by `pickletools`, which only tells the instructions apart. It knows no module and no function: every call
becomes an `Inert` record, so nothing is imported, nothing is called and no method of any real object is looked up.
What the records mean is decided by whoever reads them (see `rebuilding`).
"""

from __future__ import annotations

import pickletools
import struct
from dataclasses import dataclass, field
from typing import IO, Any

LITERALS = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
))  # fmt: skip
"""Instructions that push the value which they carry."""
PUSHED = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
IGNORED = frozenset(("PROTO", "FRAME", "STOP"))
KEYS = (str, int, float, bytes, type(None))
"""Kinds of keys that are kept; a tuple may be nested so deeply that taking its hash ends the process."""


class MalformedPickle(ValueError):
    """The bytes are no whole pickle, or use what no file of weights needs."""


@dataclass(frozen=True)
class Global:
    """A name that a pickle wants to have looked up in a module; it never is."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Module and name with a dot between."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Inert:
    """A call that a pickle asks for, and what it would have done to the result.

    Attributes:
        function: what it would have called, mostly a `Global`.
        arguments: with what.
        state: what it would have set the result's state to; None = nothing.
        items: what it would have appended to the result.
        entries: what it would have put into the result by key.
    """

    function: Any
    arguments: tuple[Any, ...]
    state: Any = None
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Persistent:
    """Something that lies outside of the pickle, by the identity that the pickle gives it."""

    identity: Any


def read_pickle(stream: IO[bytes], size: int, outside: list[Persistent] | None = None) -> Any:
    """The value of the pickle that begins where `stream` stands; afterwards the stream stands behind the pickle.

    Args:
        stream: a file, or bytes as a file.
        size: bytes of the whole file; nothing that claims to be longer is read.
        outside: gets everything in the pickle that lies outside of it, in order.

    Returns:
        Numbers, text, bytes, None, lists (sets too), tuples, dictionaries, `Global`, `Inert` and `Persistent`.

    Raises:
        MalformedPickle: see there.
    """
    machine = _Machine([] if outside is None else outside)
    try:
        for instruction, argument, _ in pickletools.genops(_Bounded(stream, size)):  # type: ignore[arg-type]
            machine.step(instruction.name, argument)
        return machine.stack.pop()
    except MalformedPickle:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, AssertionError, struct.error) as error:
        raise MalformedPickle(str(error).partition("\n")[0] or type(error).__name__) from error


class _Bounded:
    """A stream that refuses to read more than there is, before it makes room for that."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream, self.size = stream, size
        self.readline, self.tell = stream.readline, stream.tell

    def read(self, count: int) -> bytes:
        if count > 1024 and count > self.size - self.tell():
            raise MalformedPickle("it ends too early")
        return self.stream.read(count)


class _Machine:
    """Stack and memory; one method for each kind of instruction that is no literal."""

    def __init__(self, outside: list[Persistent]) -> None:
        self.outside = outside
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        # A dictionary: a list would be made as long as the largest index that the pickle names.
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in LITERALS:
            self.stack.append(argument)
        elif name in PUSHED:
            self.stack.append(PUSHED[name])
        elif name in TUPLES:
            self._tuple(TUPLES[name])
        elif name not in IGNORED:
            method = getattr(self, f"do_{name.lower()}", None)
            if method is None:
                raise MalformedPickle(f"it uses {name}, which no file of weights needs")
            method() if argument is None else method(argument)

    def since_mark(self) -> list[Any]:
        """What was pushed since the last mark; takes it off."""
        items, self.stack = self.stack, self.outer.pop()
        return items

    def do_mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def do_pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def do_pop_mark(self) -> None:
        self.since_mark()

    def do_dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise MalformedPickle("it takes more from the stack than there is")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def do_tuple(self) -> None:
        items = self.since_mark()
        self.stack.append(tuple(items))

    def do_list(self) -> None:
        items = self.since_mark()
        self.stack.append(items)

    do_frozenset = do_list

    def do_empty_list(self) -> None:
        self.stack.append([])

    do_empty_set = do_empty_list

    def do_empty_dict(self) -> None:
        self.stack.append({})

    def do_dict(self) -> None:
        items = self.since_mark()
        self.stack.append({})
        self._put(items)

    def do_append(self) -> None:
        self._extend([self.stack.pop()])

    def do_appends(self) -> None:
        self._extend(self.since_mark())

    do_additems = do_appends

    def do_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def do_setitems(self) -> None:
        self._put(self.since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.items.extend(items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise MalformedPickle("it appends to what is no list")

    def _put(self, items: list[Any]) -> None:
        target = self.stack[-1]
        entries = target.entries if isinstance(target, Inert) else target
        if not isinstance(entries, dict) or len(items) % 2:
            raise MalformedPickle("it puts entries into what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            entries[key if isinstance(key, KEYS) else object()] = value

    def do_put(self, index: int) -> None:
        self.memory[index] = self.stack[-1]

    do_binput = do_long_binput = do_put

    def do_memoize(self) -> None:
        self.memory[len(self.memory)] = self.stack[-1]

    def do_get(self, index: int) -> None:
        self.stack.append(self.memory[index])

    do_binget = do_long_binget = do_get

    def do_global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self.stack.append(Global(module, name))

    def do_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise MalformedPickle("it names a function by something else than text")
        self.stack.append(Global(module, name))

    def do_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise MalformedPickle("it calls with something else than a tuple")
        self.stack.append(Inert(function, arguments))

    do_newobj = do_reduce

    def do_newobj_ex(self) -> None:
        self.stack.pop()  # the arguments with names
        self.do_reduce()

    def do_inst(self, names: str) -> None:
        module, _, name = names.partition(" ")
        items = self.since_mark()
        self.stack.append(Inert(Global(module, name), tuple(items)))

    def do_obj(self) -> None:
        function, *items = self.since_mark()
        self.stack.append(Inert(function, tuple(items)))

    def do_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.state = state

    def do_persid(self, identity: Any) -> None:
        self.outside.append(Persistent(identity))
        self.stack.append(self.outside[-1])

    def do_binpersid(self) -> None:
        self.do_persid(self.stack.pop())

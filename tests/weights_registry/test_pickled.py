import io
import pickle
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.weights_registry.pickled import Global, Inert, MalformedPickle, Persistent, read_pickle

KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(
    KEYS | st.just(bytearray(b"ab")),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner, inner) | st.tuples(inner).map(list),
)


def read(data: bytes, outside: list[Persistent] | None = None) -> Any:
    return read_pickle(io.BytesIO(data), len(data), outside)


class Point:
    """Pickled with its state."""

    def __init__(self) -> None:
        self.x = 1


@settings(max_examples=60)
@given(PLAIN, st.sampled_from([3, 4, 5]))
def test_plain_values_are_read_as_they_were_written(value, protocol):
    data = pickle.dumps(value, protocol)
    if protocol == 5 or not contains_bytearray(value):
        assert read(data) == value


def contains_bytearray(value: Any) -> bool:
    """Older protocols write one as a call."""
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, bytearray) or any(map(contains_bytearray, parts))


@settings(max_examples=60)
@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(allow_nan=False), st.lists))
def test_values_of_the_oldest_protocols_are_read_too(value):
    for protocol in (0, 1, 2):
        assert read(pickle.dumps(value, protocol)) == value


def test_one_value_in_two_places_stays_one_value():
    part = [1]
    value = read(pickle.dumps([part, part]))
    assert value[0] is value[1]


def test_a_value_may_contain_itself():
    loop: list[Any] = []
    loop.append(loop)
    value = read(pickle.dumps(loop))
    assert value[0] is value


@pytest.mark.parametrize("protocol", range(6))
def test_sets_become_lists_or_records(protocol):
    value = read(pickle.dumps({"a"}, protocol))
    assert value == ["a"] or (value.function.name == "set" and value.arguments == (["a"],))


@pytest.mark.parametrize("protocol", range(2, 6))
def test_an_object_becomes_a_record_of_its_class_and_state(protocol):
    record = read(pickle.dumps(Point(), protocol))
    assert isinstance(record, Inert)
    assert record.function == Global(Point.__module__, "Point")
    assert record.state == {"x": 1}


def test_entries_of_a_mapping_with_a_class_of_its_own_are_recorded():
    record = read(pickle.dumps(OrderedDict(a=1, b=[2])))
    assert record.function.path == "collections.OrderedDict"
    assert record.entries == {"a": 1, "b": [2]}


def test_keys_that_could_not_be_hashed_safely_are_replaced():
    assert list(read(pickle.dumps({(1, 2): "a"})).values()) == ["a"]


def test_what_lies_outside_is_told_in_order():
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", obj.real) if isinstance(obj, complex) else None

    stream = io.BytesIO()
    Pickler(stream).dump([1 + 0j, 2 + 0j])
    outside: list[Persistent] = []
    assert read(stream.getvalue(), outside) == outside
    assert [part.identity for part in outside] == [("storage", 1.0), ("storage", 2.0)]


def test_the_stream_stands_behind_the_pickle_afterwards():
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps(2) + b"rest")
    size = len(stream.getvalue())
    assert [read_pickle(stream, size), read_pickle(stream, size)] == [1, 2]
    assert stream.read() == b"rest"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04",
        b".",
        b"0.",
        b"\x85.",
        b"t.",
        b"NNs.",
        b"]NNs.",
        b"Na.",
        b"h\x05.",
        b"NNR.",
        b"\x80\x02\x82\x01.",
    ],
)
def test_what_is_no_pickle_is_told(data):
    with pytest.raises(MalformedPickle):
        read(data)

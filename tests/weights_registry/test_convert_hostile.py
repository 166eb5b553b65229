"""Files that do harm when they are unpickled, or claim more than they hold."""

import contextlib
import copyreg
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import LensError, WeightsError
from inpaint_lens.weights_registry import archives, rebuilding
from inpaint_lens.weights_registry.convert import convert
from inpaint_lens.weights_registry.pickled import read_pickle
from safetensors.torch import load_file
from torch._utils import _rebuild_tensor_v2

TENSOR = torch.tensor([1.0, 2.0])
MARKER = Path()
"""What a trap makes; set before each test."""


@pytest.fixture(autouse=True)
def _marker(tmp_path: Path) -> None:
    global MARKER
    MARKER = tmp_path / "ran"


def spring(*args: Any, **options: Any) -> "Trap":
    """What must never be called."""
    MARKER.touch()
    return object.__new__(Trap)


class Trap:
    """A class of which every use springs the trap."""

    def __new__(cls, *args: Any, **options: Any) -> "Trap":
        return spring()

    def __setstate__(self, state: Any) -> None:
        spring()

    def __setitem__(self, key: Any, value: Any) -> None:
        spring()

    def append(self, item: Any) -> None:
        spring()

    extend = add = append


class Quiet(Trap):
    """Of which only what is done to an object springs the trap."""

    def __new__(cls) -> "Quiet":
        return object.__new__(cls)


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def named(thing: Any) -> bytes:
    """The instruction that looks up a thing."""
    return f"c{thing.__module__}\n{thing.__qualname__}\n".encode()


def shell() -> Calls:
    return Calls(os.system, f"touch {MARKER}")


def legacy(value: Any) -> bytes:
    """A value as torch saved it before its files were archives."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def modern(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def tensor_of(storage: Any, size: Any = (2,), stride: Any = (1,), offset: Any = 0) -> Calls:
    """A tensor as plain pickles hold it."""
    return Calls(_rebuild_tensor_v2, storage, offset, size, stride, False, None)


def embedded(data: bytes) -> Calls:
    return Calls(torch.storage._load_from_bytes, data)


def extension() -> bytes:
    """Finds the trap by its number in the registry of extensions, where it was looked up before."""
    if 199 not in copyreg._extension_cache:  # pyright: ignore[reportAttributeAccessIssue]
        copyreg.add_extension(Trap.__module__, "Trap", 199)
        copyreg._extension_cache[199] = Trap  # pyright: ignore[reportAttributeAccessIssue]
    return b"\x80\x02\x82\xc7)\x81."


QUIET = b"\x80\x02%b)\x81"
HARMFUL: dict[str, Callable[[], bytes]] = {
    "a command of the system": lambda: pickle.dumps(shell()),
    "a command beside tensors": lambda: pickle.dumps({"a": TENSOR, "x": shell()}),
    "source code": lambda: pickle.dumps({"a": TENSOR, "x": Calls(eval, f"open({str(MARKER)!r}, 'w')")}),
    "a function": lambda: pickle.dumps({"a": TENSOR, "x": Calls(spring, 1)}),
    "a call with names": lambda: b"\x80\x04" + named(Trap) + b")}\x92.",
    "a new object": lambda: b"\x80\x02" + named(Trap) + b")\x81.",
    "an object of the first protocol": lambda: b"\x80\x02(i" + named(Trap)[1:] + b".",
    "an object from the stack": lambda: b"\x80\x02(" + named(Trap) + b"o.",
    "state for an object": lambda: QUIET % named(Quiet) + b"}b.",
    "entries in an object": lambda: QUIET % named(Quiet) + b"K\x01K\x02s.",
    "many entries in an object": lambda: QUIET % named(Quiet) + b"(K\x01K\x02u.",
    "an item for an object": lambda: QUIET % named(Quiet) + b"K\x01a.",
    "items for an object": lambda: QUIET % named(Quiet) + b"(K\x01K\x02e.",
    "members of an object": lambda: b"\x80\x04" + QUIET[2:] % named(Quiet) + b"(K\x01\x90.",
    "an extension": extension,
    "an attribute of a class": lambda: pickle.dumps({"a": TENSOR, "x": Calls(Quiet().append.__func__, 0, 1)}),
    "an embedded command": lambda: pickle.dumps({"a": tensor_of(embedded(legacy(shell())))}),
    "a command under another command": lambda: pickle.dumps({"a": tensor_of(shell())}),
    "a command as a size": lambda: pickle.dumps({"a": tensor_of(embedded(legacy(TENSOR)), shell())}),
    "a command as a key": lambda: pickle.dumps({"a": TENSOR, (shell(),): 1}),
    "a file of torch": lambda: modern({"a": TENSOR, "x": shell()}),
    "an old file of torch": lambda: legacy({"a": TENSOR, "x": shell()}),
}


def unpickle(data: bytes) -> None:
    """What an unwary program does; that some of these then fail is no matter."""
    torchs = data.startswith((b"PK", b"\x80\x02\x8a\nl"))
    with contextlib.suppress(TypeError, ValueError, RuntimeError, AttributeError, pickle.UnpicklingError):
        if torchs:
            torch.load(io.BytesIO(data), weights_only=False)
        else:
            pickle.loads(data)  # noqa: S301 - the control: it shows that these files, made above, do harm


@pytest.mark.parametrize("what", HARMFUL)
def test_nothing_of_a_harmful_file_is_run_and_its_tensors_are_kept(tmp_path, what):
    data = HARMFUL[what]()
    (tmp_path / "harmful.pth").write_bytes(data)
    try:
        made = convert(tmp_path / "harmful.pth", tmp_path / "safe.safetensors")
        assert list(made.state) == ["a"]
        assert torch.equal(load_file(made.path)["a"], TENSOR)
    except WeightsError as error:
        assert "harmful.pth" in str(error)
        assert not (tmp_path / "safe.safetensors").exists()
    assert not MARKER.exists()
    unpickle(data)
    assert MARKER.exists()


def deep(begin: bytes, end: bytes, depth: int = 20_000) -> bytes:
    """A pickle of things within things."""
    return b"\x80\x02" + begin * depth + b"N" + end * depth + b"."


def doubling() -> bytes:
    value: dict[str, Any] = {"a": 1}
    for _ in range(60):
        value = {"a": value, "b": value}
    return pickle.dumps(value)


BOMBS: dict[str, Callable[[], bytes]] = {
    "a large index of the memory": lambda: b"\x80\x02Nr\xff\xff\xff\x7f0N.",
    "a text that claims to be long": lambda: b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"abc.",
    "bytes that claim to be many": lambda: b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"abc.",
    "a frame that claims to be long": lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "a number of many digits": lambda: b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    "mappings that double": doubling,
    "deep lists": lambda: deep(b"]", b"a"),
    "deep tuples": lambda: deep(b"", b"\x85"),
    "deep tuples as a key": lambda: b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"Ns.",
    "deep calls": lambda: deep(b"cos\nsystem\n", b"\x85R"),
    "deep mappings": lambda: deep(b"}X\x01\x00\x00\x00a", b"s"),
    "deep parameters": lambda: (
        b"\x80\x02}U\x01a" + deep(b"ctorch._utils\n_rebuild_parameter\n", b"\x85R")[2:-1] + b"s."
    ),
    "bytes made by a call": lambda: pickle.dumps({"a": Calls(bytes, 1 << 40)}),
    "an embedded file that claims to be long": lambda: pickle.dumps(
        {"a": tensor_of(embedded(legacy(TENSOR.untyped_storage())[:-8].replace(b"K\x08", b"J\xff\xff\xff\x7f")))}
    ),
    "a tensor larger than its storage": lambda: pickle.dumps({"a": tensor_of(embedded(legacy(TENSOR)), (1 << 40,))}),
    "a tensor that repeats one number": lambda: modern({"a": TENSOR[:1].expand(10**10)}),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_file_that_claims_too_much_is_refused_and_takes_little_memory(tmp_path, monkeypatch, what):
    monkeypatch.setattr(rebuilding, "MOST_VALUES", 20_000)
    (tmp_path / "bomb.pth").write_bytes(BOMBS[what]())
    if measured := not what.startswith("deep"):
        tracemalloc.start()
    with pytest.raises(WeightsError, match=r"bomb\.pth"):
        convert(tmp_path / "bomb.pth", tmp_path / "safe.safetensors")
    if measured:
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_far_more_than_itself_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "SPARE_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        archive.writestr("archive/data/0", bytes(1_000_000))
    with pytest.raises(WeightsError, match="beyond reason"):
        convert(tmp_path / "bomb.pth", tmp_path / "safe.safetensors")


SAMPLES = [
    pickle.dumps({"G_ema": torch.nn.Linear(2, 2), "G": torch.nn.Linear(2, 2)}),
    legacy({"a": TENSOR, "x": Calls(id, 1)}),
    modern({"a": TENSOR, "x": Calls(id, 1)}),
    modern({"a": TENSOR}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SAMPLES), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3), st.floats(0.2, 1.2)
)
def test_a_damaged_file_is_converted_or_refused_in_a_sentence(folder, sample, changes, share):
    data = bytearray(sample)
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    (folder / "damaged.pth").write_bytes(data[: int(share * len(data))])
    try:
        convert(folder / "damaged.pth", folder / "safe.safetensors", overwrite=True)
    except LensError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_pickle_or_are_malformed(data):
    try:
        read_pickle(io.BytesIO(b"\x80\x04" + data), len(data) + 2)
    except ValueError as error:
        assert str(error)

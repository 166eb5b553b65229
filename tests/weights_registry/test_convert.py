import argparse
import hashlib
import io
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends import architectures
from inpaint_lens.backends.architectures import Architecture
from inpaint_lens.commands import convert as command
from inpaint_lens.imaging.errors import Cancelled, InputError, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.weights_registry.convert import Conversion, convert
from inpaint_lens.weights_registry.formats import load_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.0, -2.0])}
OTHER = {"b.weight": torch.ones(4)}
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
DTYPES += [torch.int8, torch.uint8, torch.bool]


class Unknown:
    """Of which torch's reader of tensors knows nothing."""


class Net(nn.Module):
    """With everything that a module can hold."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(width)
            self.conv = nn.utils.spectral_norm(nn.Conv2d(2, width, 3))
            self.norm = nn.BatchNorm2d(width)
            self.deep = nn.Sequential(nn.Linear(width, 2, bias=False), nn.ReLU())
        self.register_buffer("filter", torch.tensor([1.0, 3.0])[:, None].expand(2, 3))
        self.register_buffer("fleeting", torch.ones(2), persistent=False)
        self.register_parameter("absent", None)
        self.plain = torch.zeros(1)


class FromSource(Net):
    """Pickled as a call of a helper that runs the source code of the class."""

    def __reduce__(self) -> Any:
        helper = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj
        source = "raise RuntimeError('the source code was run')"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": "Net", "state": self.__dict__}
        return helper, (meta,)


@pytest.fixture
def _helper(monkeypatch):
    """The module with the helper; it exists only so that the pickle can be written."""

    def _reconstruct_persistent_obj(meta: dict) -> None:
        raise RuntimeError("the helper was called")

    module = types.ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    vars(module)["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj
    monkeypatch.setitem(sys.modules, "torch_utils", types.ModuleType("torch_utils"))
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", module)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    return one.keys() == other.keys() and all(
        one[key].dtype == other[key].dtype and one[key].shape == other[key].shape and raw(one[key]) == raw(other[key])
        for key in one
    )


def raw(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def converted(value: Any, folder: Path, how: str = "zip", **options: Any) -> Conversion:
    """`value` written in one of the ways of the time, and converted."""
    path = folder / "weights.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(value, options.pop("protocol", 4)))
    else:
        torch.save(value, path, _use_new_zipfile_serialization=how == "zip")
    made = convert(path, folder / "weights.safetensors", overwrite=True, **options)
    assert same(load_file(made.path), dict(made.state))
    return made


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_a_state_dict_is_kept_bit_for_bit(tmp_path, how):
    made = converted(STATE, tmp_path, how)
    assert same(dict(made.state), STATE)
    assert (made.network, made.notes, made.parameters) == ("", (), 8)
    assert same(load_state_dict(made.path), STATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("converted")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["zip", "legacy", "pickle"]),
    st.lists(
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=4), st.integers(0, 2**32)), min_size=1
    ),
    st.booleans(),
)
def test_any_bits_of_any_kind_and_shape_are_kept(folder, how, kinds, turned):
    state = {}
    for index, (dtype, shape, seed) in enumerate(kinds):
        count = int(np.prod(shape, dtype=int)) + 2
        noise = np.random.default_rng(seed).bytes(count * dtype.itemsize)
        bits = torch.frombuffer(bytearray(noise), dtype=torch.uint8)
        flat = (bits & 1).bool()[:count] if dtype == torch.bool else bits.view(dtype)
        tensor = flat[2:].reshape(shape)
        state[f"t{index}"] = tensor.T if turned and tensor.ndim == 2 else tensor
    assert same(dict(converted(state, folder, how).state), state)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_modules_that_carry_their_source_code_gives_the_averaged_generator(tmp_path, _helper, protocol):
    nets = {"G": FromSource(2), "D": FromSource(4), "G_ema": FromSource(3), "training_set_kwargs": {"x": Unknown()}}
    made = converted(nets, tmp_path, "pickle", protocol=protocol)
    assert made.network == "G_ema"
    assert same(dict(made.state), nets["G_ema"].state_dict())
    assert list(made.state) == list(nets["G_ema"].state_dict())
    assert made.notes == ("Left out: G (11 tensors), D (11 tensors).",)


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_a_whole_module_gives_its_state_dict(tmp_path, how):
    net = Net()
    vars(net.norm.weight)["tag"] = "a parameter with an attribute is written in another way"
    assert same(dict(converted(net, tmp_path, how).state), net.state_dict())


@pytest.mark.parametrize("how", ["zip", "legacy"])
def test_a_checkpoint_with_other_objects_gives_the_generator(tmp_path, how):
    prefixed = {f"generator.{key}": value for key, value in STATE.items()}
    prefixed |= {f"discriminator.{key}": value for key, value in OTHER.items()}
    checkpoint = {
        "state_dict": OrderedDict(prefixed),
        "callbacks": {Unknown: Unknown()},
        "args": argparse.Namespace(x=1),
    }
    made = converted(checkpoint, tmp_path, how)
    assert made.network == "state_dict.generator"
    assert same(dict(made.state), STATE)


def test_arrays_of_numbers_become_tensors_and_other_arrays_are_passed_over(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "c": np.array(["x"]),
    }
    for protocol in (2, 4, 5):
        made = converted(arrays, tmp_path, "pickle", protocol=protocol)
        assert same(dict(made.state), {key: torch.tensor(arrays[key]) for key in "ab"})


def test_tensors_that_share_their_numbers_are_told_apart(tmp_path):
    table = torch.arange(12.0)
    state = {"a": table[:6], "b": table, "c": table.reshape(3, 4).T, "d": table}
    assert same(dict(converted(state, tmp_path).state), state)


def test_a_mapping_written_by_python_2_is_read(tmp_path):
    class AsPairs:
        def __reduce__(self) -> Any:
            return OrderedDict, ([["a.weight", STATE["a.weight"]], ("a.bias", STATE["a.bias"])],)

    assert same(dict(converted({"generator": AsPairs()}, tmp_path, "pickle", protocol=2).state), STATE)


def test_a_program_gives_its_tensors_without_being_run(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2))).eval()
    torch.jit.save(torch.jit.trace(net, torch.ones(1, 1, 4, 4)), tmp_path / "program.pt")
    made = convert(tmp_path / "program.pt", tmp_path / "a.safetensors")
    assert same(dict(made.state), net.state_dict())


def test_a_network_is_chosen_by_its_name(tmp_path):
    made = converted({"G": STATE, "D": OTHER}, tmp_path, prefix="D")
    assert (made.network, made.notes) == ("D", ("Left out: G (2 tensors).",))
    made = converted({"G": STATE, "D": OTHER}, tmp_path, prefix="a")
    assert list(made.state) == ["weight", "bias"]
    assert made.notes == ("Left out: all but 'G.a'.",)
    with pytest.raises(InputError, match=r"G \(2 tensors\)"):
        converted({"G": STATE, "D": OTHER}, tmp_path, prefix="E")


def test_half_the_bits_are_kept_where_numbers_fit(tmp_path):
    state = STATE | {"large": torch.tensor([1e6, 1.0]), "infinite": torch.tensor([torch.inf]), "count": torch.tensor(3)}
    made = converted(state, tmp_path, half=True)
    assert torch.equal(made.state["a.weight"], STATE["a.weight"].half())
    kinds = {key: str(value.dtype).removeprefix("torch.") for key, value in made.state.items()}
    assert (kinds["large"], kinds["infinite"], kinds["count"]) == ("float32", "float16", "int64")
    assert made.notes == ("Not halved, since they hold numbers above 65504: large.",)


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_tensors_that_cannot_be_read_are_named(tmp_path, how):
    odd = {"sparse": torch.ones(2, 2).to_sparse(), "new": torch.ones(1).to(torch.uint16)}
    made = converted({"complex": torch.ones(3, dtype=torch.complex64)} | odd | STATE, tmp_path, how)
    assert same(dict(made.state), STATE)
    assert made.notes == ("Left out, since such tensors cannot be read: complex, sparse, new.",)


def test_safetensors_are_taken_too(tmp_path):
    save_file({f"module.{key}": value for key, value in STATE.items()}, tmp_path / "a.safetensors")
    assert same(dict(convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors").state), STATE)


def test_the_source_is_named_in_the_file(tmp_path):
    made = converted({"G": STATE}, tmp_path)
    with safe_open(made.path, framework="np") as tensors:
        facts = tensors.metadata()
    assert facts == {
        "format": "pt",
        "network": "G",
        "source_sha256": hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize(
    "content", [b"", b"hello, world", b"PK\x03\x04 truncated", b"\x08\x07 an ONNX graph", b"\x80\x04N."]
)
def test_what_is_no_file_of_weights_is_told_in_a_sentence(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_told_in_a_sentence(tmp_path, how, share):
    converted(STATE, tmp_path, how)
    data = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "weights.pth").write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match=r"weights\.pth is no "):
        convert(tmp_path / "weights.pth", tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_a_changed_number_in_an_archive_is_noticed(tmp_path):
    stream = io.BytesIO()
    torch.save(STATE, stream)
    numbers = raw(STATE["a.weight"])
    (tmp_path / "a.pth").write_bytes(stream.getvalue().replace(numbers, numbers[:-1] + b"\x00"))
    with pytest.raises(WeightsError, match="CRC"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")


def test_a_file_that_exists_is_replaced_only_if_asked(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    (tmp_path / "a.safetensors").write_bytes(b"mine")
    with pytest.raises(InputError, match="--overwrite"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == b"mine"
    convert(tmp_path / "a.pth", tmp_path / "a.safetensors", overwrite=True)
    assert same(load_file(tmp_path / "a.safetensors"), STATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "a.safetensors"]


def test_others_may_read_the_file_as_any_new_one(tmp_path):
    (tmp_path / "any").touch()
    assert converted(STATE, tmp_path).path.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_wrong_paths_are_told_before_anything_is_read(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    for source, target, words in [
        ("gone.pth", "a.safetensors", "no file"),
        ("a.pth", "a.pth", r"\.safetensors"),
        ("a.pth", "gone/a.safetensors", "does not exist"),
    ]:
        with pytest.raises(InputError, match=words):
            convert(tmp_path / source, tmp_path / target)


def test_a_stopped_conversion_leaves_nothing(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    token = CancelToken()
    monitor = Monitor(lambda stage, share: token.cancel() if share > 0.2 else None, token)
    with pytest.raises(Cancelled):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors", monitor=monitor)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Architecture("ToyNet", "", "toy", "toy"), "look like weights of ToyNet: fill with --backend toy --weights"),
        (Architecture("ToyJudge", ""), "ToyJudge, which judges fills and makes none"),
        (None, "no network that is known here"),
    ],
)
def test_the_command_says_what_it_made_and_whose_weights_they_seem_to_be(tmp_path, monkeypatch, capsys, found, told):
    monkeypatch.setattr(architectures, "identify", lambda state: found if state.keys() == STATE.keys() else None)
    torch.save({"G": STATE, "D": OTHER}, tmp_path / "a.pth")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [str(tmp_path / "a.pth"), "-o", str(tmp_path / "a.safetensors"), "--half"]
    assert command.run(parser.parse_args(words)) == 0
    out = capsys.readouterr().out
    for part in (f"{tmp_path}/a.safetensors ('G' of {tmp_path}/a.pth)", "2 tensors, 8 numbers", "D (1 tensor)", told):
        assert part in out

import io
import os
import pickle
from pathlib import Path

import onnx
import pytest
import torch
from inpaint_lens.imaging.errors import InputError, MissingError, WeightsError
from inpaint_lens.weights_registry import fetch
from inpaint_lens.weights_registry.formats import (
    check_file,
    kind_of,
    load_state_dict,
    load_torchscript,
    load_weights,
)
from onnx import TensorProto, helper
from safetensors.torch import save_file

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


class Double(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(Double(), torch.ones(1)), buffer)
    return buffer.getvalue()


def same(state: dict) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("length", [0x280, 0x380, 0x480, 0x580])
def test_a_header_whose_length_begins_like_a_pickle_is_still_safetensors(tmp_path, length):
    path = tmp_path / "weights.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(length)
    path.write_bytes(length.to_bytes(8, "little") + header + bytes(4))
    assert kind_of(path) == "safetensors"
    assert load_state_dict(path)["a"].shape == (1,)


def test_each_kind_is_known_by_its_content(tmp_path):
    save_file(STATE, tmp_path / "safetensors")
    torch.save(STATE, tmp_path / "pytorch")
    (tmp_path / "torchscript").write_bytes(script())
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph), tmp_path / "onnx")
    (tmp_path / "unknown").write_bytes(b"hello, world")
    for path in tmp_path.iterdir():
        assert kind_of(path) == path.name


@pytest.mark.parametrize("wrapper", [None, "state_dict", "params_ema", "model", "G", "generator", "netG"])
@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_saved_by_torch_are_read_with_or_without_a_wrapper(tmp_path, wrapper, legacy):
    path = tmp_path / "a.pth"
    torch.save({wrapper: STATE, "epoch": 3} if wrapper else STATE, path, _use_new_zipfile_serialization=not legacy)
    assert same(load_state_dict(path))


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    assert same(load_state_dict(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_torch_file_with_other_objects_is_refused_and_runs_nothing(tmp_path, legacy):
    torch.save({"a": Evil(tmp_path / "ran")}, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"could run code.*inpaint-lens convert \S+a\.pt -o \S+a\.safetensors"):
        load_state_dict(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.bin"])
def test_a_pickle_is_refused_whatever_it_is_called_and_runs_nothing(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(WeightsError, match=r"is a pickle.*inpaint-lens convert \S+ -o \S+a\.safetensors"):
        load_state_dict(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 truncated"])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_damaged_file_is_told_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        load_state_dict(tmp_path / name)


def test_a_truncated_file_of_tensors_is_told_in_one_sentence(tmp_path):
    torch.save(STATE, tmp_path / "a.pt")
    os.truncate(tmp_path / "a.pt", 500)
    with pytest.raises(WeightsError, match="damaged"):
        load_state_dict(tmp_path / "a.pt")


def test_a_missing_file_is_told_in_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match="no weights file"):
        load_state_dict(tmp_path / "gone.pt")


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="no plain mapping"):
        load_state_dict(tmp_path / "a.pt")


def test_torchscript_is_not_read_as_tensors_by_path(tmp_path):
    (tmp_path / "a.pt").write_bytes(script())
    with pytest.raises(WeightsError, match="TorchScript program"):
        load_state_dict(tmp_path / "a.pt")


def test_a_program_in_place_of_tensors_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(script())
    with pytest.raises(WeightsError, match="holds torchscript where safetensors is expected"):
        check_file(tmp_path / "a.safetensors", "safetensors")


def test_pinned_torchscript_is_run(offer, settings):
    offer("toy", script(), format="torchscript", file="model.pt")
    fetch("toy", settings=settings)
    assert load_torchscript("toy", settings=settings)(torch.tensor([3.0])).tolist() == [6.0]
    assert {key: value.item() for key, value in load_weights("toy", settings=settings).items()} == {"factor": 2.0}


def test_torchscript_that_was_changed_behind_our_back_is_not_run(offer, settings):
    offer("toy", script(), format="torchscript", file="model.pt")
    path = fetch("toy", settings=settings).resolve()
    facts = path.stat()
    changed = bytearray(path.read_bytes())
    changed[100] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(WeightsError, match="not the file that the catalog pins"):
        load_torchscript("toy", settings=settings)


def test_weights_by_name_are_read_as_their_format_says(offer, settings, tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    offer("toy", (tmp_path / "a.safetensors").read_bytes(), format="safetensors", file="a.safetensors")
    with pytest.raises(MissingError, match="download toy"):
        load_weights("toy", settings=settings)
    fetch("toy", settings=settings)
    assert same(load_weights("toy", settings=settings))


def test_onnx_is_not_read_as_tensors(offer, settings, data):
    offer("toy", data)
    with pytest.raises(InputError, match="onnx"):
        load_weights("toy", settings=settings)
    with pytest.raises(InputError, match="not TorchScript"):
        load_torchscript("toy", settings=settings)

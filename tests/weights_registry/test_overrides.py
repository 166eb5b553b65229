import hashlib
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from inpaint_lens.imaging.errors import InputError, MissingError, WeightsError
from inpaint_lens.weights_registry import HubSettings, entry, fetch, find, require
from inpaint_lens.weights_registry.advice import how_to_get
from inpaint_lens.weights_registry.formats import load_weights
from inpaint_lens.weights_registry.settings import parse_weights
from safetensors.torch import save_file


def test_a_named_file_stands_in_without_the_network(hub, offer, settings, data, tmp_path, caplog):
    offer("toy", data)
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(data)
    own = replace(settings, weights={"toy": mine})
    assert find("toy", settings=own) == require("toy", settings=own) == fetch("toy", settings=own) == mine
    assert hub.log == []
    assert caplog.text == ""


def test_another_file_than_the_pinned_one_is_taken_with_a_warning(offer, settings, data, tmp_path, caplog):
    offer("toy", data)
    (tmp_path / "mine.onnx").write_bytes(b"trained at home")
    with caplog.at_level(logging.WARNING):
        found = find("toy", settings=replace(settings, weights={"toy": tmp_path / "mine.onnx"}))
    assert found == tmp_path / "mine.onnx"
    assert "not the file that the catalog pins" in caplog.text


def test_another_torchscript_than_the_pinned_one_is_refused_since_it_runs_code(offer, settings, data, tmp_path):
    offer("toy", data, format="torchscript", file="model.pt")
    (tmp_path / "mine.pt").write_bytes(b"any program")
    with pytest.raises(WeightsError, match="TorchScript runs code"):
        find("toy", settings=replace(settings, weights={"toy": tmp_path / "mine.pt"}))


def tensors(path: Path, **metadata: str) -> Path:
    save_file({"a": torch.ones(2)}, path, metadata or None)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
def test_a_file_of_tensors_may_be_of_torch_or_safetensors(offer, settings, data, tmp_path, suffix):
    offer("toy", data, format="pytorch", file="model.pth", sha256=None)
    path = tmp_path / f"toy{suffix}"
    if suffix == ".safetensors":
        tensors(path)
    else:
        torch.save({"a": torch.ones(2)}, path)
    own = replace(settings, weights_dir=tmp_path)
    assert find("toy", settings=own) == path
    assert load_weights("toy", settings=own)["a"].tolist() == [1.0, 1.0]


def test_tensors_can_take_the_place_of_a_program_of_them(offer, settings, data, tmp_path):
    offer("toy", data, format="torchscript", file="model.pt")
    own = replace(settings, weights={"toy": tensors(tmp_path / "mine.safetensors")})
    assert find("toy", settings=own) == tmp_path / "mine.safetensors"
    assert load_weights("toy", settings=own)["a"].tolist() == [1.0, 1.0]


def test_what_was_converted_from_the_pinned_file_is_taken_without_a_warning(offer, settings, data, tmp_path, caplog):
    offer("toy", data, format="pytorch", file="model.pth")
    for sha256, warned in [(hashlib.sha256(data).hexdigest(), False), ("0" * 64, True)]:
        path = tensors(tmp_path / "mine.safetensors", source_sha256=sha256)
        assert find("toy", settings=replace(settings, weights={"toy": path}))
        assert ("not the file that the catalog pins" in caplog.text) == warned


def by_hand(offer, data: bytes, **over: Any) -> None:
    offer("toy", data, **({"source": "page", "format": "pytorch", "sha256": None, "file": ""} | over))


def test_what_only_people_can_fetch_is_missing_until_it_is_put_here(hub, offer, settings, data, tmp_path):
    by_hand(offer, data)
    assert find("toy", settings=settings) is None
    for ask in (require, fetch):
        with pytest.raises(
            MissingError, match=r"by hand.*get the file from https://example\.org/models.*--weights FILE"
        ):
            ask("toy", settings=replace(settings, offline=True))
    assert hub.log == []
    tensors(tmp_path / "toy.safetensors")
    assert require("toy", settings=replace(settings, weights_dir=tmp_path)) == tmp_path / "toy.safetensors"


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"source": "hub", "file": "a.pth"}, "inpaint-lens download toy"),
        (
            {"file": "G.pth"},
            r"get G\.pth from https://example\.org/models, then give it with --weights FILE, or put it",
        ),
        ({"purpose": "perceptual"}, r"INPAINT_LENS_WEIGHTS=toy=FILE.*as toy\.pth or toy\.safetensors into"),
        ({"file": "m.pkl"}, r"`inpaint-lens convert m\.pkl -o toy\.safetensors`.*as toy\.safetensors into the folder"),
        ({"format": "onnx"}, r"as toy\.onnx into"),
    ],
)
def test_the_next_step_is_told_in_words(offer, settings, data, over, words):
    by_hand(offer, data, **over)
    assert re.search(words, how_to_get(entry("toy", settings)))


@pytest.mark.parametrize("name", ["model.onnx", "toy.onnx", "toy/model.onnx"])
def test_a_folder_of_weights_is_searched_by_name(offer, settings, data, tmp_path, name):
    offer("toy", data)
    path = tmp_path / "weights" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert find("toy", settings=replace(settings, weights_dir=tmp_path / "weights")) == path


def test_a_folder_stands_in_for_a_repository(offer, settings, data, tmp_path):
    offer("toy", data, format="diffusers", include=["*"], sha256=None)
    (tmp_path / "weights" / "toy").mkdir(parents=True)
    own = replace(settings, weights_dir=tmp_path / "weights")
    assert fetch("toy", settings=own) == tmp_path / "weights" / "toy"


def test_a_folder_without_the_file_leaves_it_to_the_caches(offer, settings, data, tmp_path):
    offer("toy", data)
    path = fetch("toy", settings=settings)
    (tmp_path / "weights").mkdir()
    assert find("toy", settings=replace(settings, weights_dir=tmp_path / "weights")) == path


def test_what_stands_in_has_to_exist(offer, settings, data, tmp_path):
    offer("toy", data)
    for own in ({"weights": {"toy": tmp_path / "gone"}}, {"weights_dir": tmp_path / "gone"}):
        with pytest.raises(InputError, match="gone"):
            find("toy", settings=replace(settings, **own))


def test_a_stand_in_for_an_unknown_entry_is_told(offer, settings, data, tmp_path):
    offer("toy", data)
    with pytest.raises(InputError, match="did you mean toy"):
        find("toy", settings=replace(settings, weights={"toyy": tmp_path}))


def test_a_pickle_does_not_stand_in(offer, settings, data, tmp_path):
    offer("toy", data)
    (tmp_path / "mine.onnx").write_bytes(b"\x80\x04\x95" + bytes(50))
    with pytest.raises(WeightsError, match="pickle"):
        find("toy", settings=replace(settings, weights={"toy": tmp_path / "mine.onnx"}))


def test_the_environment_says_what_stands_in(monkeypatch, tmp_path):
    monkeypatch.setenv("INPAINT_LENS_WEIGHTS", f"lama={tmp_path}/a.pt, migan={tmp_path}/b.onnx")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    own = HubSettings.from_environment()
    assert own.weights == {"lama": tmp_path / "a.pt", "migan": tmp_path / "b.onnx"}
    assert own.offline


@pytest.mark.parametrize("text", ["lama", "=x", "lama=", "a=b,c"])
def test_a_malformed_list_of_stand_ins_is_told(text):
    with pytest.raises(InputError, match="NAME=PATH"):
        parse_weights(text)

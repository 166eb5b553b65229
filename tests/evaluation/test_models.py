"""Backends of a benchmark by name, with weights of the registry or of one's own."""

import pytest
from inpaint_lens.backends import architectures
from inpaint_lens.evaluation.models import Model, parse
from inpaint_lens.imaging.errors import InputError


def test_a_name_alone_takes_the_weights_of_the_registry():
    assert parse(["telea", "lama"]) == (Model("telea", "telea"), Model("lama", "lama"))


def test_checkpoints_of_one_backend_are_told_apart_by_their_files(monkeypatch):
    monkeypatch.setattr(architectures, "resolve", lambda paths, backend: (backend, {"entry": paths[0]}))
    found = parse(["lama=runs/a.safetensors", "lama=runs/b.safetensors", "lama"])
    assert [model.label for model in found] == ["lama@a", "lama@b", "lama"]
    assert [model.files for model in found] == [{"entry": "runs/a.safetensors"}, {"entry": "runs/b.safetensors"}, {}]


def test_several_files_of_one_backend_stand_with_a_plus_between(monkeypatch):
    monkeypatch.setattr(architectures, "resolve", lambda paths, backend: (backend, dict(zip("ab", paths, strict=True))))
    assert parse(["edgeconnect=edge.pth+fill.pth"])[0].files == {"a": "edge.pth", "b": "fill.pth"}


def test_two_files_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(architectures, "resolve", lambda paths, backend: (backend, {}))
    with pytest.raises(InputError, match="'lama@last' twice"):
        parse(["lama=one/last.pth", "lama=two/last.pth"])


def test_an_equals_sign_without_a_file_is_refused():
    with pytest.raises(InputError, match="write NAME=FILE"):
        parse(["lama="])

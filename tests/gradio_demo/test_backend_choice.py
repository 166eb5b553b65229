from __future__ import annotations

from inpaint_lens.backends.registry import backends
from inpaint_lens.gradio_demo import backend_choice, doing


def test_every_backend_can_be_chosen_and_those_that_are_ready_come_first():
    shown = backend_choice.choices()
    assert {name for _, name in shown} == set(backends())
    marked = [label.startswith("○") for label, _ in shown]
    assert marked == sorted(marked)
    assert shown[0][1] == backend_choice.default()


def test_a_label_says_licence_size_and_speed():
    labels = {name: label for label, name in backend_choice.choices()}
    assert "208 MB" in labels["lama-onnx"]
    assert "Apache-2.0" in labels["lama-onnx"]
    assert "without a GPU" in labels["sdxl-inpaint"]
    assert "GB" in labels["sdxl-inpaint"]


def test_speed_is_what_was_measured_here_once_there_is_something(monkeypatch):
    monkeypatch.setitem(doing.speeds, "telea", 1.26)
    labels = {name: label for label, name in backend_choice.choices()}
    assert "1.3 s here" in labels["telea"]


def test_a_card_says_what_to_do_for_a_backend_that_is_not_ready():
    assert "inpaint-lens download lama" in backend_choice.card("lama")
    assert "no commercial use" in backend_choice.card("mat")
    assert "not ready" not in backend_choice.card("telea")
    assert backend_choice.card("nothing") == ""


def test_settings_become_fields_of_their_kind():
    specs = backend_choice.specs()
    kinds = {spec["name"]: spec["kind"] for spec in specs["sd15-inpaint"]}
    assert kinds["prompt"] == "words"
    assert kinds["steps"] == "number"
    assert kinds["offload"] == "choice"
    assert {spec["kind"] for specs in specs.values() for spec in specs} <= {"tick", "number", "choice", "words", "text"}
    assert specs["telea"] == []


def test_guides_are_known():
    assert "edgeconnect" in backend_choice.guided()
    assert "telea" not in backend_choice.guided()

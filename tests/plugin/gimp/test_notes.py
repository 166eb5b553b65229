"""What a layer remembers."""

import json

import pytest
from inpaint_lens.plugin.gimp.lens.areas import Area, Box
from inpaint_lens.plugin.gimp.lens.choices import Choices, brief, middle_of, square_around
from inpaint_lens.plugin.gimp.lens.notes import Note, explained_by, heatmap_note
from inpaint_lens.plugin.service.schema import JobRequest

HOLE = Area(Box(3, 5, 2, 2), b"\xff\x80\x01\xff")
NOTE = Note(Choices("telea", explain=False, context=70), 12, HOLE, None, HOLE.hard, 99, 5.0, "a fill")


def test_a_note_survives_as_ascii():
    data = NOTE.to_bytes()
    assert data.isascii()
    assert Note.from_bytes(data) == NOTE


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b"null", b'{"version": 2}', heatmap_note("x")])
def test_what_is_no_note_of_a_fill_is_none(data):
    assert Note.from_bytes(data) is None


@pytest.mark.parametrize("name", ["choices", "hole", "source", "checksum", "made", "name"])
def test_a_note_that_lacks_something_is_none(name):
    facts = json.loads(NOTE.to_bytes())
    assert Note.from_bytes(json.dumps({**facts, name: None} if name not in ("name",) else {}).encode()) is None


def test_a_heatmap_names_its_fill():
    assert explained_by(heatmap_note("a fill")) == "a fill"
    assert explained_by(NOTE.to_bytes()) is None
    assert explained_by(b"\xff") is None


def test_choices_of_another_version_are_read_as_far_as_they_are_known():
    assert Choices.from_json({"backend": "telea", "colour": "red"}) == Choices(backend="telea")


def test_choices_become_a_request_that_the_service_takes():
    target = middle_of(Area(Box(10, 20, 90, 60), b"\xff" * 5400))
    request = JobRequest.model_validate(Choices(seed=7, feather=9, context=-1).request(4, target))
    assert (request.fill.backend, request.fill.seed, request.fill.feather_px) == ("lens-small", 7, 4)
    assert request.fill.context_px is None
    assert request.explain and request.explain.target
    assert (request.explain.target.x, request.explain.target.y, request.explain.target.size_px) == (55, 50, 20)


def test_a_fill_that_is_not_explained_asks_for_no_explanation():
    request = JobRequest.model_validate(Choices(explain=False, context=64).request(0, None))
    assert request.explain is None
    assert request.fill.context_px == 64


def test_the_square_around_an_area_holds_it():
    square = square_around(Area(Box(10, 20, 90, 60), b"\xff" * 5400))
    assert square == {"x": 55, "y": 50, "size_px": 90}


def test_an_explanation_is_cut_to_its_first_statement():
    whole = "Half of it lies within 6.2 px of the hole; 0.36 % of the pixels make up half. Of 16 evaluations."
    assert brief(whole) == "Half of it lies within 6.2 px of the hole."
    assert brief("Nothing.") == "Nothing."
    assert brief("") == ""

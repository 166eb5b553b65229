"""What the pages of feedback training do, without a browser."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("sqlalchemy", reason="feedback training needs the extra 'feedback'")

from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.commands import serve
from inpaint_lens.gradio_demo.feedback import drawing, pictures
from inpaint_lens.gradio_demo.feedback.bench import chosen_number
from inpaint_lens.gradio_demo.feedback.labels_page import rule_sentence, rule_words
from inpaint_lens.gradio_demo.feedback.new_task import CHOICES, NUMBERS, UPLOADED, Form, make, settings_of
from inpaint_lens.gradio_demo.feedback.parts import LISTED, StageButtons, start_words, strip_value
from inpaint_lens.gradio_demo.feedback.seat import Seat
from inpaint_lens.gradio_demo.feedback.shelf import Shelf, words_for
from inpaint_lens.gradio_demo.feedback.words_page import question_html
from inpaint_lens.gradio_demo.widgets import cached
from inpaint_lens.imaging.errors import InputError, MissingError
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.plugin.service.settings import ServiceSettings
from inpaint_lens.training.feedback.session import QuestionView, StageView

LIMITS = Limits(max_pixels=1_000_000, max_bytes=1_000_000)
OUTSIDE = ["..", "../outside", "/etc", "data/..", "data", "", ".", "a/b", "a\\b", ".hidden", "x\0y", "a" * 61]


def write_pictures(folder: Path, count: int = 2, side: int = 40) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"view{number}.png"), cv2.resize(coarse, (side, side)))
    return folder


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "tasks")
    write_pictures(shelf.folder / "data" / "views")
    (tmp_path / "outside").mkdir()
    return shelf


def view(**changes: Any) -> StageView:
    plain = StageView("first", "running", "run", "", 3, 10, {"loss": 0.25}, (1,), 7.0, 0.1)
    return replace(plain, **changes)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_out_of_the_folder(shelf, name):
    before = sorted(shelf.folder.rglob("*"))
    with pytest.raises(InputError):
        shelf.new_folder(name)
    with pytest.raises(InputError):
        shelf.task(name)
    with pytest.raises(InputError):
        shelf.data_set(name)
    assert sorted(shelf.folder.rglob("*")) == before


@given(st.text(max_size=70))
def test_a_new_task_lies_in_the_folder_itself_whatever_its_name(tmp_path_factory, name):
    shelf = Shelf(tmp_path_factory.getbasetemp() / "names")
    try:
        folder = shelf.new_folder(name)
    except InputError:
        return
    assert folder.resolve().parent == shelf.folder.resolve()


def test_a_task_is_made_of_a_data_set_and_found_again(shelf):
    assert make(shelf, Form("Alte Fotos", "views", kinds=["blur"]), LIMITS) == ("Alte Fotos", 2)
    assert shelf.names() == ["Alte Fotos"]
    assert shelf.state("Alte Fotos") == "new"
    assert [row.degradation for row in shelf.task("Alte Fotos").library.pairs()] == ["blur", "blur"]
    with pytest.raises(InputError, match="taken"):
        make(shelf, Form("alte fotos", "views", kinds=["blur"]), LIMITS)


def test_a_data_set_of_two_folders_gives_its_pairs_and_new_pictures(shelf):
    good = write_pictures(shelf.folder / "data" / "old" / "second")
    shutil.copytree(good, good.with_name("first"))
    write_pictures(good.with_name("third"), 1, 44)
    assert shelf.has_pairs("old")
    assert make(shelf, Form("old", "old"), LIMITS) == ("old", 2)
    assert len(shelf.task("old").third_samples("new")) == 1


def test_uploads_become_pairs_and_alike_names_stay_apart(shelf, tmp_path):
    data = write_pictures(tmp_path / "own")
    files = [cached((data / f"view{number}.png").read_bytes(), "Me & you.png") for number in range(2)]
    assert make(shelf, Form("mine", UPLOADED, files, ["noise"]), LIMITS) == ("mine", 2)
    assert sorted(row.name for row in shelf.task("mine").library.pairs()) == ["Me _ you", "Me _ you-2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": []}, "upload good pictures"),
        ({"data_set": "nowhere"}, "no data set 'nowhere'"),
        ({"data_set": "views", "kinds": []}, "No degradation"),
        ({"data_set": "views", "values": {"device": "abacus", "first_steps": 0}}, "steps"),
        ({"name": "../out"}, "Give the task a name"),
    ],
)
def test_a_task_that_cannot_be_made_leaves_nothing_behind(shelf, change, words):
    form = replace(Form("new", UPLOADED, [], ["blur"]), **change)
    with pytest.raises(InputError, match=words):
        make(shelf, form, LIMITS)
    assert shelf.names() == []
    assert sorted(place.name for place in shelf.folder.iterdir()) == ["data"]


def test_files_that_were_not_uploaded_are_not_opened(shelf):
    own = shelf.folder / "data" / "views" / "view0.png"
    for file in (str(own), "/etc/passwd"):
        with pytest.raises(InputError) as told:
            make(shelf, Form("new", UPLOADED, [file], ["blur"]), LIMITS)
        assert str(shelf.folder) not in str(told.value)
    assert shelf.names() == []


def test_an_upload_that_is_no_picture_is_told_in_one_sentence(shelf):
    with pytest.raises(InputError, match="note"):
        make(shelf, Form("new", UPLOADED, [cached(b"words", "note.png")], ["blur"]), LIMITS)
    assert shelf.names() == []


def test_the_form_reaches_every_setting_that_it_names_and_no_file_or_database():
    numbers = {name: index + 33 for index, name in enumerate(NUMBERS)}
    chosen = {"first_kind": "ddpm", "second_kind": "clip", "loss": "mse", "device": "cpu", "language": "zh"}
    settings = settings_of(Form("x", "views", values=numbers | chosen))
    assert settings.third.batch == numbers["third_batch"]
    assert settings.first_model.kind == "ddpm"
    assert settings.pixel_weight == numbers["pixel_weight"]
    places = {place for places in (NUMBERS, CHOICES) for place in places.values()}
    assert not {part for place in places for part in place} & {"database", "folder", "key"}


def test_a_task_whose_files_were_deleted_says_so(shelf):
    make(shelf, Form("gone", "views", kinds=["blur"]), LIMITS)
    shelf.task("gone")
    (shelf.folder / "gone" / "library.sqlite").unlink()
    with pytest.raises(MissingError, match="were deleted"):
        shelf.task("gone")
    assert "cannot be opened" in shelf.state("gone")
    shutil.rmtree(shelf.folder / "gone")
    with pytest.raises(InputError, match="no task 'gone'"):
        shelf.task("gone")


def test_what_takes_long_to_read_is_not_read_at_once_again(shelf, monkeypatch):
    clock, read = [0.0], []

    def reader() -> int:
        clock[0] += 0.5
        read.append(clock[0])
        return len(read)

    monkeypatch.setattr("inpaint_lens.gradio_demo.feedback.shelf.time.monotonic", lambda: clock[0])
    assert shelf.read(("samples", "a"), reader) == 1
    clock[0] += 4
    assert shelf.read(("samples", "a"), reader) == 1
    clock[0] += 2
    assert shelf.read(("samples", "a"), reader) == 2
    shelf.forget("samples", "a")
    assert shelf.read(("samples", "a"), reader) == 3


def test_only_news_are_sent_and_another_task_is_sent_whole():
    seat = Seat()
    assert seat.news({"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert seat.news({"a": 1, "b": 3}) == {"b": 3}
    seat.open("task", "start")
    assert seat.news({"a": 1}) == {"a": 1}


@given(total=st.integers(0, 200), begins=st.integers(-50, 300))
def test_a_list_begins_where_there_are_samples(total, begins):
    seat = Seat()
    seat.begins["tasks"] = begins
    value = strip_value(range(total), seat, None, "")
    assert 0 <= value["first"] <= max(0, total - 1)
    assert value["first"] == begins or begins < 0 or begins > (total - 1) // LISTED * LISTED


@pytest.mark.parametrize("data", [{}, {"id": "1"}, {"id": None}, {"id": True}, {"id": [1]}])
def test_what_is_no_number_is_told_and_not_used(data):
    with pytest.raises(InputError):
        chosen_number(data)


def test_buttons_allow_what_the_stage_allows():
    import gradio as gr

    with gr.Blocks():
        buttons = StageButtons("first")

    def allowed(**changes: Any) -> list[bool]:
        return [update["interactive"] for update in buttons.draw(view(**changes)).values()]

    assert allowed(state="waiting") == [True, False, False, False]
    assert allowed() == [False, True, True, True]
    assert allowed(command="stop") == [False] * 4
    assert buttons.draw(view(state="paused"))[buttons.pause]["value"] == "Go on"
    assert start_words(view(state="stopped")) == "Go on with training 1"
    assert start_words(view(state="done")) == "Start training 1 anew"


def test_a_stage_tells_its_numbers_and_no_path():
    text = drawing.progress(view(state="interrupted", message="It died. Its log: /srv/tasks/a/worker.log <b>"))
    assert "loss <b>0.2500</b>" in text
    assert "/srv" not in text
    assert "&lt;b&gt;" in text


def test_a_curve_keeps_its_ends_however_long_it_is():
    points = [{"step": float(step), "loss": 1 / (step + 1)} for step in range(5000)]
    kept = drawing.thinned(points)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert len(kept) <= drawing.MOST_POINTS + 1
    text = drawing.curve(points, "Training 1")
    places = re.search(r'points="([^"]+)"', text)
    assert places is not None
    heights = [float(place.split(",")[1]) for place in places[1].split()]
    assert heights == sorted(heights)
    assert "similarity" not in text


def test_a_constant_loss_and_a_single_point_are_drawn_too():
    assert "nan" not in drawing.curve([{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.5}], "x")
    assert "second point" in drawing.curve([{"step": 1.0, "loss": 0.5}], "x")


def test_the_rule_tells_the_opposite_while_words_are_typed():
    assert rule_sentence("face A is not clear", 1) == "The rule adds 'face A is clear', which is not true."
    assert rule_sentence("there is no noise", 0) == "The rule adds 'there is noise', which is true."
    assert rule_words("  ", 1) == ""
    assert "&lt;i&gt;" in rule_words("<i> is not clear", 1)


def test_the_oldest_question_is_asked_with_its_time():
    questions = [QuestionView(1, "a<b", "clear", 6.2), QuestionView(2, "c", "clear", 9.0)]
    text = question_html(questions, 10)
    assert "a&lt;b" in text
    assert "6 s" in text
    assert 'value="0.62"' in text
    assert "1 more" in text


def test_a_question_tells_that_its_countdown_waits():
    text = question_html([QuestionView(1, "a", "clear", 10.0, writing=True)], 10)
    assert "waits while you write" in text and "timer" not in text


def test_a_picture_that_was_deleted_has_no_url(tmp_path):
    path = write_pictures(tmp_path / "p", 1) / "view0.png"
    assert pictures.thumb(path).startswith("data:image/jpeg;base64,")
    assert pictures.shown(tmp_path / "absent.png") == ""
    assert pictures.shown(None) == ""


def test_the_state_of_a_task_names_what_is_at_work():
    states = [("second", "waiting"), ("third", "running"), ("first", "paused")]
    views = [view(stage=stage, state=state) for stage, state in states]
    assert words_for(views) == "training 3 running and training 1 paused"
    assert words_for([view(stage="first", state="waiting")]) == "new"


@pytest.mark.parametrize(
    ("arguments", "space", "words"),
    [
        (["--allow-remote", "--host", "0.0.0.0"], False, "needs a password"),
        (["--no-pages"], False, "take one of them"),
        ([], True, "not for a Space"),
    ],
)
def test_trainings_are_not_offered_to_everyone(tmp_path, monkeypatch, arguments, space, words):
    import argparse

    monkeypatch.delenv("INPAINT_LENS_AUTH", raising=False)
    if space:
        monkeypatch.setenv("SPACE_ID", "someone/somewhere")
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    monkeypatch.setattr("inpaint_lens.plugin.service.server.listen", lambda *_: pytest.fail("it started"))
    with pytest.raises(InputError, match=words):
        serve.run(parser.parse_args(["--port", "0", "--tasks", str(tmp_path / "t"), *arguments]))
    assert not (tmp_path / "t").exists()


def test_without_a_folder_there_is_no_such_tab(tmp_path):
    from inpaint_lens.gradio_demo.pages import build
    from inpaint_lens.plugin.service.jobs import Jobs

    jobs = Jobs()
    labels = [
        {getattr(block, "label", "") for block in build(jobs, ServiceSettings().limits, folder).blocks.values()}
        for folder in (None, tmp_path / "tasks")
    ]
    jobs.close()
    assert "Train" not in labels[0]
    assert "Train" in labels[1]

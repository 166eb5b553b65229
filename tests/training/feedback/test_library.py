import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from inpaint_lens.imaging.errors import InputError, MissingError
from inpaint_lens.training.feedback import degradations
from inpaint_lens.training.feedback.configuration import TaskSettings, read_task
from inpaint_lens.training.feedback.importing import likeness
from inpaint_lens.training.feedback.session import Session, create
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from .conftest import SMALL, drawing, write_drawings


def faulty_copies(good: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in good.iterdir():
        blurred = cv2.GaussianBlur(np.asarray(cv2.imread(str(path))), (0, 0), 1.5)
        cv2.imwrite(str(folder / f"{path.stem}.jpg"), blurred)
    return folder


def test_two_folders_become_pairs_with_their_provenance(empty, pictures, tmp_path):
    faulty = faulty_copies(pictures, tmp_path / "faulty")
    assert len(empty.import_pairs(faulty, pictures)) == 8
    row = empty.library.pairs()[0]
    assert row.name == "drawing00" and row.degradation is None
    assert row.origin == {"first": str(faulty / "drawing00.jpg"), "second": str(pictures / "drawing00.png")}
    np.testing.assert_array_equal(empty.library.read(row.second), drawing(0, 32)[..., ::-1])


def test_a_made_first_sample_can_be_made_again_from_what_is_stored(task):
    for row in task.library.pairs():
        again = degradations.apply(task.library.read(row.second), row.degradation, row.parameters)
        np.testing.assert_array_equal(task.library.read(row.first), again)


def test_the_same_picture_is_stored_once_by_its_content(task, pictures):
    before = sorted((task.folder / "pictures").rglob("*.png"))
    numbers = [row.id for row in task.library.pairs()]
    assert task.make_pairs(pictures, ["blur", "noise"]) == numbers
    assert sorted((task.folder / "pictures").rglob("*.png")) == before
    assert len(before) == len({path.name for path in before}) == 16


def test_every_sample_of_a_pair_is_a_third_sample_too(task):
    kinds = [row.kind for row in task.third_samples()]
    assert kinds.count("first") == kinds.count("second") == 8


def test_a_prediction_is_linked_to_its_first_sample(task):
    pair = task.library.pairs()[2]
    task.library.add_prediction(pair.id, drawing(5, 32), "first", 4, {"mae": 0.5}, final=True)
    (row,) = task.library.predictions(pair=pair.id)
    assert row.pair_id == pair.id and row.picture.origin["prediction_of"] == pair.id
    (third,) = task.third_samples("prediction")
    assert third.pair.first_id == pair.first_id


def test_tasks_in_one_database_do_not_see_each_other(tmp_path, pictures):
    url = f"sqlite:///{tmp_path / 'shared.sqlite'}"
    one, two = (create(tmp_path / name, TaskSettings(name, database=url)) for name in ("one", "two"))
    one.make_pairs(pictures, ["blur"])
    assert len(one.library.pairs()) == 8 and two.library.pairs() == [] and two.third_samples() == []
    two.make_pairs(pictures, ["noise"])
    assert {row.degradation for row in one.library.pairs()} == {"blur"}
    assert all(one.library.path(row.first).is_relative_to(tmp_path / "one") for row in one.library.pairs())


def test_a_task_is_the_same_when_it_is_opened_again(task):
    again = Session(task.folder)
    assert again.settings == task.settings == read_task(task.folder)
    assert [row.id for row in again.library.pairs()] == [row.id for row in task.library.pairs()]


def test_likeness_tells_a_blurred_copy_from_another_picture():
    for seed in range(6):
        blurred = np.asarray(cv2.GaussianBlur(drawing(seed), (0, 0), 3), np.uint8)
        assert likeness(drawing(seed), blurred) > 0.9 > 0.5 > likeness(drawing(seed), drawing(seed + 20))


def test_a_pair_of_unlike_size_is_refused_and_nothing_is_stored(empty, pictures, tmp_path):
    faulty = faulty_copies(pictures, tmp_path / "faulty")
    cv2.imwrite(str(faulty / "drawing07.jpg"), drawing(7, 40))
    with pytest.raises(InputError, match="'drawing07' is of unlike size: 40 x 40 and 32 x 32"):
        empty.import_pairs(faulty, pictures)
    assert empty.library.pairs() == []


def test_a_pair_of_unlike_pictures_is_refused(empty, pictures, tmp_path):
    faulty = faulty_copies(pictures, tmp_path / "faulty")
    cv2.imwrite(str(faulty / "drawing03.jpg"), drawing(24, 32))
    with pytest.raises(InputError, match="'drawing03' shows unlike pictures"):
        empty.import_pairs(faulty, pictures)


def test_folders_without_names_in_common_are_refused(empty, pictures, tmp_path):
    other = write_drawings(tmp_path / "other", 1)
    (other / "drawing00.png").rename(other / "else.png")
    with pytest.raises(InputError, match="no names in common"):
        empty.import_pairs(other, pictures)


def test_a_damaged_picture_is_named(empty, pictures):
    (pictures / "drawing01.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"drawing01\.png cannot be read"):
        empty.make_pairs(pictures, ["blur"])


def test_a_folder_with_other_files_is_no_place_for_a_task(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="not an empty folder"):
        create(tmp_path, SMALL)


def test_a_task_is_not_made_twice(empty):
    with pytest.raises(InputError, match="holds a task already"):
        create(empty.folder, SMALL)


def test_a_folder_without_a_task_is_refused(tmp_path):
    with pytest.raises(MissingError, match="There is no task in"):
        Session(tmp_path)


def test_a_deleted_library_is_told(empty):
    empty.close()
    (empty.folder / "library.sqlite").unlink()
    with pytest.raises(MissingError, match=r"library of the task .* was deleted"):
        Session(empty.folder)


def test_deleted_pictures_are_told_before_a_stage_starts(task):
    shutil.rmtree(task.folder / "pictures")
    for stage in ("first", "third"):
        with pytest.raises(MissingError, match=r"16 of 16 pictures .* were deleted"):
            task.prepare(stage)


def test_a_wrong_address_of_a_database_is_told_without_its_password(tmp_path):
    with pytest.raises(InputError, match="no address of a database") as caught:
        create(tmp_path / "task", TaskSettings("x", database="oracel://me:secret@host/base"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("stage", ["first", "second"])
def test_a_list_of_samples_takes_as_many_queries_for_many_pairs_as_for_few(empty, tmp_path, stage):
    asked: list[str] = []
    event.listen(empty.library.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    empty.samples(stage)  # makes the row of the stage
    counts = []
    for count in (2, 9):
        empty.make_pairs(write_drawings(tmp_path / f"good{count}", count), ["blur"])
        for row in empty.library.pairs():
            empty.library.add_prediction(row.id, drawing(row.id + 50, 32), stage, 1, {}, final=True)
        asked.clear()
        views = empty.samples(stage)
        assert len(views) == count and all(view.prediction for view in views)
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


def test_a_database_that_is_deleted_under_an_open_task_does_not_come_again(task):
    (task.folder / "library.sqlite").unlink()
    task.library.close()
    with pytest.raises(OperationalError):
        task.library.pairs()
    assert not (task.folder / "library.sqlite").exists()
    with pytest.raises(MissingError, match="was deleted"):
        Session(task.folder)

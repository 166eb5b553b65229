"""What cannot be done, by the command line: one sentence that says what to do, status 2, no trace."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from inpaint_lens.cli import main
from inpaint_lens.training.feedback.session import Session, create
from inpaint_lens.training.feedback.worker import work

from .conftest import SMALL, drawing, write_drawings


@dataclass(frozen=True)
class Place:
    """Folders of good and faulty pictures, and an empty task."""

    good: Path
    faulty: Path
    task: Path

    def filled(self) -> Session:
        session = Session(self.task)
        session.make_pairs(self.good, ["blur"])
        return session

    def delete_pictures(self) -> None:
        self.filled()
        for picture in (self.task / "pictures").rglob("*.png"):
            picture.unlink()

    def delete_pictures_of_a_stopped_stage(self) -> None:
        session = self.filled()
        session.prepare("first")
        session.stop("first")
        work(session.folder, "first")
        for picture in (self.task / "pictures").rglob("*.png"):
            picture.unlink()

    def delete_library(self) -> None:
        (self.task / "library.sqlite").unlink()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    good, faulty = write_drawings(tmp_path / "good", 4), tmp_path / "faulty"
    faulty.mkdir()
    for number in range(4):
        blurred = cv2.GaussianBlur(drawing(number, 32), (0, 0), 1.5)
        cv2.imwrite(str(faulty / f"drawing{number:02d}.png"), blurred)
    create(tmp_path / "task", SMALL).close()
    return Place(good, faulty, tmp_path / "task")


def unlike_size(place: Place) -> None:
    cv2.imwrite(str(place.faulty / "drawing02.png"), drawing(2, 40))


def unlike_pictures(place: Place) -> None:
    cv2.imwrite(str(place.faulty / "drawing02.png"), drawing(24, 32))


def no_picture(place: Place) -> None:
    (place.faulty / "drawing02.png").write_bytes(np.random.default_rng(0).bytes(50))


LONG = "hair " * 40 + "is clear"
CASES: dict[str, tuple[Callable[[Place], object], str, str]] = {
    "unlike size": (unlike_size, "import TASK FAULTY GOOD", "'drawing02' is of unlike size: 40 x 40 and 32 x 32"),
    "unlike pictures": (unlike_pictures, "import TASK FAULTY GOOD", "'drawing02' shows unlike pictures"),
    "damaged picture": (no_picture, "import TASK FAULTY GOOD", "drawing02.png cannot be read"),
    "no class": (Place.filled, "label TASK 1 WORDS", "has no class: give 1"),
    "class 2": (Place.filled, "label TASK 1 WORDS --class 2", "give 1 if it describes the picture truly, else 0"),
    "no such sample": (Place.filled, "label TASK 99 WORDS --class 1", "no third sample 99"),
    "text too long": (Place.filled, "label TASK 1 LONG --class 1", "encoder takes 32: say it shorter"),
    "empty task, 1": (lambda _: None, "train TASK first", "The task is empty: import pairs"),
    "empty task, 3": (lambda _: None, "train TASK third", "no third samples: import pictures"),
    "2 before 1": (Place.filled, "train TASK second", "needs the result of training 1: run it first"),
    "pictures deleted": (Place.delete_pictures, "train TASK first", "8 of 8 pictures .* were deleted"),
    "deleted since": (Place.delete_pictures_of_a_stopped_stage, "train TASK first", "8 of 8 pictures .* were deleted"),
    "library deleted": (Place.delete_library, "status TASK", "library of the task .* was deleted"),
    "no task": (lambda _: None, "status GOOD", "There is no task in"),
    "not running": (Place.filled, "pause TASK first", "not running, it is waiting: start it first"),
    "nothing asked": (Place.filled, "answer TASK 1 WORDS", "Nothing is asked about pair 1"),
    "nothing trained": (Place.filled, "export TASK -o x.safetensors", "no trained model yet"),
}


@pytest.mark.parametrize(("prepare", "command", "sentence"), CASES.values(), ids=CASES)
def test_bad_input_is_told_in_one_sentence(place, capsys, prepare, command, sentence):
    prepare(place)
    given = {"TASK": place.task, "FAULTY": place.faulty, "GOOD": place.good, "WORDS": "hair is clear", "LONG": LONG}
    assert main(["feedback", *(str(given.get(word, word)) for word in command.split())]) == 2
    told = capsys.readouterr().err
    assert told.startswith("inpaint-lens: ") and told.count("\n") == 1
    assert re.search(sentence, told), told

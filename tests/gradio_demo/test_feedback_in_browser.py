"""The pages of feedback training in a real browser, with the smallest networks that train."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("sqlalchemy", reason="feedback training needs the extra 'feedback'")
pytest.importorskip("accelerate", reason="feedback training needs the extra 'feedback'")

from inpaint_lens.gradio_demo.mounting import mount
from inpaint_lens.plugin.demo import SAMPLES
from inpaint_lens.plugin.service.app import create_app
from inpaint_lens.plugin.service.settings import ServiceSettings
from inpaint_lens.training.feedback.configuration import parse_task
from inpaint_lens.training.feedback.session import Session, create
from inpaint_lens.training.feedback.texts import improving
from inpaint_lens.training.feedback.worker import work
from PIL import Image, ImageOps

FOLDER = os.environ.get("INPAINT_LENS_SCREENSHOTS")
RIPE = 400
"""Steps after which there is something to see; only for pictures of the documentation."""
LONG = 100_000
"""Steps of a stage that only a person ends."""
QUESTION_BUT = """(done) => {
  const shown = document.querySelector("#question .question p");
  return shown && !done.some((name) => shown.textContent.includes(`better in ${name}?`));
}"""
NAMELESS = """() => [...document.querySelectorAll("#train-tab-panel button, [id^=train-] button, [id^=train-] input, \
[id^=train-] textarea")].filter((part) => part.offsetParent && part.type !== "file" && !(part.getAttribute("aria-label")
  || part.textContent.trim() || part.labels?.length || part.getAttribute("aria-labelledby") || part.title))
  .map((part) => part.outerHTML.slice(0, 120))"""
PHONE = {"width": 390, "height": 844}


def write_pictures(folder: Path, count: int = 4, side: int = 48) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if FOLDER:
            photo = Image.open(sorted(SAMPLES.glob("*.jpg"))[number]).convert("RGB")
            ImageOps.fit(photo, (160, 160)).save(folder / f"{sorted(SAMPLES.glob('*.jpg'))[number].stem}.png")
            continue
        coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"view{number}.png"), cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
    return folder


def settings(name: str, **changes: Any):
    table = {
        "name": name,
        "device": "cpu",
        "side": 32,
        "held_out_share": 0.0,
        "preview_every": 2,
        "log_every": 2,
        "checkpoint_every": 4,
        "countdown_seconds": 600,
        "first_model": {"width": 4, "encoder": [1], "middle": 1, "decoder": [1]},
        "second_model": {"width": 8},
        **{stage: {"steps": RIPE if FOLDER else 4, "batch": 2} for stage in ("first", "second", "third")},
    }
    return parse_task(table | changes)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    write_pictures(folder / "data" / "views")
    return folder


@pytest.fixture(scope="module")
def site(tasks: Path) -> Iterator[Any]:
    """The service with the tab Train; `visit` opens this one here."""
    import uvicorn

    chosen = ServiceSettings(port=0, max_bytes=8 * 1024**2)
    app = create_app(chosen, lambda app, jobs: mount(app, jobs, chosen, tasks=tasks))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{door.getsockname()[1]}")
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def task(tasks: Path) -> Iterator[Callable[..., Session]]:
    """Make a task, and let stages run to their end at once; workers that a test leaves are stopped."""
    made: list[Session] = []

    def new(name: str, done: tuple[str, ...] = (), **changes: Any) -> Session:
        session = create(tasks / name, settings(name, **changes))
        session.make_pairs(tasks / "data" / "views", ["blur", "noise"])
        made.append(session)
        for stage in done:
            session.prepare(stage)
            work(session.folder, stage)
        return session

    yield new
    for session in made:
        leave(session)
        session.close()


def leave(session: Session) -> None:
    """End what still runs, and wait for its process to be gone."""
    from filelock import FileLock

    for stage in ("first", "second", "third"):
        if session.status(stage).at_work:
            session.stop(stage)
            with FileLock(session.folder / "stages" / stage / "lock", timeout=30):
                pass


def enter(visit: Callable[..., Any], name: str = "", **context: Any) -> Any:
    visitor = visit(**context)
    visitor.tab("Train")
    visitor.page.locator("#tasks ul:not(:empty)").wait_for()  # what is typed into a form while it is drawn may be lost
    if name:
        visitor.page.locator("#tasks button", has_text=name).click()
        visitor.said(f"'{name}' is open", "#train-status")
    return visitor


def ripen(visitor: Any, where: str, step: int = RIPE) -> None:
    """Wait for a step where pictures for the documentation are taken."""
    if FOLDER:
        reached = "([where, step]) => Number(/step (\\d+)/.exec(document.querySelector(where).textContent)?.[1]) > step"
        visitor.page.wait_for_function(reached, arg=[where, step])


def between_questions(page: Any) -> None:
    """Wait until the page has its answer and does not ask for a second; what is cut off would count as trouble."""
    with page.expect_response("**/run/predict") as coming:
        pass
    coming.value.finished()


def snap(visitor: Any, name: str) -> None:
    """A picture for the documentation, where a folder for them is named."""
    if FOLDER:
        path = Path(FOLDER) / f"feedback_{name}.png"
        visitor.page.mouse.move(2, 2)
        visitor.page.screenshot(path=path, full_page=True)
        Image.open(path).convert("RGB").quantize(80).save(path, optimize=True)


def test_a_task_is_made_and_its_first_training_is_watched_paused_and_ended(visit, tasks):
    visitor = enter(visit)
    page = visitor.page
    page.get_by_label("New task").fill("Old views")
    page.get_by_label("Data set").click()
    page.get_by_role("option", name="views (good pictures)").click()
    page.get_by_role("button", name="More settings").click()
    for name, value in {
        "first_steps": LONG,
        "first_batch": 2,
        "width": 4,
        "side": 32,
        "preview_every": 20 if FOLDER else 2,
    }.items():
        page.locator(f"#task-{name} input").fill(str(value))
    snap(visitor, "new")
    visitor.button("Make the task")
    visitor.said("The task has 4 pairs", "#train-status")
    page.locator("#task-summary", has_text="NAFNet, 4 channels").wait_for()
    session = Session(tasks / "Old views")
    try:
        snap(visitor, "start")
        page.locator("#begin-first").click()
        visitor.said("Training 1 is running", "#first-progress")
        page.locator("#first-progress .facts", has_text="loss").wait_for()
        page.locator("#samples-list button.current").first.wait_for()
        assert page.locator("#first-words textarea, #first-words input").first.is_disabled()
        display = page.locator("#samples-display")
        display.get_by_role("button", name="Prediction", exact=True).and_(page.locator(":enabled")).wait_for()
        display.locator(".screen[data-shown=input]:enabled").click()
        display.locator(".screen[data-shown=prediction]").wait_for()
        page.locator("#first-curve polyline.loss").wait_for()
        ripen(visitor, "#first-progress", 200)
        snap(visitor, "samples")
        page.locator("#pause-first").click()
        visitor.said("Training 1 is paused", "#first-progress")
        page.locator("#pause-first", has_text="Go on").click()
        visitor.said("Training 1 is running", "#first-progress")
        between_questions(page)
        page.reload()
        page.locator("#fill").wait_for()
        visitor.tab("Train")
        page.locator("#tasks button", has_text="training 1 running").click()
        page.locator("#end-first").click()
        visitor.said("Training 1 is done", "#first-progress")
        page.get_by_label("What is still wrong in this prediction").fill("the view is not clear")
        visitor.button("Add")
        visitor.said("Added, with its opposite", "#train-status")
        said = [text.words for row in session.third_samples("prediction") for text in row.texts]
        assert said == ["the view is not clear", "the view is clear"]
    finally:
        leave(session)
        session.close()


def test_a_picture_is_labelled_the_rule_adds_the_opposite_and_training_3_starts(visit, task, tasks):
    session = task("Label me", done=("first",), third={"steps": LONG, "batch": 4})
    visitor = enter(visit, "Label me")
    page = visitor.page
    with page.expect_file_chooser() as chooser:
        visitor.button("Add new pictures")
    chooser.value.set_files(next((tasks / "data" / "views").iterdir()))
    visitor.said("New pictures among the third samples: 1.", "#train-status")
    page.wait_for_function("document.querySelectorAll('#third-list button[data-id]').length === 1")
    page.locator("#third-kind").get_by_label("predictions", exact=True).check()
    page.locator("#third-list button", has_text="prediction").nth(3).wait_for()
    name = session.library.pairs()[1].name
    page.locator("#third-list button").nth(1).click()
    page.locator("#third-display figcaption", has_text=name).wait_for()
    page.get_by_label("Say something of it").fill("the hair is not clear")
    page.locator("#third-rule", has_text="The rule adds 'the hair is clear', which is not true.").wait_for()
    page.locator("#third-add").click()
    page.locator("#third-sayings li", has_text="by the rule").wait_for()
    page.locator("#third-sayings li", has_text="the hair is not clear").wait_for()
    page.wait_for_function("!document.querySelector('#third-words textarea, #third-words input').value")
    page.locator("#third-words textarea, #third-words input").first.fill("there is noise")
    page.locator("#third-class").get_by_label("not true", exact=True).check()
    page.locator("#third-words textarea, #third-words input").first.press("Enter")
    visitor.said("'there is no noise', which is true", "#train-status")
    page.locator("#third-sayings li").nth(3).wait_for()
    page.get_by_role("button", name="Take away: there is noise").click()
    page.locator("#third-sayings li", has_text="there is noise").wait_for(state="detached")
    page.locator("#labelling-complete").click()
    visitor.said("Labelling is complete", "#train-status")
    assert session.labels.completed
    page.locator("#start-third").click()
    page.locator("#third-progress .facts", has_text="loss").wait_for()
    page.get_by_role("button", name="View loss curve").click()
    page.locator("#third-curve polyline.loss").wait_for()
    ripen(visitor, "#third-progress", 200)
    snap(visitor, "labels")
    page.locator("#end-third").click()
    visitor.said("Training 3 is done", "#third-progress")


def answer_next(visitor: Any, session: Session, words: str) -> int:
    """Give the text of the next question, as soon as the page shows it; returns its pair."""
    page = visitor.page
    targets = session.labels.targets()
    done = [row.name for row in session.library.pairs() if row.id in targets and targets[row.id].state != "open"]
    page.wait_for_function(QUESTION_BUT, arg=done)
    pair = session.questions()[0].pair
    page.get_by_label(f"(pair {pair})").fill(words)
    page.locator("#answer").click()
    visitor.said(improving(words), "#train-status")
    return pair


def test_words_are_accepted_and_given_while_training_2_goes_on(visit, task):
    session = task("Steer me", second={"steps": LONG, "batch": 1}, done=("first",))
    last = session.third_samples("prediction")[-1]
    session.say(last.id, "the roof is not sharp", 1)
    session.prepare("third")
    work(session.folder, "third")
    visitor = enter(visit, "Steer me")
    page = visitor.page
    page.get_by_role("button", name="4 Training 2").click()
    page.locator("#words-list button", has_text="labelled").wait_for()
    assert "labelled" in page.locator("#words-list button").first.inner_text()
    page.locator("#start-second").click()
    page.locator("#question .question").wait_for()
    asked = session.questions()[0]
    page.get_by_label(f"(pair {asked.pair})").wait_for()
    snap(visitor, "words")
    page.get_by_label(f"(pair {asked.pair})").fill("the s")
    page.locator("#question", has_text="The countdown waits while you write").wait_for()
    page.get_by_label(f"(pair {asked.pair})").fill("")
    page.locator("#question [role=timer]").wait_for()
    page.locator("#accept").click()
    visitor.said(f"The target text is '{asked.words}'", "#train-status")
    pair = answer_next(visitor, session, "the sky is not clear")
    assert session.labels.targets()[pair].source == "user"
    answer_next(visitor, session, "the sky is sharp")
    page.locator("#second-progress .facts", has_text="similarity").wait_for()
    page.locator("#second-curve polyline.similarity").wait_for()
    ripen(visitor, "#second-progress", 60)
    page.locator("#pause-second", has_text="Pause").click()
    visitor.said("Training 2 is paused", "#second-progress")
    page.locator("#pause-second", has_text="Go on").click()
    visitor.said("Training 2 is running", "#second-progress")
    page.locator("#stop-second").click()
    visitor.said("Training 2 is stopped", "#second-progress")
    page.locator("#start-second", has_text="Go on with training 2").click()
    visitor.said("Training 2 is running", "#second-progress")
    page.locator("#end-second").click()
    visitor.said("Training 2 is done", "#second-progress")
    page.locator("#compare-words img").nth(1).wait_for()
    snap(visitor, "compare")


def test_on_a_phone_uploads_become_a_task_and_everything_has_a_name(visit, tasks):
    visitor = enter(visit, viewport=PHONE, has_touch=True, is_mobile=True)
    page = visitor.page
    page.get_by_label("New task").fill("From my phone")
    page.locator("#task-files input[type=file]").set_input_files(sorted((tasks / "data" / "views").iterdir())[:2])
    page.locator("#task-files", has_text=".png").wait_for()
    assert page.evaluate(NAMELESS) == []
    visitor.button("Make the task")
    visitor.said("The task has 2 pairs", "#train-status")
    for name, part in {
        "1 Start": "#begin-first",
        "2 Training 1": "#samples-list img",
        "3 Words": "#third-list img",
    }.items():
        page.get_by_role("button", name=name).click()
        page.locator(part).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(NAMELESS) == []
    snap(visitor, "phone")
    page.get_by_role("button", name="2 Training 1").click()
    first, second = (page.locator("#samples-list button[data-id]").nth(index) for index in range(2))
    first.focus()
    page.keyboard.press("ArrowRight")
    page.locator("#samples-display figcaption", has_text=second.get_attribute("title")).wait_for()
    assert second.get_attribute("aria-pressed") == "true"


def test_what_cannot_be_done_is_told_in_one_sentence(visit, task, tasks):
    task("Short lived")
    visitor = enter(visit)
    page = visitor.page
    page.get_by_label("New task").fill("Short lived")
    visitor.button("Make the task")
    visitor.said("The name 'Short lived' is taken", "#train-status")
    page.locator("#tasks button", has_text="Short lived").click()
    visitor.said("'Short lived' is open", "#train-status")
    page.get_by_role("button", name="4 Training 2").click()
    page.locator("#start-second").click()
    visitor.said("Training 2 needs the result of training 1", "#train-status")
    (tasks / "Short lived" / "library.sqlite").unlink()
    visitor.said("Files of the task 'Short lived' were deleted", "#train-status")
    page.get_by_role("button", name="Tasks").click()
    page.locator("#tasks button", has_text="cannot be opened").wait_for()


def test_nothing_is_asked_while_another_tab_is_shown(visit):
    visitor = enter(visit)
    page = visitor.page
    look = (
        "async () => { document.dispatchEvent(new Event('visibilitychange')); await (await fetch('/config')).text(); }"
    )
    with page.expect_request("**/run/predict"):
        page.evaluate(look)
    visitor.tab("Fill")
    page.locator("#tasks").wait_for(state="hidden")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/run/predict" in request.url else None)
    for _ in range(3):
        page.evaluate(look)
    assert asked == []

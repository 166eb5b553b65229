"""Train a restoration network in three stages and tell it in words what is still wrong."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import cancelled_by_interrupt, say, table

if TYPE_CHECKING:
    from ..training.feedback.session import Session
    from ..training.feedback.views import StageView

STAGES = ("first", "third", "second")
POLL_SECONDS = 0.5
LINE_SECONDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `feedback` and its verbs."""
    verbs = parser.add_subparsers(dest="feedback_verb", metavar="VERB", required=True)
    _add_data_verbs(verbs)
    _add_training_verbs(verbs)


def _verb(verbs, name: str, help_text: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    sub = verbs.add_parser(name, help=help_text, description=help_text)
    sub.add_argument("task", metavar="TASK", type=Path, help="folder of the task")
    sub.set_defaults(feedback_run=function)
    return sub


def _add_data_verbs(verbs) -> None:
    create = _verb(verbs, "create", "make a task", _create)
    create.add_argument("--name", help="for people (default: the folder's name)")
    create.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a setting, such as loss=mse, first.steps=500, first_model.kind=ddpm or database=URL; may be repeated",
    )
    pairs = _verb(verbs, "import", "store pairs: files of equal names in two folders", _import)
    pairs.add_argument("first", metavar="FAULTY", type=Path, help="folder of first samples, of low quality")
    pairs.add_argument("second", metavar="GOOD", type=Path, help="folder of second samples, of high quality")
    make = _verb(verbs, "make", "store pairs made from good pictures by degradations", _make)
    make.add_argument("second", metavar="GOOD", type=Path, help="folder of second samples, of high quality")
    make.add_argument("--kinds", default="blur,noise,scratches,holes", help="degradations in turn, with commas between")
    make.add_argument("--seed", type=int, default=0, help="of the parameters, which are stored")
    _verb(verbs, "add", "store new pictures as third samples", _add).add_argument(
        "folder", metavar="FOLDER", type=Path, help="of pictures"
    )
    label = _verb(verbs, "label", "list third samples, or say something of one", _label)
    label.add_argument("sample", metavar="SAMPLE", type=int, nargs="?", help="number of a third sample")
    label.add_argument("words", metavar="WORDS", nargs="?", help="such as 'the face is not clear'")
    label.add_argument("--class", dest="label", type=int, help="1 = describes the picture truly, 0 = does not")
    label.add_argument("--complete", action="store_true", help="labelling is complete")


def _add_training_verbs(verbs) -> None:
    train = _verb(verbs, "train", "train a stage; first, third and then second is the usual order", _train)
    _stage(train)
    train.add_argument("--processes", metavar="N", type=int, default=1, help="that share the work (default: 1)")
    train.add_argument("--background", action="store_true", help="do not wait for the end")
    train.add_argument("--anew", action="store_true", help="forget an unfinished run of the stage")
    for name, text in (
        ("pause", "let a stage wait"),
        ("go-on", "let a paused stage go on"),
        ("stop", "stop a stage with a checkpoint, from which `train` goes on"),
        ("end", "end a stage: it is good as it is now"),
    ):
        _stage(_verb(verbs, name, text, _order))
    _verb(verbs, "status", "how the stages are", _status)
    curve = _verb(verbs, "curve", "the loss of a stage, step by step, as CSV", _curve)
    _stage(curve)
    answer = _verb(verbs, "answer", "list pairs whose target text is asked for, or give one", _answer)
    answer.add_argument("pair", metavar="PAIR", type=int, nargs="?")
    answer.add_argument(
        "words", metavar="WORDS", nargs="?", help="what should be better; none = accept the proposed text"
    )
    compare = _verb(verbs, "compare", "predictions of a pair before and after words", _compare)
    compare.add_argument("pair", metavar="PAIR", type=int)
    export = _verb(verbs, "export", "write the trained network for `fill --backend restore --weights FILE`", _export)
    export.add_argument("-o", "--output", metavar="FILE.safetensors", type=Path, required=True)
    export.add_argument("--stage", choices=("first", "second"), help="default: the later that is done")
    export.add_argument("--overwrite", action="store_true", help="an existing file")
    _stage(_verb(verbs, "work", "what `train` starts: train a prepared stage in this process", _work))


def _stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", metavar="STAGE", choices=STAGES, help=", ".join(STAGES))


def run(options: argparse.Namespace) -> int:
    """Run `feedback`."""
    from ..imaging.errors import MissingError

    try:
        return options.feedback_run(options)
    except ModuleNotFoundError as error:
        if error.name not in ("sqlalchemy", "accelerate", "diffusers", "transformers"):
            raise
        raise MissingError("Feedback training needs packages: pip install 'inpaint-lens[feedback]'") from error


def _open(options: argparse.Namespace) -> Session:
    from ..training.feedback.session import Session

    return Session(options.task)


def _create(options: argparse.Namespace) -> int:
    from ..training.feedback.configuration import table_of
    from ..training.feedback.session import create

    settings = table_of({"name": options.name or options.task.resolve().name}, options.set)
    create(options.task, settings)
    say(f"Task '{settings.name}' in {options.task}; its settings: {options.task / 'task.toml'}")
    say(f"Next: inpaint-lens feedback import {options.task} FAULTY GOOD, or inpaint-lens feedback make ...")
    return 0


def _import(options: argparse.Namespace) -> int:
    found = _open(options).import_pairs(options.first, options.second)
    say(f"{len(found)} pairs. Next: inpaint-lens feedback train {options.task} first")
    return 0


def _make(options: argparse.Namespace) -> int:
    kinds = [kind.strip() for kind in options.kinds.split(",") if kind.strip()]
    found = _open(options).make_pairs(options.second, kinds, options.seed)
    say(f"{len(found)} pairs. Next: inpaint-lens feedback train {options.task} first")
    return 0


def _add(options: argparse.Namespace) -> int:
    found = _open(options).add_third(options.folder)
    say(f"{len(found)} third samples, {found[0]} to {found[-1]}.")
    return 0


def _label(options: argparse.Namespace) -> int:
    from ..imaging.errors import InputError

    session = _open(options)
    if options.complete:
        session.complete_labelling()
        say(f"Labelling is complete. Next: inpaint-lens feedback train {options.task} third")
        return 0
    if options.sample is None:
        rows = [["sample", "kind", "pair", "picture", "words"]]
        for row in session.third_samples():
            words = "; ".join(f"{text.words} ({text.label})" for text in row.texts)
            rows.append([str(row.id), row.kind, row.pair.name if row.pair else "", row.picture.file, words])
        say(table(rows))
        return 0
    if options.words is None:
        raise InputError(f"Nothing is said of sample {options.sample}: write the words after its number.")
    session.say(options.sample, options.words, options.label)
    own = next(row for row in session.third_samples() if row.id == options.sample)
    for text in own.texts:
        say(f"{text.words}: class {text.label} ({text.source})")
    return 0


def _train(options: argparse.Namespace) -> int:
    from ..imaging.errors import InputError
    from ..training.feedback.worker import work

    if not 1 <= options.processes <= 64:
        raise InputError(f"--processes is {options.processes}: give a number from 1 to 64.")
    session = _open(options)
    if options.background or options.processes > 1:
        session.start(options.stage, options.processes, options.anew)
        if options.background:
            say(f"Started. See inpaint-lens feedback status {options.task}")
            return 0
        return _wait(session, options.stage)
    going_on = session.prepare(options.stage, options.anew)
    say("Goes on from the last checkpoint." if going_on else "Started; Ctrl-C stops with a checkpoint.")
    with cancelled_by_interrupt() as token:
        work(options.task, options.stage, token, say_progress=_lines())
    return _told(session.status(options.stage))


def _lines() -> Callable[[StageView], None]:
    last = [time.monotonic()]

    def show(view: StageView) -> None:
        if time.monotonic() - last[0] > LINE_SECONDS and view.numbers:
            last[0] = time.monotonic()
            say(_line(view))

    return show


def _wait(session: Session, stage: str) -> int:
    """Lines until the worker ends; Ctrl-C stops it with a checkpoint."""
    show = _lines()
    with cancelled_by_interrupt() as token:
        while (view := session.status(stage)).at_work:
            if token.cancelled and view.command == "run":
                session.stop(stage)
            show(view)
            time.sleep(POLL_SECONDS)
    return _told(view)


def _told(view: StageView) -> int:
    say(_line(view))
    if view.message:
        say(view.message)
    return {"done": 0, "stopped": 130}.get(view.state, 1)


def _line(view: StageView) -> str:
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in view.numbers.items())
    return f"{view.stage}: {view.state}, step {view.step} of {view.steps}" + (f": {numbers}" if numbers else "")


def _order(options: argparse.Namespace) -> int:
    session = _open(options)
    order = {"pause": session.pause, "go-on": session.go_on, "stop": session.stop, "end": session.end}
    order[options.feedback_verb](options.stage)
    return 0


def _status(options: argparse.Namespace) -> int:
    session = _open(options)
    pairs, third = session.library.pairs(), session.third_samples()
    words = sum(bool(row.texts) for row in third)
    complete = ", labelling complete" if session.labels.completed else ""
    say(
        f"Task '{session.settings.name}': {len(pairs)} pairs, {len(third)} third samples, {words} with words{complete}."
    )
    for stage in STAGES:
        view = session.status(stage)
        say(_line(view))
        if view.message:
            say(f"  {view.message}")
    for question in session.questions():
        say(f"Asked: pair {question.pair} ({question.name}), '{question.words}', {question.seconds_left:.0f} s left.")
    return 0


def _curve(options: argparse.Namespace) -> int:
    points = _open(options).curve(options.stage)
    names = list(dict.fromkeys(name for point in points for name in point))
    say(",".join(names))
    for point in points:
        say(",".join(f"{point[name]:.6g}" if name in point else "" for name in names))
    return 0


def _answer(options: argparse.Namespace) -> int:
    session = _open(options)
    if options.pair is None:
        for question in session.questions():
            say(f"pair {question.pair} ({question.name}): '{question.words}', {question.seconds_left:.0f} s left")
        return 0
    row = session.answer(options.pair, options.words) if options.words else session.accept(options.pair)
    say(f"Target of pair {options.pair}: '{row.words}'")
    return 0


def _compare(options: argparse.Namespace) -> int:
    session = _open(options)
    found = session.compare(options.pair)
    for stage, row in found.items():
        say(f"{stage}: {session.path(row.picture.file)} {json.dumps({k: round(v, 4) for k, v in row.numbers.items()})}")
    if not found:
        say(f"There is no prediction of pair {options.pair} yet: run training 1, and let it end.")
    return 0


def _export(options: argparse.Namespace) -> int:
    path = _open(options).export(options.output, options.stage, options.overwrite)
    say(f"Weights: {path}. Use them: inpaint-lens fill PHOTO MASK --backend restore --weights {path} -o OUT")
    return 0


def _work(options: argparse.Namespace) -> int:
    from ..training.feedback.worker import work

    work(options.task, options.stage)
    return 0

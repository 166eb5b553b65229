"""A task of feedback training: what pages and the command line call.

A task is a folder: settings in `task.toml`, the sample library in `library.sqlite` (or a database elsewhere) with its
`pictures` and `predictions`, `models/{first,third,second}.safetensors`, and `stages/{first,third,second}` with the run,
its checkpoints, `worker.log` and a lock. Nothing outside of the folder is written, so tasks cannot disturb each other.

Pages draw what they show from these, all of which are cheap enough to be asked for once a second:

- create a task: `create(folder, settings)`; open it again: `Session(folder)`, any number of them at a time;
- data: `import_pairs`, `make_pairs`, `add_third`; `pairs()` counts;
- page 1: `start("first")`, `status("first")`;
- page 2: `samples("first")`, of which those that training is at are `current`, each with the files of its input, good
  picture and newest prediction; `status` has the live loss, `curve` its course; `start("second")`;
- page 3: `third_samples()`, `say(...)`, `forget(...)`, `complete_labelling()`, `start("third")`, `status("third")`;
- page 4: `questions()` with seconds left and the proposed text; `answer(pair, words)` or `accept(pair)`, and
  `writing(pair, words)` while somebody types;
  `samples("second")` lists the labelled ones first; `status("second").numbers` has `loss`, `mae` or `mse`, and
  `similarity`; `compare(pair)`;
- any time: `pause`, `go_on`, `stop`, `end` a stage; `export(path)`.

A stage is `waiting` (never started), `starting`, `running`, `paused`, `stopped` (with a checkpoint), `interrupted` (its
process died; the last checkpoint is there), `failed` (`message` says why) or `done`. `start` goes on with a stage that
is stopped, interrupted or failed, and begins anew one that is done.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from ...imaging.errors import InputError, MissingError
from ...imaging.writing import write_bytes
from . import importing
from .board import Board
from .configuration import FILE, STAGES, TITLES, TaskSettings, read_task, write_task
from .labels import Labels
from .library import DATABASE, Library
from .manifest import check_manifest, read_manifest, stage_folder, write_manifest
from .tables import PredictionRow, StageRow, TargetRow, ThirdRow
from .texts import improving
from .views import QuestionView, SampleView, StageView

STARTING_SECONDS = 60
"""How long a process may take to load before it is given up as dead."""
LOCK_SECONDS = 5
"""How long a worker waits for its lock, which a look at the state may hold for a moment."""
WRITING_SECONDS = 600
"""How long a countdown waits for somebody who has written something and not sent it."""


def create(folder: Path, settings: TaskSettings) -> Session:
    """Make a task.

    Raises:
        InputError: the folder holds a task or other files already, cannot be made, or the database cannot be used.
    """
    if (folder / FILE).exists():
        raise InputError(f"{folder} holds a task already: open it, or choose another folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder: choose another one for the task.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made ({error.strerror}): choose another.") from error
    if settings.database and settings.key == "task":
        # Tasks that share a database are told apart.
        settings = replace(settings, key=f"task-{time.time_ns():x}")
    if not settings.database:
        (folder / DATABASE).touch()
    Library(folder, settings.database, settings.key, settings.name).close()
    write_task(settings, folder)
    return Session(folder)


class Session:
    """An open task.

    Args:
        folder: of the task.

    Attributes:
        settings: of the task.
        library, labels, board: its parts, for what has no method here.

    Raises:
        MissingError: there is no task, or its database was deleted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.settings = read_task(self.folder)
        if not self.settings.database and not (self.folder / DATABASE).is_file():
            raise MissingError(
                f"The library of the task in {folder} was deleted: put library.sqlite back, or begin anew."
            )
        self.library = Library(self.folder, self.settings.database, self.settings.key, self.settings.name)
        self.labels = Labels(self.library, self.settings.language)
        self.board = Board(self.library)

    def close(self) -> None:
        """Give back the connections to the database."""
        self.library.close()

    def change(self, settings: TaskSettings) -> None:
        """Take other settings, which the next start of a stage follows.

        Raises:
            InputError: a stage is running, or key or database would change.
        """
        if any(self.busy(stage) for stage in STAGES):
            raise InputError("A training is running: stop it before you change the settings of the task.")
        if (settings.key, settings.database) != (self.settings.key, self.settings.database):
            raise InputError("The database of a task cannot be changed: make a new task.")
        write_task(settings, self.folder)
        self.settings = settings

    def import_pairs(self, first: Path, second: Path) -> list[int]:
        """Pairs from two folders; see `importing.import_pairs`."""
        return importing.import_pairs(self.library, first, second, self.settings.held_out_share)

    def make_pairs(self, folder: Path, kinds: list[str], seed: int = 0) -> list[int]:
        """Pairs from good pictures and degradations; see `importing.make_pairs`."""
        share, largest = self.settings.held_out_share, self.settings.largest_px
        return importing.make_pairs(self.library, folder, kinds, seed, share, largest)

    def add_third(self, folder: Path) -> list[int]:
        """New pictures as third samples; see `importing.add_third`."""
        return importing.add_third(self.library, folder)

    def third_samples(self, kind: str | None = None) -> list[ThirdRow]:
        """Third samples with `picture`, `texts` (words and class) and `pair`; `path` gives their files."""
        return self.labels.third(kind)

    def path(self, file: str) -> Path:
        """The whole path of a file that a row names."""
        return self.folder / file

    def say(self, third: int, words: str, label: int | None) -> None:
        """Label a third sample; its opposite is made too. See `Labels.say`; a text that is too long is refused here."""
        self._check_words(words)
        self.labels.say(third, words, label)

    def forget(self, text: int) -> None:
        """Take a text away."""
        self.labels.forget(text)

    def complete_labelling(self, done: bool = True) -> None:
        """Labelling is complete, or goes on."""
        self.labels.complete(done)

    def busy(self, stage: str) -> bool:
        """Whether a process is at work on a stage."""
        place = stage_folder(self.folder, stage)
        if not place.is_dir():
            return False
        try:
            with FileLock(place / "lock", timeout=0):
                return False
        except Timeout:
            return True

    def status(self, stage: str) -> StageView:
        """Where a stage is."""
        row = self.board.read(check_stage(stage))
        view = StageView.of(row)
        if row.state in ("running", "paused", "starting") and not self.busy(stage):
            fresh = row.state == "starting" and view.age_seconds < STARTING_SECONDS
            return view if fresh else replace(view, state="interrupted", message=_died(self.folder, stage))
        return view

    def check_start(self, stage: str) -> None:
        """Raise `InputError` or `MissingError` where a stage lacks what it needs."""
        check_stage(stage)
        running = [one for one in STAGES if self.status(one).at_work]
        if stage in running:
            raise InputError(f"{TITLES[stage].capitalize()} is running already: pause, stop or end it first.")
        apart = [one for one in running if "second" in (one, stage)]
        if apart:
            raise InputError(f"{TITLES[apart[0]].capitalize()} is still running: end it before {TITLES[stage]}.")
        if stage == "second":
            for needed in ("first", "third"):
                if not self.model(needed).is_file():
                    raise InputError(f"Training 2 needs the result of {TITLES[needed]}: run it first, and let it end.")

    def model(self, stage: str) -> Path:
        """The file of the model that a stage gives."""
        return self.folder / "models" / f"{stage}.safetensors"

    def prepare(self, stage: str, anew: bool = False) -> bool:
        """Check a stage and write down what it trains on; returns whether it goes on with an unfinished run.

        Args:
            stage: first, third or second.
            anew: forget an unfinished run, for instance after the settings have changed.

        Raises:
            InputError, MissingError: the stage lacks what it needs.
        """
        self.check_start(stage)
        place = stage_folder(self.folder, stage)
        going_on = (place / "run").is_dir() and self.board.read(stage).state != "done" and not anew
        if going_on and (place / "samples.json").is_file():
            check_manifest(self.library, read_manifest(self.folder, stage))
        else:
            write_manifest(self.library, self.labels, self.settings, stage)
        if not going_on:
            shutil.rmtree(place / "run", ignore_errors=True)
            self.board.forget_points(stage, -1)
            if stage == "second":
                # Linked words may have come since; what a person typed as a target stays.
                self.board.forget_targets([p for p, row in self.labels.targets().items() if row.source != "user"])
        self.board.write(stage, state="starting", command="run", message="")
        return going_on

    def start(self, stage: str, processes: int = 1, anew: bool = False) -> int:
        """Train a stage in a process of its own, which goes on when this one ends; returns its number.

        Args:
            stage: first, third or second.
            processes: that share the work, started by accelerate's launcher.
            anew: forget an unfinished run.

        Raises:
            InputError, MissingError: the stage lacks what it needs.
        """
        self.prepare(stage, anew)
        log = stage_folder(self.folder, stage) / "worker.log"
        with log.open("ab") as stream:
            # The folder is named in full, for the process may start elsewhere.
            process = subprocess.Popen(
                worker_command(self.folder, stage, processes),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        return process.pid

    def pause(self, stage: str) -> None:
        """Let the worker wait after the step that it is at."""
        self._order(stage, "pause")

    def go_on(self, stage: str) -> None:
        """Let a paused worker go on."""
        self._order(stage, "run")

    def stop(self, stage: str) -> None:
        """End the worker with a checkpoint, from which `start` goes on."""
        self._order(stage, "stop")

    def end(self, stage: str) -> None:
        """The person is content: the stage is done with the weights of now."""
        self._order(stage, "end")

    def _order(self, stage: str, command: str) -> None:
        state = self.status(stage).state
        if state not in ("starting", "running", "paused"):
            raise InputError(f"{TITLES[stage].capitalize()} is not running, it is {state}: start it first.")
        self.board.order(stage, command)

    def samples(self, stage: str = "first") -> list[SampleView]:
        """Pairs for the list of a page, the labelled ones first in the second training."""
        current = set(self.status(stage).current)
        rows = self.library.pairs()
        said = self.labels.linked_to([row.id for row in rows])
        targets = self.labels.targets()
        newest: dict[int, str] = {}
        for final in (False, True):
            found = [row for row in self.library.predictions(final=final) if row.stage in ("first", stage)]
            newest |= {row.pair_id: row.picture.file for row in found if row.stage == "first"}
            newest |= {row.pair_id: row.picture.file for row in found if row.stage == stage}
        views = [
            SampleView(
                pair=row.id,
                name=row.name,
                held_out=row.held_out,
                current=row.id in current,
                labelled=row.id in said,
                said=said.get(row.id, ""),
                target=targets[row.id].words if row.id in targets else "",
                first=self.path(row.first.file),
                second=self.path(row.second.file),
                prediction=self.path(newest[row.id]) if row.id in newest else None,
            )
            for row in rows
        ]
        return sorted(views, key=lambda view: not view.labelled) if stage == "second" else views

    def curve(self, stage: str) -> list[dict[str, float]]:
        """Points of a stage: `step`, `loss` and what else it tells."""
        return self.board.curve(check_stage(stage))

    def questions(self) -> list[QuestionView]:
        """Pairs whose target text a person may give now, the oldest first."""
        return [
            self._question(row.pair_id, row.pair.name, row.words, row.deadline - time.time())
            for row in self.board.questions()
        ]

    def _question(self, pair: int, name: str, words: str, left: float) -> QuestionView:
        countdown = self.settings.countdown_seconds
        return QuestionView(pair, name, words, min(max(0.0, left), countdown), writing=left > countdown)

    def answer(self, pair: int, words: str) -> TargetRow:
        """Give or change the target text of a pair; a fault is turned into what would be better.

        Raises:
            InputError: no words, too many, or the pair was never asked about.
        """
        target = improving(words)
        self._check_words(target)
        return self.board.answer(pair, target, words)

    def writing(self, pair: int, words: str) -> None:
        """A person has begun to write about a pair: its countdown waits, and begins anew when nothing is left of it.

        So that training does not wait for ever, it goes on `WRITING_SECONDS` after the last letter.
        """
        waiting = WRITING_SECONDS if words.strip() else 0.0
        self.board.postpone(pair, self.settings.countdown_seconds + waiting)

    def _check_words(self, words: str) -> None:
        """Raise `InputError` for more words than the encoder takes; CLIP's tells only when it is loaded."""
        if self.settings.second_model.kind == "small":
            from .tokens import encode

            encode(words)

    def accept(self, pair: int) -> TargetRow:
        """Take the proposed text of a question before its countdown ends."""
        row = self.board.target(pair)
        if row is None:
            raise InputError(f"Nothing is asked about pair {pair} now: wait until it is shown.")
        return self.board.answer(pair, row.words, row.words)

    def compare(self, pair: int) -> dict[str, PredictionRow]:
        """The final predictions of a pair by stage: `first` before words, `second` after; with their numbers."""
        return {row.stage: row for row in self.library.predictions(pair=pair)}

    def export(self, path: Path, stage: str | None = None, overwrite: bool = False) -> Path:
        """Copy the trained first model to a file that the backend `restore` takes.

        Args:
            path: a `.safetensors` file.
            stage: `first` or `second`; None = the later that is done.
            overwrite: an existing file.

        Raises:
            InputError: nothing is trained yet, or the path cannot be written.
        """
        if path.suffix != ".safetensors":
            raise InputError(f"{path} is no name for weights: write one that ends in .safetensors.")
        choices = [stage] if stage else ["second", "first"]
        found = next((self.model(one) for one in choices if one != "third" and self.model(one).is_file()), None)
        if found is None:
            raise InputError("There is no trained model yet: run training 1, and let it end.")
        write_bytes(found.read_bytes(), path, overwrite=overwrite)
        return path


def check_stage(stage: str) -> str:
    """The stage if there is such a one; else `InputError`."""
    if stage not in STAGES:
        raise InputError(f"There is no stage '{stage}': take one of {', '.join(STAGES)}.")
    return stage


def worker_command(folder: Path, stage: str, processes: int = 1) -> list[str]:
    """What starts the worker of a stage that was prepared."""
    tail = ["-m", "inpaint_lens", "feedback", "work", str(folder), stage]
    if processes == 1:
        return [sys.executable, *tail]
    launcher = ["-m", "accelerate.commands.launch", "--num_processes", str(processes), "--num_machines", "1"]
    return [sys.executable, *launcher, "--mixed_precision", "no", "--dynamo_backend", "no", *_where(), *tail]


def several_gpus() -> bool:
    """Whether several processes can each have a GPU; else they share the processor."""
    import torch

    return torch.cuda.device_count() > 1


def _where() -> list[str]:
    return ["--multi_gpu"] if several_gpus() else ["--cpu"]


def _died(folder: Path, stage: str) -> str:
    log = stage_folder(folder, stage) / "worker.log"
    return f"The process of {TITLES[stage]} died; start it again to go on from its last checkpoint. Its log: {log}"


__all__ = ["LOCK_SECONDS", "QuestionView", "SampleView", "Session", "StageRow", "StageView", "create"]

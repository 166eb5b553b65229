"""The three stages of feedback training on photographs, and what words did to the result.

    python benchmarks/feedback.py --pictures DIR --out DIR

Does with a task what a person would: pairs are made by blur and noise, the first model is trained, some of its
predictions are labelled, the second model is trained on the words, and then the first model goes on with and without
words, each time from the same first model and for as many steps. In place of a person, `said_of` compares a prediction
with its good picture. Writes `curves.png`, `sheet.png` and `numbers.json`. What was done already is not done again, so
that other weights can be tried later.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from inpaint_lens.backends.restoration import load_network
from inpaint_lens.training.feedback.configuration import FILE, FirstModel, SecondModel, StageSettings, TaskSettings
from inpaint_lens.training.feedback.models import load_model, make_second
from inpaint_lens.training.feedback.session import Session, create
from inpaint_lens.training.feedback.sharpness import measured
from inpaint_lens.training.feedback.tables import PairRow
from inpaint_lens.training.feedback.worker import work
from inpaint_lens.training.pictures import picture_files
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

RGB = NDArray[np.uint8]
CLEAR_SHARE = 0.8
"""Energy of the gradients, relative to the good picture, below which a person would say that a picture is not clear."""
NOISE_LEVELS = 1.5
"""Grey levels of noise above the good picture's that a person would see."""
CUT_PX, SHOWN = 112, 8
SMOOTHED = 12
"""Of a curve, the mean of one point in so many is drawn."""


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    session = opened(options)
    seconds = {stage: trained(session, stage) for stage in ("first",)}
    said = labelled(session, options.labels, options.seed)
    seconds["third"] = trained(session, "third")
    weights = [float(text) for text in options.weights.split(",")]
    files = {weight: with_weight(session, options.out, weight, seconds) for weight in weights}
    report = {
        "pairs": len(session.library.pairs()),
        "labelled": said,
        "seconds": seconds,
        "accuracy": {fault: accuracy(session, fault) for fault in ("blur", "noise")},
        "held_out": compared(session, files),
    }
    (options.out / "numbers.json").write_text(json.dumps(report, indent=1))
    write_curves(session, options.out, weights)
    write_sheet(session, files, options.show, options.out / "sheet.png")
    print(json.dumps(report, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of good pictures")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400, help="pictures of the folder, evenly chosen")
    parser.add_argument("--labels", type=int, default=400, help="predictions of which something is said")
    parser.add_argument("--steps", default="1700,700,250", help="of the first, third and second training")
    parser.add_argument("--weights", default="0,0.025,0.05,0.1", help="similarity weights; 0 = without words")
    parser.add_argument("--show", default="", help="parts of the names of held-out pictures for the sheet")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def opened(options: argparse.Namespace) -> Session:
    """The task in the output folder, made where it is not there."""
    folder = options.out / "task"
    if (folder / FILE).is_file():
        return Session(folder)
    first, third, second = (int(text) for text in options.steps.split(","))
    session = create(
        folder,
        TaskSettings(
            "photographs",
            device="cpu",
            side=64,
            largest_px=256,
            held_out_share=0.12,
            preview_every=0,
            seed=options.seed,
            first_model=FirstModel(width=16),
            second_model=SecondModel(width=64),
            first=StageSettings(steps=first, batch=8, rate=2e-3),
            third=StageSettings(steps=third, batch=16, rate=3e-3),
            second=StageSettings(steps=second, batch=8, rate=3e-4),
        ),
    )
    chosen = options.out / "good"
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    found = picture_files(options.pictures)
    for index in np.linspace(0, len(found) - 1, min(options.count, len(found))).astype(int):
        shutil.copy(found[index], chosen)
    session.make_pairs(chosen, ["blur", "noise"], options.seed)
    return session


def trained(session: Session, stage: str, anew: bool = False) -> float:
    """Train a stage that is not done; returns its seconds."""
    if session.status(stage).state == "done" and not anew:
        return 0.0
    session.prepare(stage, anew)
    start = time.monotonic()
    work(session.folder, stage, say_progress=lambda view: tell(view.stage, view.step, view.steps, view.numbers))
    return round(time.monotonic() - start, 1)


def tell(stage: str, step: int, steps: int, numbers: Mapping[str, float]) -> None:
    if step % 25 == 0:
        print(f"{time.strftime('%H:%M:%S')} {stage} {step} of {steps} {dict(numbers)}", flush=True)


def labelled(session: Session, count: int, seed: int) -> dict[str, int]:
    """Say of some predictions of pairs that are trained on what is seen in them; how often each was said."""
    rows = [row for row in session.third_samples("prediction") if row.pair and not row.pair.held_out]
    if not any(text.source == "user" for row in rows for text in row.texts):
        for index in np.random.default_rng(seed).permutation(len(rows))[:count]:
            row = rows[index]
            assert row.pair is not None
            truth = session.library.read(row.pair.second)
            for words, label in said_of(session.library.read(row.picture), truth, row.pair.degradation == "noise"):
                session.say(row.id, words, label)
    session.complete_labelling()
    found: dict[str, int] = {}
    for row in session.third_samples("prediction"):
        for text in row.texts:
            if text.source == "user":
                found[f"{text.words} ({text.label})"] = found.get(f"{text.words} ({text.label})", 0) + 1
    return found


def said_of(picture: RGB, truth: RGB, was_noisy: bool) -> list[tuple[str, int]]:
    """What a person who looks at a prediction would say, with the class."""
    said = []
    if was_noisy:
        said.append(("there is noise", int(noise_level(picture) > noise_level(truth) + NOISE_LEVELS)))
    clear = float(measured(tensor(picture), tensor(truth))["sharpness"]) >= CLEAR_SHARE
    if not (was_noisy and clear):
        said.append(("the picture is not clear", int(not clear)))
    return said


def noise_level(picture: RGB) -> float:
    """Standard deviation of the noise in grey levels (Immerkaer 1996, equation 3)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    filtered = cv2.filter2D(picture.astype(np.float64).mean(2), -1, kernel)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(filtered).mean())


def with_weight(session: Session, out: Path, weight: float, seconds: dict[str, float]) -> Path:
    """The network after the second training with a weight of the similarity, and its curve."""
    file = out / f"second_{weight:g}.safetensors"
    if not file.is_file():
        session.change(replace(session.settings, similarity_weight=weight))
        seconds[f"second {weight:g}"] = trained(session, "second", anew=True)
        (out / f"curve_{weight:g}.json").write_text(json.dumps(session.curve("second")))
        shutil.copy(session.model("second"), file)
    return file


def tensor(picture: RGB) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def pictures_of(session: Session, row: PairRow) -> tuple[Tensor, Tensor]:
    return tensor(session.library.read(row.first)), tensor(session.library.read(row.second))


@torch.no_grad()
def accuracy(session: Session, fault: str) -> float:
    """Share of right answers about first and second samples of held-out pairs with a fault."""
    model = make_second(session.settings.second_model)
    load_model(model, session.model("third"))
    right = []
    for row in session.third_samples():
        if row.pair is None or not row.pair.held_out or row.pair.degradation != fault or row.kind == "prediction":
            continue
        for entry in session.labels.entries(row):
            _, logit = model(tensor(session.library.read(row.picture)), model.encode(entry.words)[None])
            right.append((logit.item() > 0) == bool(entry.label))
    return round(float(np.mean(right)), 4)


@torch.no_grad()
def compared(session: Session, files: Mapping[float, Path]) -> dict[str, Any]:
    """Means over the held-out pairs of each fault: of the input, the first model and each second training."""
    networks = {"first": load_network(session.model("first"))}
    networks |= {f"weight {weight:g}": load_network(file) for weight, file in files.items()}
    found: dict[str, Any] = {}
    for fault in ("blur", "noise"):
        rows = [row for row in session.library.pairs(held_out=True) if row.degradation == fault]
        pairs = [pictures_of(session, row) for row in rows]
        found[fault] = {"count": len(rows), "input": means([measured(one, two) for one, two in pairs])}
        for name, network in networks.items():
            found[fault][name] = means([measured(network(one).clamp(0, 1), two) for one, two in pairs])
    return found


def means(numbers: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    return {name: round(float(np.mean([float(one[name]) for one in numbers])), 4) for name in numbers[0]}


def write_curves(session: Session, out: Path, weights: Sequence[float]) -> None:
    """The loss of all trainings, and the similarity of the second, smoothed."""
    figure = Figure((12, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3).flatten()
    curves = {f"weight {weight:g}": json.loads((out / f"curve_{weight:g}.json").read_text()) for weight in weights}
    first, third = session.curve("first"), session.curve("third")
    panels = [
        ("training 1: mean absolute error", {"": first}, "loss"),
        ("training 3: cross entropy", {"": third}, "loss"),
        ("training 3: right answers in training", {"": third}, "accuracy"),
        ("training 2: total loss", curves, "loss"),
        ("training 2: mean absolute error", curves, "mae"),
        ("training 2: similarity with the target text", curves, "similarity"),
    ]
    for axis, (title, lines, name) in zip(axes, panels, strict=True):
        for label, points in lines.items():
            values = np.array([point[name] for point in points])
            kernel = np.ones(max(1, len(values) // SMOOTHED)) / max(1, len(values) // SMOOTHED)
            steps = np.array([point["step"] for point in points])
            axis.plot(steps[len(kernel) - 1 :], np.convolve(values, kernel, "valid"), label=label)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        if len(lines) > 1:
            axis.legend(fontsize=8)
    figure.savefig(out / "curves.png", dpi=100)


@torch.no_grad()
def write_sheet(session: Session, files: Mapping[float, Path], show: str, path: Path) -> None:
    """Middles of held-out pictures, twice as large: input, first model, each second training, truth."""
    networks = [load_network(session.model("first")), *(load_network(file) for file in files.values())]
    held_out = session.library.pairs(held_out=True)
    wanted = [row for part in show.split(",") for row in held_out if part and part in row.name]
    lines = []
    for row in wanted or held_out[:: max(1, len(held_out) // SHOWN)][:SHOWN]:
        first, truth = pictures_of(session, row)
        made = [first, *(network(first).clamp(0, 1) for network in networks), truth]
        lines.append(np.concatenate([middle(picture) for picture in made], 1))
    names = ["input", "training 1", *(f"weight {weight:g}" if weight else "no words" for weight in files), "truth"]
    sheet = np.concatenate([headings(names, lines[0].shape[1]), *lines], 0)
    cv2.imwrite(str(path), sheet[..., ::-1])


def middle(picture: Tensor) -> RGB:
    height, width = picture.shape[-2:]
    side = min(CUT_PX, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = picture[0, :, top : top + side, left : left + side].permute(1, 2, 0).mul(255).round().byte().numpy()
    return np.asarray(cv2.resize(cut, (2 * CUT_PX, 2 * CUT_PX), interpolation=cv2.INTER_NEAREST), np.uint8)


def headings(names: Sequence[str], width: int) -> RGB:
    line = np.full((28, width, 3), 255, np.uint8)
    for index, name in enumerate(names):
        cv2.putText(line, name, (2 * CUT_PX * index + 6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return line


if __name__ == "__main__":
    main()

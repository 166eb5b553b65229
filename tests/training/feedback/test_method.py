"""The whole method at a small size: what words do to a restoration network, measured without the model in the loop."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from inpaint_lens.backends.restoration import load_network
from inpaint_lens.training.feedback.configuration import FirstModel, SecondModel, StageSettings, TaskSettings
from inpaint_lens.training.feedback.models import load_model, make_second
from inpaint_lens.training.feedback.session import Session, create
from inpaint_lens.training.feedback.sharpness import gradient_energy, psnr, true_detail
from inpaint_lens.training.feedback.worker import work
from torch import Tensor

SEED = 2
SETTINGS = TaskSettings(
    "method",
    device="cpu",
    side=40,
    held_out_share=0.25,
    preview_every=0,
    passes=100,
    similarity_weight=0.1,
    first_model=FirstModel(width=8),
    second_model=SecondModel(width=32),
    first=StageSettings(steps=160, batch=4, rate=3e-3),
    third=StageSettings(steps=180, batch=16, rate=3e-3),
    second=StageSettings(steps=80, batch=4, rate=1e-3),
)
COUNT, SIDE = 36, 96


@dataclass(frozen=True)
class Trained:
    session: Session
    without: Path
    with_words: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("method"), SEED)


def run(folder: Path, seed: int) -> Trained:
    """All three stages, the second with words and without."""
    session = create(folder / "task", replace(SETTINGS, seed=seed))
    session.make_pairs(write_shapes(folder / "good", seed), ["blur", "noise"], seed)
    train(session, "first")
    for row in session.third_samples("prediction"):
        if row.pair and row.pair.degradation == "blur":
            session.say(row.id, "the picture is not clear", 1)
    train(session, "third")
    files = []
    for name, weight in (("without", 0.0), ("with", SETTINGS.similarity_weight)):
        session.change(replace(session.settings, similarity_weight=weight))
        train(session, "second")
        files.append(folder / f"{name}.safetensors")
        shutil.copy(session.model("second"), files[-1])
    return Trained(session, *files)


def write_shapes(folder: Path, seed: int) -> Path:
    """Pictures of bold shapes, whose edges so small a network learns to sharpen."""
    folder.mkdir()
    for number in range(COUNT):
        rng = np.random.default_rng([seed, number])
        colours = rng.integers(60, 200, (3, 3, 3), dtype=np.uint8)
        picture = np.asarray(cv2.resize(colours, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
        for _ in range(12):
            draw_shape(picture, rng)
        # By their names, five of each fault are held out.
        cv2.imwrite(str(folder / f"view{number:02d}.png"), picture)
    return folder


def draw_shape(picture, rng: np.random.Generator) -> None:
    ink = tuple(int(value) for value in rng.integers(0, 256, 3))
    (x, y), (width, height) = rng.integers(0, SIDE, (2, 2)).tolist()
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.line(picture, (x, y), (width, height), ink, 4)
    elif kind == 1:
        cv2.circle(picture, (x, y), 5 + width // 8, ink, -1)
    elif kind == 2:
        cv2.rectangle(picture, (x, y), (x + 8 + width // 3, y + 8 + height // 3), ink, -1)
    else:
        cv2.putText(picture, f"aWk{width}", (x // 2, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, ink, 2)


def train(session: Session, stage: str) -> None:
    session.prepare(stage, anew=True)
    work(session.folder, stage)


def tensor(session: Session, picture) -> Tensor:
    return torch.from_numpy(session.library.read(picture).copy()).permute(2, 0, 1)[None].float() / 255


def blurred(trained: Trained, weights: Path) -> tuple[Tensor, Tensor]:
    """What a network makes of the blurred pictures, and the truth."""
    network = load_network(weights)
    rows = [row for row in trained.session.library.pairs() if row.degradation == "blur"]
    first = torch.cat([tensor(trained.session, row.first) for row in rows])
    truth = torch.cat([tensor(trained.session, row.second) for row in rows])
    with torch.no_grad():
        return network(first).clamp(0, 1), truth


def test_the_first_training_lowers_the_loss(trained):
    losses = [point["loss"] for point in trained.session.curve("first")]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])


@pytest.mark.parametrize("fault", ["blur", "noise"])
def test_the_third_training_tells_true_from_false_texts_on_held_out_pictures(trained, fault):
    session = trained.session
    model = make_second(session.settings.second_model)
    load_model(model, session.model("third"))
    right = []
    for row in session.third_samples():
        if row.pair is None or not row.pair.held_out or row.pair.degradation != fault or row.kind == "prediction":
            continue
        for entry in session.labels.entries(row):
            with torch.no_grad():
                _, logit = model(tensor(session, row.picture), model.encode(entry.words)[None])
            right.append((logit.item() > 0) == bool(entry.label))
    assert len(right) >= 12 and np.mean(right) > 0.8


def test_words_make_predictions_sharper_without_harm(trained):
    plain, truth = blurred(trained, trained.without)
    told, _ = blurred(trained, trained.with_words)
    assert gradient_energy(told).mean() > 1.02 * gradient_energy(plain).mean()
    assert true_detail(told, truth).mean() > true_detail(plain, truth).mean()
    assert psnr(told, truth).mean() > psnr(plain, truth).mean() - 0.3

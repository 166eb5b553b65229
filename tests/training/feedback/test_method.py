"""The whole method at a small size: what words do to a restoration network, measured without the model in the loop."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

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

from .conftest import write_drawings

pytestmark = pytest.mark.skipif(
    not os.environ.get("INPAINT_LENS_LONG_TESTS"),
    reason="takes three minutes: set INPAINT_LENS_LONG_TESTS=1 to run it",
)

SETTINGS = TaskSettings(
    "method",
    device="cpu",
    side=40,
    held_out_share=0.25,
    preview_every=0,
    passes=100,
    similarity_weight=0.08,
    first_model=FirstModel(width=8),
    second_model=SecondModel(width=32),
    first=StageSettings(steps=200, batch=4, rate=3e-3),
    third=StageSettings(steps=300, batch=16, rate=3e-3),
    second=StageSettings(steps=120, batch=4, rate=1e-3),
)


@dataclass(frozen=True)
class Trained:
    session: Session
    without: Path
    with_words: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("method")
    torch.set_num_threads(1)
    session = create(folder / "task", SETTINGS)
    session.make_pairs(write_drawings(folder / "good", 48, 96), ["blur", "noise"], seed=1)
    train(session, "first")
    for row in session.third_samples("prediction"):
        if row.pair and row.pair.degradation == "blur":
            session.say(row.id, "the picture is not clear", 1)
    train(session, "third")
    files = []
    for name, weight in (("without", 0.0), ("with", SETTINGS.similarity_weight)):
        session.change(replace(SETTINGS, similarity_weight=weight))
        train(session, "second")
        files.append(folder / f"{name}.safetensors")
        shutil.copy(session.model("second"), files[-1])
    return Trained(session, *files)


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
    assert gradient_energy(told).mean() > 1.015 * gradient_energy(plain).mean()
    assert true_detail(told, truth).mean() > true_detail(plain, truth).mean()
    assert psnr(told, truth).mean() > psnr(plain, truth).mean() - 0.3

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from inpaint_lens.training.feedback.configuration import (
    FirstModel,
    SecondModel,
    StageSettings,
    TaskSettings,
)
from inpaint_lens.training.feedback.session import Session, create

SMALL = TaskSettings(
    "small",
    device="cpu",
    side=24,
    held_out_share=0.3,
    preview_every=2,
    checkpoint_every=2,
    log_every=1,
    first_model=FirstModel(width=4, encoder=(1,), decoder=(1,)),
    second_model=SecondModel(width=8),
    first=StageSettings(steps=4, batch=2),
    second=StageSettings(steps=4, batch=2),
    third=StageSettings(steps=4, batch=4),
)
"""A task whose stages take a second each."""


RGB = np.ndarray[Any, np.dtype[np.uint8]]


def drawing(seed: int, side: int = 96) -> RGB:
    """Soft colours with sharp lines, circles and letters, as `[side, side, 3]`."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(60, 200, (4, 4, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
    for _ in range(14):
        ink = tuple(int(value) for value in rng.integers(0, 256, 3))
        (x0, y0), (x1, y1) = rng.integers(0, side, (2, 2)).tolist()
        kind = int(rng.integers(3))
        if kind == 0:
            cv2.line(picture, (x0, y0), (x1, y1), ink, int(rng.integers(1, 3)))
        elif kind == 1:
            cv2.circle(picture, (x0, y0), int(rng.integers(3, 14)), ink, int(rng.integers(1, 3)))
        else:
            cv2.putText(picture, f"aWk{rng.integers(99)}", (x0 // 2, y0), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1)
    return picture


def write_drawings(folder: Path, count: int = 8, side: int = 32) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"drawing{number:02d}.png"), drawing(number, side))
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_drawings(tmp_path / "good")


@pytest.fixture
def empty(tmp_path: Path) -> Session:
    return create(tmp_path / "task", SMALL)


@pytest.fixture
def task(empty: Session, pictures: Path) -> Session:
    empty.make_pairs(pictures, ["blur", "noise"])
    return empty


def changed(session: Session, **settings: Any) -> Session:
    session.change(replace(session.settings, **settings))
    return session

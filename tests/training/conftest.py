from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from inpaint_lens.training.config import Config, parse_config


def write_pictures(folder: Path, count: int = 8, size: tuple[int, int] = (40, 52)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"picture{number}.png"), cv2.resize(noise, (size[1], size[0])))
    return folder


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Networks that a test makes are the same each time."""
    torch.manual_seed(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


def tiny(folder: Path, **sections: dict) -> Config:
    """A run that takes a second: the smallest generator on crops of 32 pixels."""
    table = {
        "data": {"folder": str(folder), "side": 32, "scale": [1.0, 1.2], "validation_share": 0.2},
        "recipe": {"generator": {"name": "lens-small", "channels": 8, "blocks": 1}},
        "losses": {"l1_hole": 1.0},
        "optimiser": {"rate": 1e-3},
        "trainer": {"steps": 4, "batch": 2, "workers": 0, "checkpoint_every": 2, "sample_every": 0, "log_every": 2},
    }
    for section, settings in sections.items():
        table[section] = {**table.get(section, {}), **settings}
    return parse_config(table)

"""What a run leaves behind: sheets of pictures, weights, a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from ..evaluation.sheet import Cell, contact_sheet
from ..imaging.errors import LensError
from ..imaging.writing import write_atomically, write_bytes, write_png


def write_sheet(columns: list[tuple[str, Tensor]], title: str, path: Path) -> None:
    """Columns of pictures `[N, 3, H, W]` with captions as one PNG."""
    captions = [caption for caption, _ in columns]
    pictures = [to_uint8(column) for _, column in columns]
    rows = [
        [Cell(column[index], caption) for caption, column in zip(captions, pictures, strict=True)]
        for index in range(len(pictures[0]))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(contact_sheet(rows, cell_px=192, title=title), path, overwrite=True)


def to_uint8(images: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """`[N, 3, H, W]` in [0, 1] to uint8 `[N, H, W, 3]`."""
    values = (images.detach().float().clamp(0, 1) * 255).round().byte()
    return values.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half precision where they fit; counters of batches, which only training needs, are left out."""
    half = {}
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        small = value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
        fits = not small.is_floating_point() or bool(torch.isfinite(small).all())
        half[key] = (small if fits else value.detach().cpu()).contiguous().clone()
    return half


def write_weights(state: Mapping[str, Tensor], path: Path, facts: Mapping[str, Any]) -> str:
    """Write weights in half precision; returns the file's sha256.

    Raises:
        InputError: there is no space or no permission.
    """
    # One entry, for several have no fixed order in the file.
    data = save(halved(state), metadata={"training": json.dumps(facts)})
    write_bytes(data, path, overwrite=True)
    return hashlib.sha256(data).hexdigest()


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as JSON."""
    text = json.dumps(report, indent=2) + "\n"
    write_atomically(path, lambda part: part.write_text(text), overwrite=True)


def check_finite(values: Mapping[str, float], step: int) -> None:
    """Raise `LensError` where a loss is not a number any more."""
    bad = [name for name, value in values.items() if not np.isfinite(value)]
    if bad:
        raise LensError(
            f"The loss '{bad[0]}' is not a number at step {step}: lower [optimiser] rate or [trainer] clip; earlier "
            "checkpoints are untouched."
        )

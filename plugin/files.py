"""Sources from files, outcomes to files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..attribution.charts import mass_by_distance_chart
from ..attribution.heatmap import Scale, colourise, render
from ..attribution.report import StepImages
from ..attribution.smoothing import smoothed
from ..imaging.errors import InputError
from ..imaging.guide import drawn_lines
from ..imaging.hole import Hole, threshold
from ..imaging.openraster import write_ora
from ..imaging.reading import read_mask_array, read_picture
from ..imaging.writing import check_target, write_atomically, write_png
from .explaining import Explanation
from .operation import Outcome, Source, base_pixels, view_of
from .sources import over, sources_rgba


def read_source(
    photo: Path, mask: Path, exclude: Path | None = None, guide: Path | None = None, whole: bool = False
) -> Source:
    """Read a picture, its masks and drawn lines; raises `InputError` with one sentence for what cannot be used.

    `whole` says that the mask may cover all of the picture, which is for backends that restore.
    """
    picture = read_picture(photo)
    hole = Hole.from_array(read_mask_array(mask), picture.size, whole)
    barred = None if exclude is None else threshold(read_mask_array(exclude), picture.size)
    lines = None if guide is None else drawn_lines(read_mask_array(guide), picture.size)
    return Source(picture, hole, barred, lines)


def check_outputs(paths: Sequence[Path], overwrite: bool = False) -> None:
    """Raise `InputError`, before any long work, where results could not all be written."""
    for path in paths:
        check_target(path, overwrite=overwrite)
    places = [path.resolve() for path in paths]
    if twice := next((path for path, place in zip(paths, places, strict=True) if places.count(place) > 1), None):
        raise InputError(f"'{twice}' is named for two results: give each a name of its own.")


def check_suffix(path: Path, suffix: str) -> None:
    """Raise `InputError` where a name does not end as its kind of file does."""
    if path.suffix.lower() != suffix:
        raise InputError(f"'{path.name}' is written in one format only: let its name end in {suffix}.")


def make_folder(folder: Path) -> None:
    """Make a folder for results where there is none; raises `InputError` where that cannot be."""
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder '{folder}' cannot be made ({error.strerror}): name another one.") from error


def check_folder(folder: Path) -> None:
    """Raise `InputError` where `folder` neither is one nor could be made; makes nothing."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(f"'{there}' is a file where a folder is needed for '{folder}': name another folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"There is no permission to write into '{there}': name another folder.")


def heatmap_picture(outcome: Outcome) -> NDArray[np.uint8]:
    """The filled picture around the hole under the heatmap, with outlines and colour bar."""
    explanation = outcome.explanation
    if explanation is None:
        raise ValueError("this outcome has no explanation")
    box = explanation.box
    hole = outcome.filling.hole.mask[box.slices]
    target = explanation.target if explanation.options.target else None
    return render(
        view_of(outcome.filling.picture, box),
        explanation.magnitude,
        hole=hole,
        region=explanation.region,
        target=target,
        opacity=explanation.options.opacity,
    )


def overlay_picture(outcome: Outcome) -> NDArray[np.uint8]:
    """The whole filled picture under the heatmap, with outlines, at the picture's own size and without a legend."""
    explanation = outcome.explanation
    if explanation is None:
        raise ValueError("this outcome has no explanation")
    size = outcome.filling.hole.size
    values = np.zeros(size, np.float32)
    values[explanation.box.slices] = explanation.magnitude
    return render(
        outcome.filling.picture.to_srgb8(),
        values,
        hole=outcome.filling.hole.mask,
        region=explanation.region_in(size),
        scale=Scale.of(explanation.magnitude),
        opacity=explanation.options.opacity,
        with_legend=False,
    )


def write_overlay(outcome: Outcome, path: Path, overwrite: bool = False) -> None:
    """Write the whole picture under the heatmap as PNG."""
    write_png(overlay_picture(outcome), path, overwrite=overwrite)


def write_heatmap(outcome: Outcome, path: Path, overwrite: bool = False) -> None:
    """Write the heatmap as PNG."""
    write_png(heatmap_picture(outcome), path, overwrite=overwrite)


def sources_picture(outcome: Outcome) -> NDArray[np.uint8]:
    """The filled picture around the hole, sources and fill in matching colours with arrows: uint8 `[h, w, 3]`.

    Raises:
        InputError: the fill was not explained by the method provenance.
    """
    if outcome.explanation is None:
        raise InputError("This fill was not explained: call `explain` instead of `fill`.")
    opaque = np.full((*outcome.explanation.box.size, 1), 255, np.uint8)
    below = np.concatenate([view_of(outcome.filling.picture, outcome.explanation.box), opaque], 2)
    return over(below, sources_rgba(outcome.explanation))[..., :3]


def write_sources(outcome: Outcome, path: Path, overwrite: bool = False) -> None:
    """Write `sources_picture` as PNG."""
    write_png(sources_picture(outcome), path, overwrite=overwrite)


def write_report(outcome: Outcome, path: Path, overwrite: bool = False) -> None:
    """Write the numbers as JSON."""
    text = json.dumps(outcome.report(), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda part: part.write_text(text), overwrite=overwrite)


def write_layers(outcome: Outcome, path: Path, overwrite: bool = False) -> None:
    """Write picture, result, heatmap and outline as OpenRaster."""
    picture = outcome.filling.original
    write_ora(path, picture.size, outcome.layers(), base=base_pixels(picture), overwrite=overwrite)


def check_steps(folder: Path, overwrite: bool = False) -> None:
    """Raise `InputError`, before any long work, where `write_steps` could not write or would mix with older ones."""
    check_folder(folder)
    if not overwrite and any(folder.glob("window*.png")):
        raise InputError(f"'{folder}' holds pictures of an earlier run: name another folder or pass --overwrite.")


def write_steps(explanation: Explanation, folder: Path, overwrite: bool = False) -> int:
    """Write what was seen along the path, and how the attribution spreads with distance; returns how many files.

    For every point: the input, what the network restored from it, its activation image, raw and smoothed.
    """
    make_folder(folder)
    pictures: dict[str, NDArray[np.uint8]] = {}
    for window, (_, part) in enumerate(explanation.parts):
        mass = part.mass_by_distance()
        pictures[f"window{window}_mass_by_distance"] = mass_by_distance_chart(mass.distance_px, mass.share)
        for index, step in enumerate(part.steps):
            for name, pixels in step_pictures(step).items():
                pictures[f"window{window}_step{index:03d}_{name}"] = pixels
    for name, pixels in pictures.items():
        write_png(pixels, folder / f"{name}.png", overwrite=overwrite)
    return len(pictures)


def step_pictures(step: StepImages) -> dict[str, NDArray[np.uint8]]:
    """One step along the path as RGB uint8 `[h, w, 3]` by name: input, restored, activation raw and smoothed."""
    activation = np.abs(step.activation)
    smooth = smoothed(activation, "gaussian")
    return {
        "input": np.rint(np.clip(step.image, 0, 1) * 255).astype(np.uint8),
        "restored": np.rint(np.clip(step.restored, 0, 1) * 255).astype(np.uint8),
        "activation": colourise(activation, Scale.of(activation)),
        "activation_smoothed": colourise(smooth, Scale.of(smooth)),
    }

"""Which method looks where: the same holes filled by several methods, their heatmaps side by side.

    python benchmarks/looks.py --methods lens-small,exemplar,isophote,telea -o DIR [NAME=FILE ...]

Each method fills holes of the bundled photographs, reduced to 384 px, and is explained in the way that tells most about
it. A heatmap is taken as shares of its own sum, so that all have one unit and one colour scale. DIR gets a picture of
each photograph and `looks.md`, the tables. NAME=FILE adds a backend with weights of one's own (several files with +
between). `--page docs/looks.md` sets tables and pictures into that page, below its mark.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from inpaint_lens.attribution.heatmap import Scale, legend, render, text_size
from inpaint_lens.attribution.outlines import draw_outline
from inpaint_lens.attribution.region import gini, mass_by_distance
from inpaint_lens.backends.registry import info
from inpaint_lens.evaluation.models import Model, parse
from inpaint_lens.evaluation.sheet import Cell, contact_sheet
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.writing import write_png
from inpaint_lens.plugin.demo import SAMPLES
from inpaint_lens.plugin.files import read_source
from inpaint_lens.plugin.operation import Outcome, Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions, default_method
from numpy.typing import NDArray
from PIL import Image

METHODS = "lens-small,exemplar,isophote,telea"
PHOTOGRAPHS = "osprey,otter,sailboat"
SIDE_PX = 384
REACHES_PX = (16, 32, 64)
SMOOTHING_PX = 4.0
"""Standard deviation of the Gaussian before maps are drawn and compared: no two methods agree to the pixel, and patches
that were hidden are 4 px wide at least."""
CELL_PX = 340
QUALITY = 88
MARK = "<!-- below: made by benchmarks/looks.py -->"
Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Look:
    """What one method did with one hole.

    Attributes:
        label: of the method.
        outcome: fill and explanation.
        shares: `[H, W]`, the heatmap over the sum of its values; 0 in the hole.
        smooth: the same after smoothing over the known pixels.
    """

    label: str
    outcome: Outcome
    shares: Map
    smooth: Map

    @classmethod
    def of(cls, label: str, outcome: Outcome) -> Look:
        """From an explained fill."""
        explanation, hole = outcome.explanation, outcome.filling.hole.mask
        assert explanation is not None
        magnitude = np.zeros(hole.shape, np.float32)
        magnitude[explanation.box.slices] = np.abs(explanation.signed)
        return cls(label, outcome, shares_of(magnitude, hole), shares_of(smoothed(magnitude, hole), hole))

    @property
    def method(self) -> str:
        """How it was explained."""
        assert self.outcome.explanation is not None
        return self.outcome.explanation.options.method

    @property
    def errors(self) -> list[float]:
        """Completeness errors of its windows, in percent; none where the method promises nothing."""
        assert self.outcome.explanation is not None
        return [part.error_percent for _, part in self.outcome.explanation.parts if part.error_percent is not None]


def shares_of(magnitude: Map, hole: NDArray[np.bool_]) -> Map:
    """Values of known pixels over their sum; 0 in the hole, and everywhere where there is nothing."""
    known = np.where(hole, 0, magnitude)
    return (known / max(float(known.sum(dtype=np.float64)), 1e-30)).astype(np.float32)


def smoothed(magnitude: Map, hole: NDArray[np.bool_]) -> Map:
    """A Gaussian mean over known pixels only, so that nothing is lost into the hole or beyond the border."""
    known = (~hole).astype(np.float32)
    blur = [
        cv2.GaussianBlur(x, (0, 0), SMOOTHING_PX, borderType=cv2.BORDER_CONSTANT) for x in (magnitude * known, known)
    ]
    return np.where(hole, 0, blur[0] / np.maximum(blur[1], 1e-6)).astype(np.float32)


def overlap(first: Map, second: Map) -> float:
    """Cosine similarity of two maps `[H, W]` of values of 0 and more: 0 = nothing in common, 1 = the same shares."""
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum() / norm) if norm else 0.0


def reduced(photo: Path) -> Source:
    """A photograph of at most `SIDE_PX` on its longer side, with its mask."""
    whole = read_source(photo, photo.with_name(f"{photo.stem}_mask.png"))
    height, width = whole.picture.size
    scale = SIDE_PX / max(height, width)
    size = round(width * scale), round(height * scale)
    pixels = cv2.resize(whole.picture.to_srgb8(), size, interpolation=cv2.INTER_AREA)
    covered = cv2.resize(whole.hole.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # A pixel that the thing to remove touches at all is not known.
    return Source(Picture.from_array(np.asarray(pixels, np.uint8)), Hole(np.asarray(covered) > 0))


def look(source: Source, model: Model) -> Look:
    """Fill and explain by one method, which sees the whole picture."""
    how = FillOptions(model.backend, "cpu", feather_px=0, context_px=SIDE_PX, weights=model.files)
    return Look.of(model.label, fill_and_explain(source, how, ExplainOptions(default_method(info(model.backend)))))


def sheet(source: Source, looks: Sequence[Look]) -> NDArray[np.uint8]:
    """Fills above, heatmaps on one scale below: how many times what a known pixel has in the mean."""
    before, hole = source.picture.to_srgb8(), source.hole.mask
    maps = [look.smooth * np.float32(np.count_nonzero(~hole)) for look in looks]
    scale = Scale.shared(maps)
    fills, heats = [Cell(draw_outline(before, hole), "picture and hole")], [Cell(before, "picture")]
    for one, values in zip(looks, maps, strict=True):
        after = one.outcome.filling.picture.to_srgb8()
        fills.append(Cell(after, one.label))
        heat = render(after, values, hole=hole, scale=scale, with_legend=False)
        heats.append(Cell(heat, f"{one.label}: {one.method}"))
    width = len(fills) * CELL_PX
    foot = legend(scale, [], width, text_size(np.zeros((CELL_PX, width, 3), np.uint8)))
    titles = [
        "What each method fills in",
        "Where it looks: influence of each pixel, as a multiple of the mean of all known pixels",
    ]
    return contact_sheet([fills, heats], cell_px=CELL_PX, row_titles=titles, footer=foot)


def reach_table(looks: Sequence[Look], hole: NDArray[np.bool_]) -> list[str]:
    """How near each method looks, how widely, and how exactly that is known."""
    heads = [*(f"within {reach} px" for reach in REACHES_PX), "Gini", "diffusion index", "completeness error"]
    lines = [f"| method | explained by | {' | '.join(heads)} |", f"| --- | --- |{' ---: |' * len(heads)}"]
    for one in looks:
        mass = mass_by_distance(one.shares, hole).share
        near = [f"{100 * mass[min(reach, mass.size - 1)]:.0f} %" for reach in REACHES_PX]
        uneven = gini(one.shares[~hole])
        error = f"{max(one.errors):.2f} %" if one.errors else "none promised"
        numbers = [*near, f"{uneven:.3f}", f"{100 * (1 - uneven):.1f}", error]
        lines.append(f"| `{one.label}` | {one.method} | {' | '.join(numbers)} |")
    return lines


def overlap_table(looks: Sequence[Look]) -> list[str]:
    """How much of what they look at the methods have in common."""
    labels = [f"`{look.label}`" for look in looks]
    lines = [f"| overlap | {' | '.join(labels)} |", f"| --- |{' ---: |' * len(looks)}"]
    for label, one in zip(labels, looks, strict=True):
        common = [f"{overlap(one.smooth, other.smooth):.2f}" for other in looks]
        lines.append(f"| {label} | {' | '.join(common)} |")
    return lines


def into_page(page: Path, made: Path, names: Sequence[str], lines: Sequence[str]) -> None:
    """Set the tables below the mark of a page, and the pictures into the folder `images` beside it."""
    head = page.read_text(encoding="utf-8").partition(MARK)[0]
    page.write_text("\n".join([f"{head}{MARK}", "", *lines, ""]), encoding="utf-8")
    (page.parent / "images").mkdir(exist_ok=True)
    for name in names:
        shutil.copyfile(made / f"looks_{name}.jpg", page.parent / "images" / f"looks_{name}.jpg")


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--methods", default=METHODS, help="backends, with commas between")
    arguments.add_argument("more", nargs="*", metavar="NAME=FILE", help="backends with weights of your own")
    arguments.add_argument("--photographs", default=PHOTOGRAPHS, help="names of bundled photographs")
    arguments.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the results go")
    arguments.add_argument("--page", type=Path, metavar="FILE", help="page that takes tables and pictures")
    return arguments


def main() -> None:
    options = parser().parse_args()
    models = parse([*filter(None, options.methods.split(",")), *options.more])
    names = options.photographs.split(",")
    options.output.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for name in names:
        source = reduced(SAMPLES / f"{name}.jpg")
        looks = []
        for model in models:
            looks.append(look(source, model))
            print(f"{name}: {model.label}, {looks[-1].outcome.seconds}", flush=True)
        drawn = sheet(source, looks)
        write_png(drawn, options.output / f"looks_{name}.png", overwrite=True)
        Image.fromarray(drawn).save(options.output / f"looks_{name}.jpg", quality=QUALITY, optimize=True)
        lines += [f"## {name}", "", f"![fills and heatmaps](images/looks_{name}.jpg)", ""]
        lines += [*reach_table(looks, source.hole.mask), "", *overlap_table(looks), ""]
    (options.output / "looks.md").write_text("\n".join(lines), encoding="utf-8")
    if options.page:
        into_page(options.page, options.output, names, lines[:-1])


if __name__ == "__main__":
    main()

"""Results as the page shows them: cached pictures, layers over a copy, charts and words."""

from __future__ import annotations

import base64
import html
import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attribution.charts import mass_by_distance_chart
from ..attribution.heatmap import Scale, heat_rgba, render
from ..attribution.outlines import HOLE_COLOUR, REGION_COLOUR, TARGET_COLOUR, outline, tidy_region
from ..imaging.box import Box
from ..imaging.errors import InputError
from ..imaging.hole import Mask
from ..imaging.picture import Picture
from ..imaging.writing import encode_picture, encode_png
from ..plugin.comparison import scores, sheet
from ..plugin.explaining import Explanation
from ..plugin.files import heatmap_picture, write_layers
from ..plugin.operation import Outcome, Source, view_of
from ..plugin.sources import sources_rgba
from .doing import Reasons
from .photos import Photo, gone, jpeg, small
from .widgets import cached, file_data, stamp

RGB = NDArray[np.uint8]
NO_REASONS = "Explain the fill first."


@dataclass(eq=False)
class Shot:
    """One fill of a visit.

    Attributes:
        photo: what was filled.
        outcome: the fill, without its model.
        avoided: some of the picture was not to be used.
        whole: why the whole fill looks as it does; None = not explained yet.
        patch: why the part that was clicked last does, for as long as it is shown.
        key: under which results for examples are kept; empty for anything else.
        files: cached files made of it, by what they show.
    """

    photo: Photo
    outcome: Outcome
    avoided: bool
    whole: Reasons | None = None
    patch: Reasons | None = None
    key: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the files made of it."""
        return f"{self.photo.name}_{self.outcome.filling.backend.info.name}"

    @property
    def reasons(self) -> Reasons | None:
        """What is shown: of the patch, or else of the whole fill."""
        return self.patch or self.whole

    @property
    def explained(self) -> Outcome:
        """The outcome with its explanation; raises `InputError` if there is none."""
        if self.reasons is None:
            raise InputError(NO_REASONS)
        seconds = self.outcome.seconds | {"explain": self.reasons.seconds}
        return replace(self.outcome, explanation=self.reasons.explanation, seconds=seconds)

    @property
    def full(self) -> Outcome:
        """The outcome, explained if it was."""
        return self.explained if self.reasons else self.outcome

    @property
    def bytes(self) -> int:
        """About how much memory it takes, the picture apart."""
        filling = self.outcome.filling
        views = sum(view.image.nbytes + view.mask.nbytes for view in filling.views)
        return filling.picture.pixels.nbytes + views + sum(one.bytes for one in (self.whole, self.patch) if one)

    def result_file(self) -> str:
        """The filled picture at full size as a cached PNG; made once."""
        if gone(self.files.get("result")):
            data = encode_picture(self.outcome.filling.picture, "png")[0]
            self.files["result"] = cached(data, f"{self.name}.png")
        return self.files["result"]

    def shown_file(self) -> str:
        """A smaller copy of the filled picture; made once."""
        if gone(self.files.get("shown")):
            self.files["shown"] = jpeg(small(self.outcome.filling.picture.to_srgb8()), self.name)
        return self.files["shown"]

    def layers_bytes(self) -> bytes:
        """Picture, fill, heatmap and outline as OpenRaster."""
        with tempfile.TemporaryDirectory(prefix="inpaint-lens-") as folder:
            path = Path(folder, "layers.ora")
            write_layers(self.full, path)
            return path.read_bytes()

    def heatmap_bytes(self) -> bytes:
        """The heatmap with its legend as PNG."""
        return encode_png(heatmap_picture(self.explained))

    def report_bytes(self) -> bytes:
        """All numbers as JSON."""
        return (json.dumps(self.full.report(), indent=2, allow_nan=False) + "\n").encode()

    def highlighted(self) -> Mask:
        """What is outlined as the region of interest, `[H, W]`; see `tidy_region`."""
        explanation = self.explained.explanation
        assert explanation is not None
        mask = np.zeros(self.photo.picture.size, bool)
        mask[explanation.box.slices] = tidy_region(explanation.region)
        return mask & ~self.outcome.filling.hole.mask


def view_value(shot: Shot, reasons: Reasons) -> dict[str, Any]:
    """A value for the lens view: the fill under this explanation."""
    explanation, filling = reasons.explanation, shot.outcome.filling
    size, box = shot.photo.picture.size, explanation.box
    layers = {
        "heat": heat_rgba(explanation.magnitude, Scale.of(explanation.magnitude)),
        "edges": _edges(explanation, filling.hole.mask),
    }
    if explanation.options.method == "provenance":
        layers["sources"] = sources_rgba(explanation)
    return {
        "stamp": stamp(),
        "picture": file_data(shot.shown_file()),
        "width": size[1],
        "height": size[0],
        "name": f"{shot.photo.name}, filled by {filling.backend.info.name}, under the heatmap of its reasons",
        "patch": explanation.options.target is not None,
        "layers": [_layer(role, rgba, box, size, shot.name) for role, rgba in layers.items()],
    }


def _edges(explanation: Explanation, hole: Mask) -> NDArray[np.uint8]:
    """Outlines of the hole, of the region of interest and of the part explained, RGBA `[h, w, 4]` of the box."""
    box = explanation.box
    inside = hole[box.slices]
    drawn = np.zeros((*box.size, 4), np.uint8)
    width = max(1, round(max(box.size) / 350))
    region = tidy_region(explanation.region) & (explanation.region | ~inside)
    marks = [(region, REGION_COLOUR), (inside, HOLE_COLOUR)]
    if explanation.options.target:
        marks.append((explanation.target, TARGET_COLOUR))
    for mask, colour in marks:
        drawn[outline(mask, width)] = (*colour, 255)
    return drawn


def _layer(role: str, rgba: NDArray[np.uint8], box: Box, size: tuple[int, int], name: str) -> dict[str, Any]:
    """A layer as the script lays it: a cached PNG and its place in percent of the picture."""
    return {
        "role": role,
        "picture": file_data(cached(encode_png(rgba), f"{name}_{role}.png")),
        "left": 100 * box.left / size[1],
        "top": 100 * box.top / size[0],
        "width": 100 * box.width / size[1],
        "height": 100 * box.height / size[0],
    }


def words(reasons: Reasons) -> str:
    """The sentence, how far to trust it, and the plot of influence by distance, as HTML."""
    explanation = reasons.explanation
    view, part = max(explanation.parts, key=lambda pair: int(pair[1].target.sum()))
    mass = part.mass_by_distance()
    distance = mass.distance_px / view.window.factor
    chart = encode_png(mass_by_distance_chart(distance, mass.share, width_px=420, height_px=240))
    half = mass.holding(0.5)
    told = "" if half is None else f"Half of the influence lies within {half / view.window.factor:.0f} px of the hole."
    facts = "".join(f"<li>{html.escape(fact)}</li>" for fact in _facts(reasons))
    address = "data:image/png;base64," + base64.b64encode(chart).decode()
    return (
        f'<div class="why-words"><p>{html.escape(explanation.sentence)}</p><ul class="facts">{facts}</ul>'
        f'<img class="chart" src="{address}" alt="Share of the influence by distance. {told}" '
        'width="420" height="240" /></div>'
    )


def _facts(reasons: Reasons) -> list[str]:
    explanation = reasons.explanation
    parts = [part for _, part in explanation.parts]
    errors = [part.error_percent for part in parts if part.error_percent is not None]
    facts = []
    if errors:
        good = all(part.converged is not False for part in parts)
        wanted = explanation.options.tolerance_percent
        facts.append(f"Completeness error {max(errors):.2g} % ({'within' if good else 'over'} {wanted:g} %)")
    facts += [
        explanation.options.method,
        f"{sum(part.evaluations for part in parts)} evaluations",
        f"{reasons.seconds:.1f} s",
    ]
    return facts


def pair_pictures(first: Shot, second: Shot) -> list[tuple[str, str]]:
    """Heatmaps of two fills with one scale, as cached JPEGs with captions; none while one of them is unexplained."""
    if first.whole is None or second.whole is None:
        return []
    found = [first.whole.explanation, second.whole.explanation]
    scale = Scale.shared([explanation.magnitude for explanation in found])
    box = found[0].box.union(found[1].box)
    pictures = []
    for shot, explanation, words in zip((first, second), found, ("before", "now"), strict=True):
        drawn = render(
            view_of(shot.outcome.filling.picture, box),
            _placed(explanation.magnitude, explanation.box, box),
            hole=shot.outcome.filling.hole.mask[box.slices],
            region=_placed(explanation.region, explanation.box, box),
            scale=scale,
            with_legend=False,
        )
        pictures.append((jpeg(small(drawn, 1024), f"{shot.name}_why"), f"Why it looked so {words}"))
    return pictures


def _placed(values: NDArray[Any], part: Box, box: Box) -> NDArray[Any]:
    canvas = np.zeros(box.size, values.dtype)
    canvas[part.relative_to(box).slices] = values
    return canvas


@dataclass(frozen=True, eq=False)
class Sheet:
    """A comparison of a visit."""

    name: str
    source: Source
    outcomes: Sequence[Outcome]
    original: Picture | None

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return sum(outcome.filling.picture.pixels.nbytes for outcome in self.outcomes)

    def picture(self) -> RGB:
        """Fills and heatmaps in a grid on one scale."""
        return sheet(self.source, self.outcomes, self.original)

    def table(self) -> list[dict[str, Any]]:
        """Numbers of each backend: seconds, completeness, and how close it came to the original if that is known."""
        return [self._row(outcome) for outcome in self.outcomes]

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        row: dict[str, Any] = {
            "backend": outcome.filling.backend.info.name,
            "licence": outcome.filling.backend.info.licence,
            "seconds": round(outcome.seconds["fill"], 2),
        }
        if outcome.explanation:
            errors = [part.error_percent for _, part in outcome.explanation.parts if part.error_percent is not None]
            row |= {"method": outcome.explanation.options.method}
            row |= {"completeness error %": round(max(errors), 2)} if errors else {"completeness error %": None}
        if self.original is not None:
            inside = scores(outcome, self.original).inside
            row |= {"PSNR dB": round(inside.psnr, 2), "SSIM": round(inside.ssim, 3)}
            row |= {} if inside.lpips is None else {"LPIPS": round(inside.lpips, 3)}
        return row

    def zipped(self) -> bytes:
        """Sheet, results, heatmaps and reports in one archive."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("comparison.png", encode_png(self.picture()))
            archive.writestr("numbers.json", json.dumps(self.table(), indent=2))
            for outcome in self.outcomes:
                name = outcome.filling.backend.info.name
                archive.writestr(f"{name}.png", encode_picture(outcome.filling.picture, "png")[0])
                archive.writestr(f"{name}_heatmap.png", encode_png(heatmap_picture(outcome)))
                archive.writestr(f"{name}.json", json.dumps(outcome.report(), indent=2, allow_nan=False))
        return stream.getvalue()

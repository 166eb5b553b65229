"""The one operation: picture and hole in, result, explanation and layers out."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attribution.heatmap import Scale, heat_rgba
from ..attribution.outlines import REGION_COLOUR, outline, tidy_region
from ..backends.protocol import Backend, Checking
from ..backends.registry import load
from ..imaging.box import Box
from ..imaging.hole import Hole, Mask
from ..imaging.layers import Layer
from ..imaging.monitor import Monitor
from ..imaging.picture import Picture
from .explaining import Explanation, explain
from .filling import Filling, fill_candidates, result_pixels
from .request import ExplainOptions, FillOptions
from .sources import sources_rgba


@dataclass(frozen=True, eq=False)
class Source:
    """What a person gives: a picture, what to fill, what not to look at, and lines drawn to steer the fill."""

    picture: Picture
    hole: Hole
    exclude: Mask | None = None
    guide: Mask | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a person gets."""

    filling: Filling
    explanation: Explanation | None
    seconds: dict[str, float]

    def layers(self) -> list[Layer]:
        """In painting order: result, heatmap, outline of the region; each only as large as it must be."""
        box = self.filling.box
        layers = [Layer("Result", result_pixels(self.filling), (box.top, box.left))]
        if self.explanation:
            layers += _explanation_layers(self.explanation, self.filling.hole.mask)
        return layers

    def report(self) -> dict[str, Any]:
        """Plain values for JSON; `checks` are the candidates of each window, of a backend that judges several."""
        filling, backend = self.filling, self.filling.backend
        facts: dict[str, Any] = {
            "backend": backend.info.name,
            "device": backend.device,
            "licence": backend.info.licence,
            "options": asdict(filling.options),
            "picture": {"height": filling.original.size[0], "width": filling.original.size[1]},
            "hole_pixels": filling.hole.pixels,
            "windows": len(filling.views),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }
        if isinstance(backend, Checking):
            facts["checks"] = [
                backend.checks(view.image, view.hole, exclude=view.exclude, **view.extras)[0] for view in filling.views
            ]
        return facts | ({"explanation": self.explanation.report()} if self.explanation else {})


def fill_and_explain(
    source: Source,
    how: FillOptions,
    why: ExplainOptions | None = None,
    monitor: Monitor | None = None,
    backend: Backend | None = None,
) -> Outcome:
    """Fill, and explain if `why` is given; see `candidates`, of which this gives one."""
    return candidates(source, how, why, monitor, backend)[0]


def candidates(
    source: Source,
    how: FillOptions,
    why: ExplainOptions | None = None,
    monitor: Monitor | None = None,
    backend: Backend | None = None,
    count: int = 1,
) -> list[Outcome]:
    """Fill in `count` ways, with one seed after another, and explain each if `why` is given.

    Args:
        backend: use this one instead of the registry's backend that `how` names.
        count: how many fills to make; above 1 for a backend that draws lots.

    Raises:
        LensError: with one sentence that says what to do; nothing was changed.
        Cancelled: the caller asked to stop.
    """
    monitor = monitor or Monitor()
    monitor.report("loading the model", 0.0)
    start = time.perf_counter()
    backend = backend or load(how.backend, how.device, how.weights)
    loaded = time.perf_counter()
    part = monitor.part(0.02, 0.3 if why else 1.0)
    fillings = fill_candidates(
        source.picture, source.hole, backend, how, source.exclude, part, source.guide, count=count
    )
    seconds = {"load": loaded - start, "fill": (time.perf_counter() - loaded) / count}
    if why is None:
        return [Outcome(filling, None, seconds) for filling in fillings]
    outcomes = []
    for index, filling in enumerate(fillings):
        began = time.perf_counter()
        explanation = explain(filling, why, monitor.part(0.3 + 0.7 * index / count, 0.3 + 0.7 * (index + 1) / count))
        outcomes.append(Outcome(filling, explanation, seconds | {"explain": time.perf_counter() - began}))
    return outcomes


def _explanation_layers(explanation: Explanation, hole: Mask) -> list[Layer]:
    offset = explanation.box.top, explanation.box.left
    magnitude = explanation.magnitude
    heat = heat_rgba(magnitude, Scale.of(magnitude))
    edge = np.zeros((*explanation.box.size, 4), np.uint8)
    width = max(1, round(max(explanation.box.size) / 400))
    region = tidy_region(explanation.region) & (explanation.region | ~hole[explanation.box.slices])
    edge[outline(region, width)] = (*REGION_COLOUR, 255)
    layers = [
        Layer("Heatmap", heat, offset, opacity=explanation.options.opacity),
        Layer("Region of interest", edge, offset, opacity=0.9),
    ]
    if explanation.options.method == "provenance":
        layers.append(Layer("Sources", sources_rgba(explanation), offset, opacity=0.0))
    return layers


def view_of(picture: Picture, box: Box) -> NDArray[np.uint8]:
    """The part of a picture in `box` as uint8 sRGB `[h, w, 3]`, for the eye."""
    return np.rint(picture.to_srgb(box.top, box.left, box.height, box.width) * 255).astype(np.uint8)


def base_pixels(picture: Picture) -> NDArray[np.uint8]:
    """The picture as RGBA `[H, W, 4]` for the bottom of a layered file."""
    alpha = np.full((*picture.size, 1), 255, np.uint8)
    if picture.alpha is not None:
        alpha = np.rint(picture.alpha[..., None] * (255.0 / picture.full_scale)).astype(np.uint8)
    return np.concatenate([picture.to_srgb8(), alpha], axis=2)

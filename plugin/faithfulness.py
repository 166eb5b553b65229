"""How true each method's explanation is to the model, on a person's own picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..attribution.faithfulness import Faithfulness, controls, faithfulness
from ..attribution.methods import METHODS
from ..backends.network import hidden_pixels
from ..backends.registry import info, load
from ..imaging.monitor import Monitor
from .asking import model_of
from .explaining import explain
from .filling import fill
from .operation import Source
from .request import ExplainOptions, FillOptions


@dataclass(frozen=True)
class Row:
    """One order of pixels: a method's, or one to compare with.

    Attributes:
        name: of the method or control.
        curves: its deletion and insertion curve.
        seconds: that the explanation took; None for a control.
        evaluations: of the network that the explanation took; None for a control.
    """

    name: str
    curves: Faithfulness
    seconds: float | None
    evaluations: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "deletion_area": self.curves.deletion.area,
            "insertion_area": self.curves.insertion.area,
            "share": self.curves.deletion.share.tolist(),
            "deletion": self.curves.deletion.likeness.tolist(),
            "insertion": self.curves.insertion.likeness.tolist(),
            "seconds": self.seconds,
            "evaluations": self.evaluations,
        }


def usable_methods(backend: str) -> list[str]:
    """The methods that can explain a backend."""
    facts = info(backend)
    return [
        name
        for name, method in METHODS.items()
        if (facts.differentiable or not method.differentiable) and (facts.copies or not method.asks_sources)
    ]


def examine(
    source: Source,
    how: FillOptions,
    methods: Sequence[str],
    why: ExplainOptions | None = None,
    monitor: Monitor | None = None,
) -> list[Row]:
    """Explain one fill by several methods and measure how true each is; two simple orders stand beside them.

    Of a fill through several windows, the one that filled most is looked at.

    Raises:
        LensError: with one sentence that says what to do.
    """
    monitor = monitor or Monitor()
    why = why or ExplainOptions()
    backend = load(how.backend, how.device, how.weights)
    filling = fill(source.picture, source.hole, backend, how, source.exclude, monitor.part(0.0, 0.1), source.guide)
    largest = max(filling.views, key=lambda view: int(view.mask.sum()))
    filling = replace(filling, views=(largest,))
    maps, cost = {}, {}
    target = largest.mask
    for index, name in enumerate(methods):
        part = monitor.part(0.1 + 0.5 * index / len(methods), 0.1 + 0.5 * (index + 1) / len(methods))
        start = time.perf_counter()
        explanation = explain(filling, replace(why, method=name), part)  # pyright: ignore[reportArgumentType]
        ((_, found),) = explanation.parts
        maps[name], target = found.magnitude, found.target
        cost[name] = time.perf_counter() - start, found.evaluations
    hidden = hidden_pixels(largest.hole, largest.exclude)
    maps |= controls(hidden[0, 0].numpy() > 0.5, how.seed)
    rest = monitor.part(0.6, 1.0)
    model = model_of(backend, largest, how.seed, rest)
    found = faithfulness(model, largest.image, hidden, np.asarray(target), maps, seed=how.seed, monitor=rest)
    return [Row(name, curves, *cost.get(name, (None, None))) for name, curves in found.items()]

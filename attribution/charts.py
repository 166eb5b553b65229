"""Small plots for reports, drawn without matplotlib's global state so that threads can draw side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..imaging.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from .faithfulness import Faithfulness

LINE = "#b5367a"
LINES = ("#b5367a", "#2a6f97", "#e07a1f", "#3a7d44", "#7a5195", "#8c564b")
"""Colours of several curves in one chart."""
FAINT = "#6b6e75"
DOTS_PER_INCH = 100


def mass_by_distance_chart(
    distances: Sequence[float] | NDArray[Any],
    shares: Sequence[float] | NDArray[Any],
    *,
    width_px: int = 480,
    height_px: int = 300,
) -> NDArray[np.uint8]:
    """How far from the hole the influence lies: its share within each distance, and where half of it is reached.

    Args:
        distances: distances from the hole in pixels, `[K]`, rising.
        shares: 0 to 1, `[K]`: the share of the attribution's mass up to that distance.
        width_px: width of the chart.
        height_px: height of the chart.

    Returns:
        uint8 RGB `[height_px, width_px, 3]`.

    Raises:
        InputError: lists of unequal length, empty, not finite, distances not rising, or a chart below 160 × 120 pixels.
    """
    x, y = np.asarray(distances, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not x.size or not np.isfinite([x, y]).all() or (np.diff(x) <= 0).any():
        raise InputError(
            f"Distances of shape {x.shape} and shares of shape {y.shape} make no chart; give two lists of equal length "
            "of finite numbers, distances rising."
        )
    if width_px < 160 or height_px < 120:
        raise InputError(f"A chart of {width_px} × {height_px} pixels is too small; take 160 × 120 or more.")
    return _plot(x, 100 * y, width_px, height_px)


def _canvas(width_px: int, height_px: int) -> FigureCanvasAgg:
    """An empty figure, apart from matplotlib's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = width_px / DOTS_PER_INCH, height_px / DOTS_PER_INCH
    return FigureCanvasAgg(Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor="white"))


def _tidy(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=10)
    axes.set_ylabel(up, fontsize=10)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e8", linewidth=0.8)
    axes.set_axisbelow(True)


def _pixels(canvas: FigureCanvasAgg) -> NDArray[np.uint8]:
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _plot(x: NDArray[np.float64], percent: NDArray[np.float64], width_px: int, height_px: int) -> NDArray[np.uint8]:
    canvas = _canvas(width_px, height_px)
    # Set by hand: matplotlib's automatic layout depends on the fonts that happen to be installed.
    axes = canvas.figure.add_axes((70 / width_px, 52 / height_px, 1 - 90 / width_px, 1 - 72 / height_px))
    axes.plot(x, percent, color=LINE, linewidth=2)
    axes.fill_between(x, percent, color=LINE, alpha=0.12, linewidth=0)
    axes.set_xlim(x[0], x[-1] if x[-1] > x[0] else x[0] + 1)
    axes.set_ylim(0, 105)
    if percent[-1] >= 50:
        # Only a rising curve has one crossing; a last-bit fall by rounding is no reason to fail.
        half = float(np.interp(50, np.maximum.accumulate(percent), x))
        axes.plot([x[0], half, half], [50, 50, 0], color=FAINT, linewidth=1, linestyle="--")
        on_left = half > (x[0] + x[-1]) / 2
        axes.annotate(
            f"half within {half:.0f} px",
            (half, 50),
            xytext=(-6, 6) if on_left else (8, -14),
            textcoords="offset points",
            ha="right" if on_left else "left",
            fontsize=9,
            color=FAINT,
        )
    _tidy(axes, "distance from the hole in pixels", "share of the influence in %")
    return _pixels(canvas)


def faithfulness_chart(
    curves: Mapping[str, Faithfulness], *, width_px: int = 1040, height_px: int = 420
) -> NDArray[np.uint8]:
    """Deletion and insertion curves side by side, one line for each order of pixels, with the areas in the legend.

    Returns:
        uint8 RGB `[height_px, width_px, 3]`.
    """
    canvas = _canvas(width_px, height_px)
    titles = {"deletion": "blurred first (lower is better)", "insertion": "put back first (higher is better)"}
    for index, (kind, title) in enumerate(titles.items()):
        place = (0.07 + 0.48 * index, 52 / height_px, 0.42, 1 - 92 / height_px)
        axes = canvas.figure.add_axes(place)
        for number, (name, found) in enumerate(curves.items()):
            curve = found.deletion if kind == "deletion" else found.insertion
            control = name in ("nearest first", "by lot")
            axes.plot(
                100 * curve.share,
                100 * curve.likeness,
                color=FAINT if control else LINES[number % len(LINES)],
                linestyle={"nearest first": "--", "by lot": ":"}.get(name, "-"),
                linewidth=2,
                label=f"{name} ({curve.area:.3f})",
            )
        axes.set_xlim(0, 100)
        axes.set_title(title, fontsize=10, loc="left")
        axes.legend(fontsize=8, frameon=False)
        _tidy(axes, "share of the known pixels in %", "likeness to the fill in %")
    return _pixels(canvas)

"""Parts of the pages as HTML: how far a stage is, its curve, a task in short."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from ...plugin.service.wording import told, without_paths
from ...training.feedback.configuration import TITLES, TaskSettings
from ...training.feedback.session import Session, StageView

MOST_POINTS = 240
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 170, 8, 6, 20
"""Of a chart, in units of its own."""
NAMES = {
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "psnr": "PSNR (dB)",
    "held_out_accuracy": "accuracy on held-out pictures",
    "cross_entropy": "cross entropy",
}
DECIMALS = {"psnr": 2}


def facts(pairs: Mapping[str, object]) -> str:
    """A row of short facts."""
    items = "".join(f"<li>{html.escape(name)} <b>{html.escape(str(value))}</b></li>" for name, value in pairs.items())
    return f'<ul class="facts">{items}</ul>' if items else ""


def numbers(values: Mapping[str, float]) -> dict[str, str]:
    """Numbers with their names for people."""
    return {NAMES.get(name, name): f"{value:.{DECIMALS.get(name, 4)}f}" for name, value in values.items()}


def progress(view: StageView) -> str:
    """State, step and live numbers of a stage."""
    title = TITLES[view.stage].capitalize()
    share = 1.0 if view.state == "done" else view.step / max(view.steps, 1)
    left = f", {duration(view.seconds_left)} left" if view.state == "running" and view.seconds_left else ""
    steps = f": step {view.step} of {view.steps}{left}" if view.steps else ""
    bar = (
        f'<div class="progress" data-state="{view.state}"><span>{title} is {html.escape(view.state)}{steps}</span>'
        f'<progress max="1" value="{share:.3f}" aria-label="{title}"></progress><b>{100 * share:.0f} %</b></div>'
    )
    message = f'<p class="dim">{html.escape(without_paths(view.message))}</p>' if view.message else ""
    return bar + facts(numbers(view.numbers)) + message


def duration(seconds: float) -> str:
    """A duration in words that are short."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def curve(points: Sequence[Mapping[str, float]], title: str) -> str:
    """The loss over the steps, and the similarity where there is one, as a chart."""
    if len(points) < 2:
        return '<p class="dim">The curve begins with the second point.</p>'
    kept = thinned(points)
    lines = [_line(kept, name) for name in ("loss", "similarity")]
    first, last = points[0].get("loss", 0.0), points[-1].get("loss", 0.0)
    words = f"{title}: loss {first:.4f} at step {points[0]['step']:.0f}, {last:.4f} at step {points[-1]['step']:.0f}"
    axis = f'<path class="axis" d="M{LEFT} 0V{HEIGHT - BOTTOM}H{WIDTH}"/>'
    labels = (
        f'<text x="{LEFT}" y="{HEIGHT - 5}">step {points[0]["step"]:.0f}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 5}" text-anchor="end">{points[-1]["step"]:.0f}</text>'
    )
    chart = (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(words)}">'
        f"{axis}{''.join(line for line, _ in lines)}{labels}</svg>"
    )
    return f'<figure class="chart-box">{chart}<figcaption>{"".join(key for _, key in lines)}</figcaption></figure>'


def thinned(points: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """At most about `MOST_POINTS` of them, the last one always."""
    stride = -(-len(points) // MOST_POINTS)
    return [*points[:-1][::stride], points[-1]]


def _line(points: Sequence[Mapping[str, float]], name: str) -> tuple[str, str]:
    """A line over its own range, and its key."""
    found = [(point["step"], point[name]) for point in points if name in point]
    if len(found) < 2:
        return "", ""
    steps, values = [step for step, _ in found], [value for _, value in found]
    low, high = min(values), max(values)
    across = (WIDTH - LEFT) / max(steps[-1] - steps[0], 1)
    down = (HEIGHT - BOTTOM - 2 * TOP) / max(high - low, 1e-12)
    places = [f"{LEFT + (step - steps[0]) * across:.1f},{TOP + (high - value) * down:.1f}" for step, value in found]
    line = f'<polyline class="{name}" points="{" ".join(places)}"/>'
    key = f'<span class="{name}"><i></i>{name} {values[-1]:.4f}, from {low:.4f} to {high:.4f}</span>'
    return line, key


def summary(session: Session) -> str:
    """A task in short: its samples, models, loss and device."""
    settings, pairs = session.settings, session.library.pairs()
    rows = {
        "Pairs": f"{len(pairs)}, of which {sum(row.held_out for row in pairs)} are held out",
        "First model": _first_words(settings),
        "Second model": _second_words(settings),
        "Loss": f"{'mean absolute' if settings.loss == 'mae' else 'mean squared'} error",
        "Weights": f"{settings.pixel_weight:g} of the pixels, {settings.similarity_weight:g} of the words",
        "Steps": ", ".join(f"{settings.of(stage).steps} in {title}" for stage, title in TITLES.items()),
        "Device": settings.device,
        "Words": f"{'Chinese' if settings.language == 'zh' else 'English'}, {settings.countdown_seconds:g} s to answer",
    }
    cells = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in rows.items())
    return f'<h2 class="task-name">{html.escape(settings.name)}</h2><dl class="summary">{cells}</dl>'


def _first_words(settings: TaskSettings) -> str:
    model = settings.first_model
    if model.kind == "ddpm":
        return f"conditional diffusion model, channels {', '.join(map(str, model.channels))}"
    return f"NAFNet, {model.width} channels"


def _second_words(settings: TaskSettings) -> str:
    model = settings.second_model
    return "CLIP ViT-B/32" if model.kind == "clip" else f"small text and image encoder, width {model.width}"


def plain_sentence(error: Exception) -> str:
    """What went wrong, without HTML and paths."""
    return str(told(error))

"""What came out: the result under a slider, the reasons, the path, and the fill before beside the one now."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import gradio as gr

from .desk import QUICK
from .photos import before_file
from .progress import note
from .results import Shot, pair_pictures, view_value, words
from .visits import Visit
from .widgets import lens_view, selected, tab_bar

Update = dict[Any, Any]
TABS = {"result": "Result", "why": "Why", "path": "Along the path", "pair": "Before and now"}
PICTURES = {
    "input": "What the model was given",
    "restored": "What it restores from it",
    "activation": "Activation, raw",
    "activation_smoothed": "Activation, smoothed",
}
NO_PATH = (
    "The path appears here when a fill was explained by path-ig in one piece; of a fill in many pieces, click one "
    "point under Why first."
)
NO_PAIR = "Fill twice, with other paint or another backend: both fills then stand side by side here."


class OutcomeTabs:
    """Components of the right half of the Fill tab, and how results come into them."""

    def __init__(self) -> None:
        self.tabs = tab_bar(TABS, "What came out", "outcome")
        with _pane("result"):
            self.slider = _slider("Before and after", "result-slider", 480)
        with _pane("why"):
            self._why()
        with _pane("path"):
            self._path()
        with _pane("pair"):
            self.pair = _slider("The fill before, and the fill now", "pair-slider", 370)
            self.reasons = gr.HTML(note(NO_PAIR), elem_id="pair-reasons")

    def _why(self) -> None:
        self.lens = lens_view("lens")
        with gr.Row(elem_classes="go"):
            self.avoid = gr.Button("Do not use what stands out", elem_id="avoid", scale=3, min_width=190)
            self.refill = gr.Button("Refill", variant="primary", elem_id="refill", scale=2, min_width=90)
            self.all = gr.Button("Explain all", elem_id="explain", scale=2, min_width=100)
        self.words = gr.HTML(elem_id="words")

    def _path(self) -> None:
        self.point = gr.Slider(
            0, 1, 0, step=1, label="Point of the path", info="left: the blurred picture; right: the picture itself",
            interactive=True, elem_id="path-slider",
        )  # fmt: skip
        self.frames = gr.HTML(note(NO_PATH), elem_id="path-frames")

    @property
    def places(self) -> list[Any]:
        """Components that results go to."""
        return [self.tabs, self.slider, self.lens, self.words, self.point, self.frames, self.pair, self.reasons]

    def wire(self, visit: gr.State) -> None:
        """What works without a job."""
        self.point.input(on_point, [visit, self.point], self.frames, trigger_mode="always_last", **QUICK)

    def filled(self, visit: Visit) -> Update:
        """After a fill, before its explanation."""
        shot, first = visit.shot, visit.shots[0]
        update: Update = {
            self.slider: _through_hole(shot, (before_file(shot.photo), shot.result_file())),
            self.lens: None,
            self.words: "",
            self.frames: note(NO_PATH),
            self.tabs: selected("pair" if shot.avoided and first is not shot else "result"),
        }
        if first is not shot:
            update[self.pair] = _through_hole(shot, (first.result_file(), shot.result_file()))
            update[self.reasons] = _pair(first, shot)
        else:
            update |= {self.pair: None, self.reasons: note(NO_PAIR)}
        return update

    def explained(self, visit: Visit, shot: Shot) -> Update:
        """After an explanation."""
        reasons = shot.reasons
        assert reasons is not None
        last = max(1, len(reasons.frames) - 1)
        update: Update = {
            self.lens: view_value(shot, reasons),
            self.words: words(reasons),
            self.point: gr.update(maximum=last, value=last),
            self.frames: frame(shot, last),
        }
        if visit.shots[0] is not shot:
            update[self.reasons] = _pair(visit.shots[0], shot)
        return update


def _pane(name: str) -> gr.Column:
    return gr.Column(elem_id=f"pane-{name}", elem_classes="pane")


def _slider(label: str, name: str, height_px: int) -> gr.ImageSlider:
    return gr.ImageSlider(
        label=label, type="filepath", format="png", interactive=False, elem_id=name, max_height=height_px,
        buttons=["fullscreen"],
    )  # fmt: skip


def _through_hole(shot: Shot, files: tuple[str, str]) -> Any:
    """Two pictures with the slider on the hole, where they differ."""
    box = shot.outcome.filling.box
    middle = 100 * (box.left + box.width / 2) / shot.outcome.filling.picture.size[1]
    return gr.update(value=files, slider_position=min(95.0, max(5.0, middle)))


def on_point(visit: Visit, point: float) -> str:
    """Another point of the path was chosen."""
    return frame(visit.shots[-1], int(point)) if visit.shots else note(NO_PATH)


def frame(shot: Shot, index: int) -> str:
    """The four pictures of one point of the path, as HTML."""
    frames = shot.reasons.frames if shot.reasons else ()
    if not frames:
        return note(NO_PATH)
    chosen = frames[min(max(0, index), len(frames) - 1)]
    share = f"{100 * chosen.alpha:.0f} % of the way to the picture"
    figures = "".join(
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(chosen.pictures[name]).decode()}" '
        f'alt="{html.escape(title)}, {share}" /><figcaption>{html.escape(title)}</figcaption></figure>'
        for name, title in PICTURES.items()
    )
    return f'<div class="frames"><p role="status">{share}</p>{figures}</div>'


def _pair(first: Shot, second: Shot) -> str:
    """Heatmaps of two fills on one scale, as HTML."""
    pictures = pair_pictures(first, second)
    if not pictures:
        return note("The heatmaps of both fills appear here when both are explained.")
    figures = ""
    for path, title in pictures:
        data = base64.b64encode(Path(path).read_bytes()).decode()
        source = f"data:image/jpeg;base64,{data}"
        figures += f'<figure><img src="{source}" alt="{title}" /><figcaption>{title}</figcaption></figure>'
    return f'<div class="frames pair">{figures}</div>'

"""Named endpoints for `gradio_client` and others: fill, explain, compare; each waits in the same queue as the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from ..backends.registry import info
from ..imaging.errors import LensError
from ..imaging.hole import Hole, threshold
from ..imaging.picture import Picture
from ..imaging.reading import Limits, decode_picture, mask_array
from ..imaging.writing import encode_picture, encode_png
from ..plugin.choices import DEFAULT_BACKEND
from ..plugin.files import heatmap_picture
from ..plugin.operation import Outcome, Source
from ..plugin.request import FillOptions, Target
from ..plugin.service.jobs import Job
from ..plugin.service.wording import told
from .compare_actions import check_names, jobs_for
from .desk import Desk, aside, taken
from .doing import fill, fill_all, give_reasons, place, submit
from .fill_actions import AUTO, explain_options
from .photos import read
from .results import Sheet
from .widgets import cached, uploaded

PATIENCE_S = 5.0


class Endpoints:
    """The functions behind the endpoints."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def fill(
        self, picture: str, mask: str, exclude: str | None, backend: str, seed: float, grow: float, feather: float
    ) -> tuple[str, dict[str, Any]]:
        """Fill the white part of a mask. Returns the filled picture as PNG, and a report."""
        try:
            outcome = await self._fill(picture, mask, exclude, _how(backend, seed, grow, feather))
            return _result(outcome), outcome.report()
        except (LensError, MemoryError) as error:
            raise _told(error) from error

    async def explain(
        self,
        picture: str,
        mask: str,
        exclude: str | None,
        backend: str,
        method: str,
        x: float,
        y: float,
        size: float,
        seed: float,
    ) -> tuple[str, str, str, str, dict[str, Any]]:
        """Fill and explain; `size` above 0 explains only a square of the fill around column `x`, row `y`.

        Returns the filled picture, the heatmap, the mask of what stands out (give it as `exclude` to fill without it),
        the explanation in words, and a report.
        """
        try:
            outcome = await self._fill(picture, mask, exclude, _how(backend, seed))
            target = Target(int(x), int(y), int(size)) if size and size > 0 else None
            why = explain_options(backend, method or AUTO, "none", target=target)
            filling, device = outcome.filling, await aside(place, outcome.filling.options)
            job = submit(self.desk.jobs, "explain", lambda m: give_reasons(filling, why, m), device, backend)
            explanation = (await _finished(job)).explanation
            done = replace(outcome, explanation=explanation)
            region = encode_png((explanation.region_in(filling.hole.size) * 255).astype("uint8"))
            heat = cached(encode_png(heatmap_picture(done)), "heatmap.png")
            return _result(done), heat, cached(region, "region.png"), explanation.sentence, done.report()
        except (LensError, MemoryError) as error:
            raise _told(error) from error

    async def compare(
        self, picture: str, mask: str, original: str | None, backends: Sequence[str], seed: float
    ) -> tuple[str, list[dict[str, Any]]]:
        """Let two to four backends fill the same hole. Returns a sheet of fills and heatmaps, and the numbers.

        `original`, the true picture, adds scores inside the hole.
        """
        try:
            jobs = jobs_for(check_names(backends), {}, int(seed or 0))
            devices = [await aside(place, how) for how, _ in jobs]
            source, truth = await aside(self._source, picture, mask, None), await aside(self._picture, original)
            lane = next((device for device in devices if device != "cpu"), "cpu")
            job = submit(self.desk.jobs, "compare", lambda m: fill_all(source, jobs, m), lane, ", ".join(backends))
            sheet = Sheet("comparison", source, await _finished(job), truth)
            return cached(encode_png(await aside(sheet.picture)), "comparison.png"), await aside(sheet.table)
        except (LensError, MemoryError) as error:
            raise _told(error) from error

    async def _fill(self, picture: str, mask: str, exclude: str | None, how: FillOptions) -> Outcome:
        device = await aside(place, how)
        self.desk.jobs.check_room(device)
        source = await aside(self._source, picture, mask, exclude, info(how.backend).task == "restore")
        return await _finished(submit(self.desk.jobs, "fill", lambda m: fill(source, how, m), device, how.backend))

    def _source(self, picture: str, mask: str, exclude: str | None, whole: bool = False) -> Source:
        opened = _decoded(picture, self.desk.limits)
        hole = Hole(threshold(mask_array(_decoded(mask, self.desk.limits)), opened.size), whole)
        barred = None if not exclude else threshold(mask_array(_decoded(exclude, self.desk.limits)), opened.size)
        return Source(opened, hole, barred)

    def _picture(self, path: str | None) -> Picture | None:
        return _decoded(path, self.desk.limits) if path else None


def add_endpoints(desk: Desk) -> None:
    """Put the endpoints into the page, without anything to be seen."""
    endpoints = Endpoints(desk)
    with gr.Row(visible=False):
        picture, mask, exclude, original = (gr.File(label=name) for name in ("picture", "mask", "exclude", "original"))
        backend, method = gr.Textbox(DEFAULT_BACKEND, label="backend"), gr.Textbox(AUTO, label="method")
        backends = gr.Dropdown([], multiselect=True, allow_custom_value=True, label="backends")
        seed, grow, feather = gr.Number(0), gr.Number(0), gr.Number(4)
        x, y, size = gr.Number(0), gr.Number(0), gr.Number(0)
        files, text, report = [gr.File() for _ in range(3)], gr.Textbox(), gr.JSON()
        press = gr.Button()
    free: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden"}
    press.click(
        endpoints.fill, [picture, mask, exclude, backend, seed, grow, feather], [files[0], report],
        api_name="fill", **free,
    )  # fmt: skip
    press.click(
        endpoints.explain, [picture, mask, exclude, backend, method, x, y, size, seed], [*files, text, report],
        api_name="explain", **free,
    )  # fmt: skip
    press.click(
        endpoints.compare, [picture, mask, original, backends, seed], [files[0], report], api_name="compare", **free
    )


def _how(backend: str, seed: float, grow: float = 0, feather: float = 4) -> FillOptions:
    return FillOptions(
        backend=info(backend or DEFAULT_BACKEND).name, seed=int(seed or 0), grow_px=int(grow), feather_px=int(feather)
    )


def _decoded(path: str, limits: Limits) -> Picture:
    file = uploaded({"path": path})
    if file is None:
        raise LensError("Send a picture and a mask of the same size.")
    return decode_picture(read(file, Path(path).name, limits), Path(path).name, limits)


async def _finished(job: Job[Any]) -> Any:
    with job.listening():
        while (snapshot := await job.achanges(PATIENCE_S))["expires_in_s"] is None:
            del snapshot
    return taken(job)


def _result(outcome: Outcome) -> str:
    return cached(encode_picture(outcome.filling.picture, "png")[0], "result.png")


def _told(error: BaseException) -> gr.Error:
    return gr.Error(str(told(error)), print_exception=False)

"""Load what the first visitor will need, as a job like any other."""

from __future__ import annotations

import numpy as np

from ..imaging.hole import Hole
from ..imaging.monitor import Monitor
from ..imaging.picture import Picture
from ..plugin.operation import Outcome, Source, fill_and_explain
from ..plugin.request import ExplainOptions, FillOptions
from ..plugin.service.jobs import Jobs
from .doing import place

SIDE_PX = 128


def warm_up(jobs: Jobs) -> None:
    """Fill and explain a tiny picture with the backend that is chosen at first."""
    how = FillOptions()

    def work(monitor: Monitor) -> Outcome:
        return fill_and_explain(_tiny(), how, ExplainOptions(), monitor)

    job = jobs.submit("fill", work, device=place(how), label="warming up")
    job.wait()
    job.drop()


def _tiny() -> Source:
    levels = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[56:72, 56:72] = True
    return Source(Picture.from_array(levels), Hole(mask))

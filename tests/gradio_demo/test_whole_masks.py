"""A mask of the whole picture on the page: for a backend that restores, and for no other."""

from __future__ import annotations

import numpy as np
import pytest
from inpaint_lens.gradio_demo import fill_actions, photos
from inpaint_lens.gradio_demo.visits import Visit
from inpaint_lens.gradio_demo.widgets import Painted, cached
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.imaging.writing import encode_png
from inpaint_lens.plugin.request import FillOptions

LIMITS = Limits(max_pixels=1_000_000, max_bytes=10_000_000)


@pytest.fixture
def painted() -> Painted:
    """A picture that was opened, and a mask file that is white all over."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    source = photos.Path(cached(encode_png(pixels), "old.png"))
    mask = photos.Path(cached(encode_png(np.full((40, 50), 255, np.uint8)), "all.png"))
    return Painted(source=source, name="old.png", mask_file=mask, mask_name="all.png")


def with_paint(painted: Painted, visit: Visit) -> Painted:
    photo = fill_actions.at_hand(visit, painted, LIMITS)
    return Painted(
        source=painted.source,
        name=painted.name,
        paint={"fill": photos.url_bytes(photos.mask_url(np.ones(photo.shown_size, bool)))},
    )


def test_a_whole_picture_may_be_restored(painted):
    visit = Visit()
    assert fill_actions.with_mask_file(visit, painted, "restore", LIMITS)["paint"]["fill"]
    _, source = fill_actions.prepared(visit, with_paint(painted, visit), FillOptions("restore"), LIMITS)
    assert source.hole.mask.all()


def test_a_whole_picture_may_not_be_filled(painted):
    visit = Visit()
    with pytest.raises(InputError, match="covers the whole picture"):
        fill_actions.with_mask_file(visit, painted, "telea", LIMITS)
    with pytest.raises(InputError, match="covers the whole picture"):
        fill_actions.prepared(visit, with_paint(painted, visit), FillOptions("telea"), LIMITS)

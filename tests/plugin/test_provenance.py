import numpy as np
import pytest
from inpaint_lens.backends import load
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.explaining import explain
from inpaint_lens.plugin.filling import fill
from inpaint_lens.plugin.request import ExplainOptions, FillOptions, default_method


@pytest.fixture(scope="module")
def scene():
    """Noise of one kind everywhere but for stripes in the right half, which the hole lies in."""
    rng = np.random.default_rng(0)
    array = (60 + 40 * rng.random((96, 128, 3))).astype(np.uint8)
    stripes = (128 + 100 * np.sin(np.arange(96) * 2 * np.pi / 6)).astype(np.uint8)
    array[:, 64:] = stripes[:, None, None]
    mask = np.zeros((96, 128), bool)
    mask[40:56, 90:106] = True
    return Picture.from_array(array), Hole(mask)


def test_the_map_is_how_often_each_pixel_was_copied(scene):
    picture, hole = scene
    filling = fill(picture, hole, load("exemplar"), FillOptions("exemplar", feather_px=0))
    explanation = explain(filling, ExplainOptions(default_method(filling.backend.info)))
    assert explanation.options.method == "provenance"
    assert explanation.signed.sum() == pytest.approx(hole.pixels, rel=1e-4)
    left = explanation.signed[:, : 64 - explanation.box.left].sum()
    assert left < 0.1 * hole.pixels
    assert "very pixels that were copied" in explanation.sentence


def test_the_sources_explain_the_fill_that_was_made(scene):
    picture, hole = scene
    filling = fill(picture, hole, load("exemplar"), FillOptions("exemplar", feather_px=0, seed=3))
    ((view, part),) = explain(filling, ExplainOptions("provenance")).parts
    assert part.provenance is not None and view.fill is not None
    visible = view.image[0].permute(1, 2, 0).numpy()
    assert np.allclose(part.provenance.filled(visible)[view.mask], view.fill[view.mask], atol=1e-5)


def test_an_excluded_source_is_never_copied(scene):
    picture, hole = scene
    barred = np.zeros(picture.size, bool)
    barred[:38, 64:] = True
    filling = fill(picture, hole, load("exemplar"), FillOptions("exemplar"), exclude=barred)
    explanation = explain(filling, ExplainOptions("provenance"))
    assert not explanation.signed[barred[explanation.box.slices]].any()


def test_a_backend_that_does_not_copy_cannot_be_asked_for_sources(scene):
    picture, hole = scene
    filling = fill(picture, hole, load("telea"), FillOptions("telea"))
    with pytest.raises(InputError, match="does not tell from where it copies"):
        explain(filling, ExplainOptions("provenance"))

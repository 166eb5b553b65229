"""A picture whose right source is known: a texture that exists in one corner only, and a hole in it."""

import numpy as np
import pytest
from inpaint_lens.backends import load
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.explaining import explain
from inpaint_lens.plugin.filling import fill
from inpaint_lens.plugin.request import ExplainOptions, FillOptions

SIDE, CORNER = 128, 64


@pytest.fixture(scope="module")
def scene():
    """Soft noise, and in the lower right corner a weave with a hole in its middle."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:SIDE, :SIDE]
    weave = 128 + 90 * np.sign(np.sin(2 * np.pi * x / 8)) * np.sign(np.sin(2 * np.pi * y / 8))
    array = np.repeat((110 + rng.normal(0, 6, (SIDE, SIDE)))[..., None], 3, 2)
    array[CORNER:, CORNER:] = weave[CORNER:, CORNER:, None]
    mask = np.zeros((SIDE, SIDE), bool)
    mask[88:104, 88:104] = True
    return Picture.from_array(np.clip(array, 0, 255).astype(np.uint8)), Hole(mask)


@pytest.mark.parametrize(
    ("backend", "method", "share"),
    [
        ("exemplar", "provenance", 0.95),
        ("exemplar", "occlusion", 0.8),
        ("patchmatch", "occlusion", 0.8),
        ("lens-small", "path-ig", 0.8),
        ("lens-small", "occlusion", 0.7),
        ("isophote", "path-ig", 0.95),
    ],
)
def test_the_explanation_points_at_the_corner_with_the_texture(scene, backend, method, share):
    picture, hole = scene
    filling = fill(picture, hole, load(backend), FillOptions(backend, feather_px=0, seed=1))
    explanation = explain(filling, ExplainOptions(method, steps="auto" if method == "path-ig" else 60))
    magnitude = np.zeros(picture.size, np.float32)
    magnitude[explanation.box.slices] = explanation.magnitude
    assert magnitude[CORNER:, CORNER:].sum() >= share * magnitude.sum()
    region = explanation.region_in(picture.size)
    assert region[CORNER:, CORNER:].sum() >= 0.9 * region.sum() > 0

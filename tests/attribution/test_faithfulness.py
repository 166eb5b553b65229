import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.attribution.faithfulness import Curve, controls, faithfulness
from inpaint_lens.imaging.errors import InputError


def copies(image, hole):
    return torch.roll(image * (1 - hole), -12, 3)


@pytest.fixture
def target(hole):
    inside = hole[0, 0].bool().numpy().copy()
    inside[:, 24:] = False
    return inside


@pytest.fixture
def maps(hole, target):
    source = np.roll(target, 12, 1).astype(float)
    return {"right": source, "wrong": 1 - source, **controls(hole[0, 0].bool().numpy())}


def test_the_true_map_loses_the_fill_first_and_restores_it_first(image, hole, target, maps):
    found = faithfulness(copies, image, hole, target, maps)
    areas = {name: (curves.deletion.area, curves.insertion.area) for name, curves in found.items()}
    assert min(areas, key=lambda name: areas[name][0]) == max(areas, key=lambda name: areas[name][1]) == "right"
    assert areas["right"][0] < 0.15 < 0.85 < areas["right"][1]
    assert areas["wrong"][0] > 0.85


def test_curves_start_and_end_at_the_whole_fill_and_the_blurred_one(image, hole, target, maps):
    for curves in faithfulness(copies, image, hole, target, maps).values():
        np.testing.assert_allclose(curves.deletion.likeness[[0, -1]], [1, 0], atol=1e-6)
        np.testing.assert_allclose(curves.insertion.likeness[[0, -1]], [0, 1], atol=1e-6)


def test_a_fill_that_the_picture_does_not_shape_is_refused(image, hole, target, maps):
    with pytest.raises(InputError, match="nothing to lose"):
        faithfulness(lambda i, h: torch.zeros_like(i), image, hole, target, maps)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_area_lies_between_the_lowest_and_the_highest_point(values):
    curve = Curve(np.linspace(0, 1, len(values)), np.array(values))
    assert min(values) - 1e-9 <= curve.area <= max(values) + 1e-9

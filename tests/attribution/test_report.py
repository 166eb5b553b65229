import json
from dataclasses import replace

import numpy as np
import pytest
from inpaint_lens.attribution import Attribution, BaselineFacts, smoothed
from inpaint_lens.attribution.smoothing import SMOOTHINGS
from inpaint_lens.imaging.errors import InputError


@pytest.fixture
def found():
    hole = np.zeros((24, 30), bool)
    hole[10:15, 12:18] = True
    contributions = np.zeros((3, 24, 30), np.float32)
    contributions[0, 12, 8], contributions[1, 12, 8], contributions[2, 3, 3] = 3, 1, -1
    return Attribution(
        method="path-ig",
        objective="gradient",
        contributions=contributions,
        target=hole,
        hole=hole,
        value_image=5.0,
        value_baseline=2.0,
        local_error=0.06,
        evaluations=8,
        nonfinite=0,
        baseline=BaselineFacts("blur", 5, 1.1, 11.0, 10.0, True),
        tolerance_percent=1.0,
        complete=True,
    )


def test_map_is_the_sum_over_the_channels(found):
    assert found.signed[12, 8] == 4 and found.signed[3, 3] == -1 and found.magnitude[3, 3] == 1
    assert found.total == 3


def test_errors_are_parts_of_the_change(found):
    assert found.error_percent == 0 and found.local_error_percent == pytest.approx(2) and found.converged
    off = replace(found, value_image=6.0)
    assert off.error_percent == pytest.approx(25) and off.converged is False


def test_error_is_told_in_parts_of_the_value_where_nothing_changes(found):
    same = replace(found, value_image=300.0, value_baseline=300.0)
    assert same.error_percent == pytest.approx(1) and same.error_of == "the value"
    assert "hardly changes" in same.sentence()


def test_sentence_names_distance_side_error_and_evaluations(found):
    sentence = found.sentence()
    assert sentence.startswith("Half of what shaped this fill lies within 4 px of the hole, mostly to the left")
    assert "within 0 % of the change" in sentence and "8 evaluations" in sentence and "tolerance" not in sentence


def test_json_holds_plain_types_only(found):
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text) == found.to_json() and found.to_json()["distance_px_holding"]["0.5"] == 4


def test_explanation_of_a_method_without_a_check_promises_nothing(found):
    bare = replace(found, complete=False, value_baseline=None, local_error=None)
    assert bare.error_percent is bare.local_error_percent is bare.converged is bare.error_of is None
    json.dumps(bare.to_json(), allow_nan=False)


@pytest.mark.parametrize("kind", SMOOTHINGS)
def test_smoothing_leaves_the_numbers_alone(found, kind):
    display = replace(found, smooth=kind).display()
    assert display.shape == (24, 30) and display.dtype == np.float32 and found.signed[12, 8] == 4
    assert (display[12, 8] == 4) == (kind == "none")


@pytest.mark.parametrize("kind", SMOOTHINGS)
def test_smoothing_an_even_map_changes_nothing(kind):
    np.testing.assert_allclose(smoothed(np.full((9, 9), 0.25), kind), 0.25, rtol=1e-6)


def test_unknown_smoothing_is_told():
    with pytest.raises(InputError, match="median"):
        smoothed(np.zeros((3, 3)), "box")

"""What a person does with mouse and keyboard, in a real GIMP on a screen of its own."""

import shutil
from typing import Any

import pytest

LAYERS = ["Heatmap: telea", "Fill: telea", "Background"]


@pytest.fixture(scope="module")
def windows(gimp) -> dict[str, Any]:
    """What came of the steps of `gimp_windows.py`."""
    if gimp.root is None and not all(shutil.which(tool) for tool in ("Xvfb", "xdotool", "openbox", "import")):
        pytest.skip("Xvfb, xdotool, openbox and imagemagick are needed")
    return gimp.told_beside("gimp_windows")


def test_every_step_is_taken(windows):
    assert not [facts["exception"] for facts in windows.values() if "exception" in facts]
    assert list(windows)[-1] == "gimp_is_usable_meanwhile"


def test_ok_adds_the_layers_and_leaves_the_picture_alone(windows):
    facts = windows["ok_fills"]
    assert facts["filled"]
    assert facts["after"]["layers"] == LAYERS
    assert facts["after"]["sum"] == windows["dialog_appears"]["before"]["sum"]


def test_what_was_typed_in_a_run_that_failed_is_offered_until_one_succeeds(windows):
    # Fast marching is not what the dialog offers by itself.
    assert windows["ok_fills"]["after"]["layers"] == LAYERS
    assert not windows["ok_fills"]["typed_kept"]
    assert windows["stop_leaves_everything_as_it_was"]["kept"]


def test_one_undo_takes_back_everything(windows):
    assert windows["one_undo_restores"] == windows["dialog_appears"]["before"]


def test_the_last_fill_is_repeated_without_a_dialog(windows):
    assert windows["ctrl_f_repeats"]["filled"]
    assert windows["ctrl_f_repeats"]["layers"] == LAYERS


def test_a_refusal_is_shown_in_a_box(windows):
    assert windows["what_fails_is_told"]["layers"] == LAYERS


def test_the_models_are_listed_and_the_window_closes_with_escape(windows):
    assert windows["models_are_listed"] == {"listed": True, "gone": True}


def test_stop_ends_the_work_and_leaves_everything_as_it_was(windows):
    facts = windows["stop_leaves_everything_as_it_was"]
    assert facts["started"] and facts["stopped"] and facts["gone"]
    assert facts["now"]["layers"] == ["Background"]
    assert not facts["now"]["dirty"]


def test_gimp_can_be_used_while_a_fill_is_made(windows):
    facts = windows["gimp_is_usable_meanwhile"]
    assert facts["selected"] and facts["still_running"]


def test_closing_the_picture_ends_the_work_with_a_sentence(windows):
    facts = windows["gimp_is_usable_meanwhile"]
    assert facts["stopped"] and facts["told"]

"""A service that is missing, wrong or killed, and a picture that goes away in the middle, in a real GIMP."""

import pytest

TOLD = {
    "not_set_up": "Inpaint Lens is not set up: run `inpaint-lens gimp install`",
    "no_python": "/nowhere/python, is gone",
    "another_python": "No module named 'inpaint_lens'",
    "another_version": "The plug-in is of version 9.9.9",
    "service_killed": "stopped unexpectedly",
    "layer_deleted": "The layer was deleted in the meantime: nothing was added.",
    "unexpected": "Something unexpected went wrong (ZeroDivisionError)",
    "no_image_any_more": "No picture is open",
}


@pytest.mark.parametrize("name", TOLD)
def test_each_trouble_is_told_in_a_sentence(troubles, name):
    assert troubles[name].get("status") in ("calling-error", "execution-error"), troubles[name]
    assert TOLD[name] in troubles[name]["sentence"]


@pytest.mark.parametrize("name", ["not_set_up", "no_python", "another_python", "another_version", "service_killed"])
def test_nothing_is_added_when_there_is_no_fill(troubles, name):
    assert troubles[name]["layers"] == ["picture"]


@pytest.mark.parametrize("name", ["right_again", "first_call_after_another_version"])
def test_the_next_call_works_once_the_settings_are_right(troubles, name):
    assert troubles[name] == {"status": "success", "seconds": troubles[name]["seconds"]}


@pytest.mark.parametrize("name", ["service_killed", "plug_in_killed", "image_closed", "layer_deleted"])
def test_the_next_call_works_after_one_that_was_cut_short(troubles, name):
    assert troubles[name]["next"] == {"status": "success"}


def test_the_service_stops_working_for_a_plug_in_that_was_killed(troubles):
    assert troubles["plug_in_killed"]["stopped"]
    assert troubles["plug_in_killed"]["layers"] == ["picture"]


def test_a_layer_that_was_deleted_in_the_middle_leaves_nothing_behind(troubles):
    assert troubles["layer_deleted"]["acted"]
    assert troubles["layer_deleted"]["layers"] == []


def test_the_selection_that_counts_is_the_one_at_the_start(troubles):
    assert troubles["selection_changed"]["acted"]
    assert troubles["selection_changed"]["size"] == [60, 40]


def test_two_calls_at_once_both_succeed(troubles):
    facts = troubles["two_at_once"]
    assert facts["status"] == "success" and facts["acted"]
    assert facts["layers"] == ["Heatmap: telea", "Fill: telea", "picture"]
    assert facts["others"] == ["Fill: telea", "picture"]


def test_what_nobody_expected_is_logged_for_its_owner_alone(troubles):
    assert "ZeroDivisionError: division by zero" in troubles["unexpected"]["log"]
    assert troubles["unexpected"]["mode"] == 0o600


def test_the_service_stops_working_when_gimp_is_closed(gimp):
    done = gimp.run(["python3", str(gimp.scripts / "gimp_closed.py")])
    assert done.stdout.splitlines()[-1:] == ["the service is idle"], done.stdout + done.stderr

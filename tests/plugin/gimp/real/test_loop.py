"""Fill, explain, exclude, refill in a real GIMP, and what a fill remembers."""

import pytest
from inpaint_lens.plugin.gimp.lens.areas import Area

SUCCESSFUL = (
    "whole_loop",
    "refill_without_what_is_selected",
    "refill_twice",
    "explain_a_part",
    "explain_a_fill_that_was_not_explained",
    "explain_everything_though_a_part_is_selected",
    "refill_a_changed_picture",
    "after_the_layer_was_moved",
    "fill_with_the_heatmap_selected",
    "avoid_the_last_region",
    "repeated_with_the_last_values",
    "lens_small",
)
REFUSED = {
    "explain_beside_the_fill": "does not touch this fill",
    "explain_a_changed_picture": "The picture has changed since this fill was made",
    "explain_after_the_layer_was_deleted": "The layer that was filled is gone",
    "explain_a_layer_without_a_fill": "The layer “picture” has no fill",
    "explain_a_damaged_note": "The layer “Fill: telea” has no fill",
    "refill_without_a_region": "This fill has no highlighted region",
    "another_backend_than_there_is": "did you mean 'lens-small'?",
    "weights_that_are_not_here": "lama needs weights",
}


@pytest.mark.parametrize("name", SUCCESSFUL)
def test_each_turn_of_the_loop_succeeds(loop, name):
    assert loop[name].get("status") == "success", loop[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_with_a_sentence(loop, name):
    assert loop[name]["status"] in ("calling-error", "execution-error")
    assert REFUSED[name] in loop[name]["sentence"]


def test_a_refill_avoids_the_region_of_interest(loop):
    facts = loop["whole_loop"]
    assert facts["first"]["avoid"] is None
    assert facts["second"]["avoid"] == facts["first"]["region"] is not None
    assert facts["second"]["region"] != facts["first"]["region"]
    assert facts["differs"] and facts["same_hole"] and facts["alpha_is_the_same"] and facts["untouched"]


def test_a_refill_stands_for_the_fill_before_it(loop):
    assert loop["whole_loop"]["seen"] == [
        ["Heatmap: telea #1", True],
        ["Fill: telea #1", True],
        ["Heatmap: telea", False],
        ["Fill: telea", False],
        ["picture", True],
    ]


def test_what_is_selected_beside_the_hole_is_avoided_instead(loop):
    avoid = Area.from_json(loop["refill_without_what_is_selected"]["avoid"])
    assert avoid.box == (5, 5, 10, 70)
    assert set(avoid.values) == {255}


def test_a_second_refill_still_avoids_what_the_first_did(loop):
    first, second = (Area.from_json(avoid) for avoid in loop["refill_twice"]["avoids"])
    assert first.without(second) is None
    assert second.without(first) is not None


def test_a_part_of_a_fill_is_explained_by_a_heatmap_in_place_of_the_earlier_one(loop):
    facts = loop["explain_a_part"]
    assert facts["same_result"] and facts["differs"] and facts["coloured"]
    assert facts["heatmap"]["opacity"] == pytest.approx(40)
    assert ["Heatmap: telea", False] in facts["seen"]
    assert ["Heatmap: telea #1", True] in facts["seen"]


def test_the_whole_fill_is_explained_the_same_way_twice(loop):
    assert loop["explain_everything_though_a_part_is_selected"]["same"]


def test_an_explanation_gives_a_fill_its_region(loop):
    facts = loop["explain_a_fill_that_was_not_explained"]
    assert facts["before"] is None
    assert facts["after"] is not None


def test_a_refill_takes_the_picture_as_it_is_now(loop):
    assert loop["refill_a_changed_picture"]["brightest"] < 20


@pytest.mark.parametrize("name", ["after_saving_and_loading", "in_a_copy_of_the_image"])
def test_a_fill_remembers_itself_in_files_and_copies(loop, name):
    assert loop[name]["explain"] == {"status": "success"}
    assert loop[name]["refill"] == {"status": "success"}


def test_the_colour_copy_of_a_grey_picture_can_be_refilled_like_any_other(loop):
    facts = loop["from_the_heatmap_of_a_grey_picture"]
    assert facts["in_the_copy"] == facts["in_the_grey_one"] == {"status": "success"}
    assert facts["place"]["image"] == facts["copy"]
    assert facts["place"]["offset"] == [30, 25]
    assert facts["heatmap_elsewhere"]
    assert facts["grey_layers"] == ["Fill: telea", "picture"]


def test_a_heatmap_follows_the_layer_that_was_moved(loop):
    assert loop["after_the_layer_was_moved"]["heatmap"]["offset"] == [7, -3]


def test_a_layer_of_ours_stands_for_the_picture_below_it(loop):
    assert loop["fill_with_the_heatmap_selected"]["source"]
    assert loop["fill_with_the_heatmap_selected"]["result"]["offset"] == [60, 40]


def test_the_region_highlighted_last_can_be_avoided(loop):
    assert loop["avoid_the_last_region"]["avoid"] == loop["avoid_the_last_region"]["region"]


def test_the_network_of_the_package_is_explained_in_colour(loop):
    facts = loop["lens_small"]
    assert facts["region"] is not None
    assert facts["coloured"] and facts["differs"]


def test_models_without_a_window_wants_names(loop):
    facts = loop["models_for_scripts"]
    assert "names of backends" in facts["none"]["sentence"]
    assert "There is no backend 'nobody'" in facts["unknown"]["sentence"]

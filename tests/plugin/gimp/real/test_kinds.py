"""Fills in a real GIMP, of pictures, layers and selections of every kind."""

import random

import numpy as np
import pytest
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import FillOptions

KINDS = (
    "rgb",
    "rgba",
    "rgba_linear",
    "rgb_u16",
    "rgba_u32_linear",
    "rgba_half",
    "rgba_float",
    "rgb_float_linear",
    "rgba_double",
    "gray",
    "graya_u16",
)
PLACES = ("moved_layer", "layer_larger_than_the_image", "layer_smaller_than_the_image")
LAYERS = ("in_a_group", "a_group", "layer_mask", "text_layer", "locked_layer", "hidden_layer", "saved", "bright_float")
SELECTIONS = ("feathered", "ellipse", "selection_partly_outside")
REFUSED = {
    "selection_outside": "The selection lies outside of the layer “small”",
    "empty_selection": "Nothing is selected",
    "everything_selected": "All of the layer is selected",
    "an_empty_group": "The group “group” is empty",
    "a_channel": "A channel is selected",
    "floating_selection": "anchor it first (Layer > Anchor Floating Selection)",
    "several_layers": "2 layers are selected",
    "no_layer": "No layer is selected",
    "all_erased": "Nothing known is left around the hole",
    "avoid_what_is_not_there": "There is no channel or path named “avoid”",
    "avoid_a_region_that_is_not_there": "No fill of “picture” has been explained yet",
}
SIZE = 80, 96
TELEA_LEVELS = 3 / 255
"""How far this method itself is off, in a picture of one colour."""


@pytest.mark.parametrize("name", [*KINDS, *PLACES, *LAYERS, *SELECTIONS, "indexed", "gray_explained", "rgb_explained"])
def test_a_fill_leaves_the_picture_the_selection_and_the_mode_as_they_are(kinds, name):
    facts = kinds(name)
    assert facts.get("status") == "success", facts
    assert facts["untouched"] and facts["selection_kept"] and facts["kept_kind"]


@pytest.mark.parametrize("name", [*KINDS, *PLACES, *LAYERS, "feathered", "ellipse"])
def test_the_fill_is_exactly_as_opaque_as_the_selection(kinds, name):
    assert kinds(name)["alpha_is_selection"]


@pytest.mark.parametrize("name", [*KINDS, *PLACES])
def test_the_fill_lies_where_the_selection_is(kinds, name):
    left, top = (5, 45) if name == "moved_layer" else (30, 25)
    assert kinds(name)["result"]["offset"] == [left, top]


@pytest.mark.parametrize("name", [*KINDS, *PLACES, "in_a_group"])
def test_the_fill_lies_just_above_the_layer_that_was_filled(kinds, name):
    layers = kinds(name)["layers"]
    layers = layers[0][1] if name == "in_a_group" else layers
    filled = {"layer_larger_than_the_image": "large", "layer_smaller_than_the_image": "small", "in_a_group": "child"}
    place = layers.index("Fill: telea")
    assert layers[place + 1] == filled.get(name, "picture")


def test_the_fill_of_a_group_lies_above_the_group(kinds):
    assert kinds("a_group")["layers"] == ["Fill: telea", ["group", ["child"]], "picture"]


@pytest.mark.parametrize("name", [*KINDS, *PLACES])
def test_the_same_layer_stays_selected(kinds, name):
    assert len(kinds(name)["selected"]) == 1
    assert not kinds(name)["selected"][0].startswith("Fill")


@pytest.mark.parametrize("name", [f"even_{kind}" for kind in KINDS if kind.startswith("rgb")] + ["adobe_rgb"])
def test_the_colours_of_a_fill_are_those_of_the_picture(kinds, name):
    assert kinds(name)["off"] <= TELEA_LEVELS + 0.5 / 255
    assert kinds(name)["border_off"] <= 3


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_filled_is_refused_with_a_sentence_and_changes_nothing(kinds, name):
    facts = kinds(name)
    assert facts["status"] in ("calling-error", "execution-error")
    assert REFUSED[name] in facts["sentence"]
    assert facts["untouched"] and facts["selection_kept"] and not facts["copies"]
    assert not any(str(layer).startswith(("Fill", "Heatmap")) for layer in facts["layers"])


def test_a_selection_partly_outside_is_filled_inside(kinds):
    result = kinds("selection_partly_outside")["result"]
    # The layer ends at column 70 and row 55; the border is 3 pixels wide.
    assert result["offset"] == [57, 37]
    assert result["size"] == [13, 18]


def test_a_grey_picture_stays_grey_and_its_heatmap_comes_in_a_copy_in_colour(kinds):
    facts = kinds("gray_explained")
    (copy,) = facts["copies"]
    assert facts["layers"] == ["Fill: telea", "picture"]
    assert copy == {"layers": ["Heatmap: telea", "Fill: telea", "picture"], "id": copy["id"], "base": "rgb"}
    assert facts["heatmap"]["image"] == copy["id"]
    assert facts["heatmap_coloured"]


def test_a_picture_with_a_palette_is_not_changed_at_all(kinds):
    facts = kinds("indexed")
    (copy,) = facts["copies"]
    assert facts["layers"] == ["picture"]
    assert copy["layers"] == ["Heatmap: telea", "Fill: telea", "picture"]
    assert facts["result"]["image"] == facts["heatmap"]["image"] == copy["id"]
    assert facts["heatmap_coloured"]


def test_the_copies_are_spoken_of(gimp, kinds):
    assert kinds("indexed")["copies"]
    said = " ".join(gimp.told["gimp_kinds"]["stderr"].split())
    assert "The picture is grey, so that the heatmap is in a copy of it in colour." in said
    assert "The picture has a palette, which was left as it is" in said


def test_the_heatmap_is_as_opaque_as_was_asked(kinds):
    facts = kinds("rgb_explained")
    assert facts["heatmap"]["opacity"] == pytest.approx(55)
    assert facts["layers"] == ["Heatmap: telea", "Fill: telea", "picture"]
    assert facts["heatmap_coloured"]


@pytest.mark.parametrize("name", ["avoid_a_channel", "avoid_a_path", "erased_surroundings"])
def test_what_is_avoided_or_erased_does_not_show_in_the_fill(kinds, name):
    assert kinds("avoid_nothing")["reddest"] > 200
    assert kinds(name)["reddest"] < 30


def filled_here(rgba: np.ndarray, mask: np.ndarray) -> np.ndarray:
    outcome = fill_and_explain(Source(Picture.from_array(rgba), Hole(mask)), FillOptions(backend="telea", feather_px=4))
    return outcome.layers()[0].pixels


def shown(rgba: np.ndarray) -> np.ndarray:
    """With nothing under what is transparent."""
    return rgba * (rgba[..., 3:] > 0)


def test_the_fill_is_the_one_that_the_package_makes(gimp, kinds):
    assert kinds("compared_with_the_package")["status"] == "success"
    rgba = np.frombuffer((gimp.folder / "picture.bin").read_bytes(), np.uint8).reshape(*SIZE, 4)
    mask = np.frombuffer((gimp.folder / "selection.bin").read_bytes(), np.uint8).reshape(SIZE) > 0
    want = filled_here(rgba, mask)
    got = np.frombuffer((gimp.folder / "result.bin").read_bytes(), np.uint8).reshape(want.shape)
    np.testing.assert_array_equal(shown(got), shown(want))


def test_a_part_of_a_large_picture_is_filled_as_in_the_whole(gimp, kinds):
    assert kinds("large")["status"] == "success"
    width, height = 5000, 3400
    rgba = np.frombuffer(random.Random(1).randbytes(width * height * 4), np.uint8).reshape(height, width, 4).copy()
    rgba[..., 3] = 255
    mask = np.zeros((height, width), bool)
    mask[1200:1240, 1500:1560] = True
    want = filled_here(rgba, mask)
    got = np.frombuffer((gimp.folder / "large.bin").read_bytes(), np.uint8).reshape(want.shape)
    np.testing.assert_array_equal(shown(got), shown(want))

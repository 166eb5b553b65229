"""What the Fill and Compare tabs do, without a browser."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from inpaint_lens.backends.registry import unload
from inpaint_lens.gradio_demo import compare_actions, doing, example_cache, fill_actions
from inpaint_lens.gradio_demo.downloads import FILES, file_of
from inpaint_lens.gradio_demo.outcome_tabs import OutcomeTabs, frame
from inpaint_lens.gradio_demo.photos import open_photo
from inpaint_lens.gradio_demo.results import Sheet, Shot, pair_pictures, view_value, words
from inpaint_lens.gradio_demo.visits import Visit
from inpaint_lens.gradio_demo.widgets import Painted, cached, mask_url, painted_of, url_bytes
from inpaint_lens.imaging.errors import InputError, LensError, MissingError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.imaging.writing import encode_png
from inpaint_lens.plugin.operation import Source
from inpaint_lens.plugin.request import ExplainOptions, FillOptions, Target
from PIL import Image

LIMITS = Limits(1_000_000, 10_000_000)
SIZE = 96, 128


def scene() -> bytes:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    stripes = (128 + 100 * np.sin(x / 5) * np.cos(y / 9)).astype(np.uint8)
    return encode_png(np.dstack([stripes, stripes[::-1], np.roll(stripes, 9, 1)]))


def hole() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[40:60, 50:80] = True
    return mask


@pytest.fixture(scope="module")
def made() -> Visit:
    """A visit in which a picture was filled and explained."""
    visit = Visit()
    painted = Painted(source=None, paint={"fill": url_bytes(mask_url(hole()))})
    photo = open_photo(scene(), "stripes.png", "key", LIMITS)
    visit.take_photo(photo)
    held = replace(painted, sample="key")
    _, source = fill_actions.prepared(visit, held, FillOptions(), LIMITS)
    shot = Shot(photo, doing.fill(source, FillOptions(), Monitor()), avoided=False)
    shot.whole = doing.give_reasons(shot.outcome.filling, ExplainOptions(), Monitor())
    visit.add(shot)
    return visit


def painted(made: Visit, **paint: np.ndarray) -> Painted:
    return Painted(sample="key", name="stripes.png", paint={kind: url_bytes(mask_url(m)) for kind, m in paint.items()})


def test_results_hold_no_model_and_can_be_explained_after_it_was_given_back(made):
    filling = made.shot.outcome.filling
    assert isinstance(filling.backend, doing.Parked)
    with pytest.raises(LensError):
        filling.backend(*[filling.views[0].image] * 2)
    unload()
    why = ExplainOptions(target=Target(65, 50, 12))
    assert doing.give_reasons(filling, why, Monitor()).explanation.target.any()


def test_the_path_is_kept_as_small_pictures_and_the_report_still_names_its_points(made):
    reasons = made.shot.whole
    assert reasons is not None
    assert len(reasons.frames) >= 2
    assert reasons.frames[-1].alpha == 1
    assert Image.open(io.BytesIO(reasons.frames[0].pictures["restored"])).format == "JPEG"
    (_, part), *_ = reasons.explanation.parts
    assert all(step.image.size == 0 for step in part.steps)
    report = json.loads(made.shot.report_bytes())
    points = [step["alpha"] for step in report["explanation"]["windows"][0]["steps"]]
    assert points == pytest.approx([one.alpha for one in reasons.frames])


def test_the_lens_shows_heat_and_outlines_in_their_place(made):
    value = view_value(made.shot, made.shot.whole)
    assert [layer["role"] for layer in value["layers"]] == ["heat", "edges"]
    assert (value["width"], value["height"]) == SIZE[::-1]
    for layer in value["layers"]:
        assert 0 <= layer["left"] <= layer["left"] + layer["width"] <= 100.001
        assert Image.open(layer["picture"]["path"]).mode == "RGBA"


def test_words_tell_the_sentence_the_error_and_the_distance(made):
    text = words(made.shot.whole)
    assert "Completeness error" in text
    assert "Half of the influence lies within" in text
    assert "data:image/png;base64," in text


def test_a_frame_shows_what_was_given_restored_and_its_activation(made):
    assert frame(made.shot, 0).count("<figure>") == 4
    assert frame(made.shot, 99) == frame(made.shot, len(made.shot.whole.frames) - 1)
    assert "explained by path-ig" in frame(Shot(made.shot.photo, made.shot.outcome, False), 0)


def test_what_is_highlighted_becomes_blue_paint_beside_the_hole(made):
    before = np.zeros(SIZE, bool)
    before[:4] = True
    value = fill_actions.avoiding(made, painted(made, fill=hole(), avoid=before), "lens-small")
    assert value["kind"] == "avoid"
    avoided = np.asarray(Image.open(io.BytesIO(url_bytes(value["paint"]["avoid"]))))[..., 3] > 0
    assert avoided[:4].all()
    assert (avoided & made.shot.highlighted()).sum() == made.shot.highlighted().sum() > 0
    assert not (avoided & hole()).any()
    assert url_bytes(value["paint"]["fill"]) == url_bytes(mask_url(hole()))


def test_a_patch_is_highlighted_while_it_is_shown(made):
    whole = made.shot.highlighted()
    made.shot.patch = doing.give_reasons(made.shot.outcome.filling, ExplainOptions(target=Target(52, 42, 8)), Monitor())
    assert not np.array_equal(made.shot.highlighted(), whole)
    made.shot.patch = None
    assert np.array_equal(made.shot.highlighted(), whole)


def test_two_fills_get_heatmaps_on_one_scale(made):
    first, second = made.shot, replace_shot(made.shot)
    assert len(pair_pictures(first, second)) == 2
    second.whole = None
    assert pair_pictures(first, second) == []


def replace_shot(shot: Shot) -> Shot:
    return Shot(shot.photo, shot.outcome, True, whole=shot.whole)


@pytest.mark.parametrize("words", list(FILES))
def test_files_to_take_home_are_made_when_asked_for(made, words):
    value = file_of(made, words)
    assert value["file"]["orig_name"].startswith("stripes_lens-small")
    assert file_of(Visit(), words)["file"] is None


def test_a_mask_is_saved_as_black_and_white(made):
    value = fill_actions.mask_file(made, painted(made, fill=hole()), LIMITS)
    saved = np.asarray(Image.open(value["file"]["path"]))
    assert np.array_equal(saved, np.where(hole(), 255, 0))
    with pytest.raises(InputError, match="Paint over"):
        fill_actions.mask_file(made, painted(made), LIMITS)


def test_a_click_adds_a_thing_to_the_paint_or_takes_it_away(made):
    thing = np.zeros(SIZE, bool)
    thing[:10, :10] = True
    held, photo = painted(made, fill=hole()), made.shot.photo
    for take, wanted in ((True, hole() | thing), (False, hole() & ~thing)):
        value = fill_actions.picked(photo, {"brush": "fill"}, held, thing, take, "lens-small")
        found = np.asarray(Image.open(io.BytesIO(url_bytes(value["paint"]["fill"]))))[..., 3] > 0
        assert np.array_equal(found, wanted)
    with pytest.raises(InputError):
        fill_actions.picked_point({"x": "a"})


def test_what_cannot_be_opened_leaves_the_painter_as_it_was():
    value = {"stamp": "old", "paint": {"fill": "x"}, "file": {"path": "y"}, "picture": {"url": "z"}}
    after = fill_actions.unchanged(value)
    assert after["stamp"] != "old"
    assert after["file"] is None
    assert after["picture"] == value["picture"]
    assert fill_actions.unchanged(None)["file"] is None


def test_an_upload_is_opened_and_kept_for_later(made):
    path = cached(scene(), "stripes.png")
    value = {"file": {"path": path, "orig_name": "my stripes.png"}}
    visit = Visit()
    shown = fill_actions.opened(visit, painted_of(value), "telea", LIMITS)
    assert shown["source"]["path"] == path
    assert shown["name"] == "my stripes.png"
    assert visit.photo is not None
    again = fill_actions.prepared(
        Visit(), painted_of(shown | {"paint": {"fill": mask_url(hole())}}), FillOptions("telea"), LIMITS
    )
    assert np.array_equal(again[1].hole.mask, hole())


def test_what_is_not_ready_is_told_before_anything_is_queued():
    with pytest.raises(MissingError, match="inpaint-lens download lama"):
        doing.place(FillOptions("lama"))
    with pytest.raises(InputError, match="give a number from 1"):
        doing.place(FillOptions("isophote", settings={"iterations": -1}))
    assert doing.place(FillOptions("telea")) == "cpu"


def test_the_method_follows_the_backend_unless_one_is_chosen():
    assert fill_actions.explain_options("lens-small", "auto", "none").method == "path-ig"
    assert fill_actions.explain_options("telea", "auto", "none").method == "occlusion"
    assert fill_actions.explain_options("exemplar", "auto", "none").method == "provenance"
    assert fill_actions.explain_options("telea", "rise", "mean").smooth == "mean"


def test_pictures_of_the_path_are_kept_for_one_window_or_one_patch_only(made):
    filling = made.shot.outcome.filling
    many = replace(filling, views=filling.views * 3)
    assert doing._keep(filling, ExplainOptions())
    assert not doing._keep(many, ExplainOptions())
    assert doing._keep(many, ExplainOptions(target=Target(60, 50, 8)))
    assert not doing._keep(filling, ExplainOptions(method="gradient"))


def test_results_for_untouched_examples_are_kept_and_nothing_else():
    visit = Visit()
    shown = fill_actions.example(visit, "dune_hikers", "telea", Limits())
    held = painted_of(shown)
    assert visit.photo is not None
    key = example_cache.key_of(visit.photo, held, FillOptions())
    assert key
    assert key != example_cache.key_of(visit.photo, held, FillOptions(seed=1))
    changed = replace(held, paint=held.paint | {"fill": url_bytes(mask_url(np.ones(visit.photo.shown_size, bool)))})
    assert example_cache.key_of(visit.photo, changed, FillOptions()) == ""
    barred = replace(held, paint=held.paint | {"avoid": held.paint["fill"]})
    assert example_cache.key_of(visit.photo, barred, FillOptions()) == ""
    cache = example_cache.ExampleCache(most=1)
    cache.put("", "nothing")
    cache.put("a", 1)
    cache.put("b", 2)
    assert (cache.get(""), cache.get("a"), cache.get("b")) == (None, None, 2)


def test_an_unknown_example_is_refused():
    with pytest.raises(InputError, match="no such example"):
        fill_actions.example(Visit(), "../../etc/passwd", "telea", LIMITS)


def test_a_test_hole_is_the_same_for_the_same_number():
    first, again = (compare_actions.test_task("kitten", 3, Limits()) for _ in range(2))
    other = compare_actions.test_task("kitten", 4, Limits())
    assert np.array_equal(first.source.hole.mask, again.source.hole.mask)
    assert not np.array_equal(first.source.hole.mask, other.source.hole.mask)
    assert max(first.source.picture.size) == compare_actions.TEST_PX
    assert compare_actions.preview(first).shape == (*first.source.picture.size, 3)


def test_a_comparison_is_measured_against_the_truth_and_packed():
    picture = open_photo(scene(), "stripes.png", "key", LIMITS).picture
    task = compare_actions.Task("stripes", Source(picture, Hole(hole())), picture)
    jobs = compare_actions.jobs_for(["telea", "navier-stokes"], {"telea": {"steps": 3}}, 0)
    sheet = Sheet("stripes", task.source, doing.fill_all(task.source, jobs, Monitor()), task.original)
    assert [row["backend"] for row in sheet.table()] == ["telea", "navier-stokes"]
    assert all(row["PSNR dB"] > 5 for row in sheet.table())
    assert "navier-stokes" in compare_actions.table_html(sheet)
    with zipfile.ZipFile(io.BytesIO(sheet.zipped())) as archive:
        assert archive.testzip() is None
        assert "telea_heatmap.png" in archive.namelist()


@pytest.mark.parametrize("names", [[], ["telea"], ["telea"] * 3, ["a", "b", "c", "d", "e"]])
def test_two_to_four_backends_are_compared(names):
    with pytest.raises(InputError, match="two to 4"):
        compare_actions.check_names(names)


def test_results_reach_the_page_in_its_own_values(made):
    import gradio as gr

    with gr.Blocks():
        tabs = OutcomeTabs()
    update = tabs.filled(made)
    assert update[tabs.tabs]["selected"] == "result"
    assert update[tabs.pair] is None
    assert tabs.explained(made, made.shot)[tabs.lens]["layers"]
    second = replace_shot(made.shot)
    both = Visit(photo=made.photo, shots=[made.shot, second])
    update = tabs.filled(both)
    assert update[tabs.tabs]["selected"] == "pair"
    assert update[tabs.pair]["value"] == (made.shot.result_file(), second.result_file())
    box, width = made.shot.outcome.filling.box, made.photo.picture.size[1]
    assert box.left / width < update[tabs.pair]["slider_position"] / 100 < (box.left + box.width) / width


def test_the_painter_gets_the_example_with_its_mask():
    value = fill_actions.example(Visit(), "osprey", "edgeconnect", Limits())
    assert value["guide"]
    assert value["sample"] == "osprey"
    assert value["paint"]["fill"].startswith("data:image/png;base64,")

"""Painting, filling, explaining, excluding and refilling in a real browser."""

from __future__ import annotations

import json
import time
import zipfile

import numpy as np
import pytest
from inpaint_lens.gradio_demo import fill_tab
from inpaint_lens.plugin.selecting import Selection
from PIL import Image

STROKE = ((0.4, 0.42), (0.55, 0.5))


@pytest.fixture
def unhurried(monkeypatch):
    """Explanations that take for ever unless they are stopped."""

    def explain(filling, why, monitor):
        for step in range(3000):
            monitor.report("explaining", step / 3000)
            time.sleep(0.01)

    monkeypatch.setattr(fill_tab, "give_reasons", explain)


def test_a_painted_thing_is_filled_explained_and_taken_home(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.page.locator("#fill").click()
    visitor.said("explained in")
    for shown in visitor.page.locator("#result-slider img").all()[:2]:
        assert shown.evaluate("image => image.naturalWidth") == Image.open(photo).width
    result, before = np.asarray(Image.open(visitor.take("Result (PNG)"))), np.asarray(Image.open(photo))
    changed = (result != before).any(2)
    assert 0 < changed.mean() < 0.2
    assert not changed[: len(changed) // 4].any()
    with zipfile.ZipFile(visitor.take("Layers (.ora)")) as layers:
        assert layers.read("mimetype") == b"image/openraster"
    assert Image.open(visitor.take("Heatmap (PNG)")).format == "PNG"
    report = json.loads(visitor.take("Report (JSON)").read_text())
    assert report["backend"] == "lens-small"
    assert report["explanation"]["converged"]


def test_the_reasons_stand_over_the_fill_and_a_click_explains_one_patch(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.page.locator("#fill").click()
    visitor.said("explained in")
    visitor.tab("Why")
    heat = visitor.page.locator("#lens [data-role=heat]")
    assert heat.is_visible()
    visitor.page.get_by_label("Opacity of the heatmap").fill("20")
    assert heat.evaluate("image => image.style.opacity") == "0.2"
    words = visitor.page.locator("#words").inner_text()
    assert "of the hole" in words
    assert "Completeness error" in words
    assert visitor.page.locator("#words img.chart").evaluate("image => image.naturalWidth") > 100
    visitor.page.get_by_label("Size of the patch").fill("24")
    visitor.page.mouse.click(*visitor.place("#lens .sheet", (0.47, 0.46)))
    visitor.said("The patch is explained")
    assert visitor.page.locator("#lens figure.patched").count() == 1
    visitor.tab("Along the path")
    whole = visitor.page.locator("#path-frames img").first.get_attribute("src")
    assert visitor.page.locator("#path-frames img").count() == 4
    visitor.page.get_by_role("slider", name="Point of the path").fill("0")
    visitor.said("0 % of the way", "#path-frames")
    changed = "before => document.querySelector('#path-frames img').getAttribute('src') !== before"
    visitor.page.wait_for_function(changed, arg=whole, timeout=20_000)


def test_what_stood_out_is_taken_away_and_both_fills_stand_side_by_side(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.page.locator("#fill").click()
    visitor.said("explained in")
    visitor.tab("Why")
    visitor.button("Do not use what stands out")
    visitor.said("striped in blue")
    assert visitor.page.get_by_role("radio", name="Do not use").get_attribute("aria-checked") == "true"
    visitor.stroke((0.3, 0.8), (0.4, 0.85))
    visitor.button("Refill")
    visitor.said("without what you marked")
    assert visitor.page.locator("#pane-pair").is_visible()
    assert visitor.page.locator("#pair-slider img").count() >= 2
    assert visitor.page.locator("#pair-reasons img").count() == 2
    report = json.loads(visitor.take("Report (JSON)").read_text())
    assert report["hole_pixels"] > 0


def test_a_mask_that_is_loaded_comes_back_as_it_was(visit, photo, mask):
    visitor = visit()
    visitor.open(photo)
    visitor.page.locator(".mask-file").set_input_files(mask)
    visitor.said("The mask is painted")
    saved = np.asarray(Image.open(visitor.take("Save the mask")))
    assert np.array_equal(saved, np.asarray(Image.open(mask)))


def test_strokes_are_undone_redone_and_erased(visit, photo):
    visitor = visit()
    visitor.open(photo)
    save = visitor.page.get_by_role("button", name="Save the mask")
    visitor.stroke(*STROKE)
    once = np.asarray(Image.open(visitor.take("Save the mask"))).sum()
    visitor.button("Undo")
    assert save.is_disabled()
    visitor.button("Redo")
    assert np.asarray(Image.open(visitor.take("Save the mask"))).sum() == once
    visitor.page.get_by_role("radio", name="Eraser").click()
    visitor.stroke(STROKE[0], (0.45, 0.45))
    assert 0 < np.asarray(Image.open(visitor.take("Save the mask"))).sum() < once
    visitor.button("Clear this paint")
    assert save.is_disabled()


def test_the_keyboard_paints_and_fills(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.page.locator(".painter .stage").focus()
    keyboard = visitor.page.keyboard
    keyboard.down(" ")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowDown")
    keyboard.up(" ")
    assert np.asarray(Image.open(visitor.take("Save the mask"))).any()
    visitor.choose("telea")
    visitor.fill_only()
    visitor.page.locator("#fill").focus()
    keyboard.press("Enter")
    visitor.said("Filled by telea")


def test_an_example_brings_its_mask_and_nothing_is_lost_by_other_tabs_and_backends(visit):
    visitor = visit()
    visitor.page.get_by_role("button", name="Dune hikers").click()
    visitor.page.locator(".painter.full").wait_for()
    visitor.fill_only()
    visitor.page.get_by_role("radio", name="Do not use").click()
    visitor.stroke((0.1, 0.1), (0.2, 0.1))
    before = visitor.take("Save the mask").read_bytes()
    assert np.asarray(Image.open(visitor.take("Save the mask"))).any()
    visitor.choose("isophote")
    visitor.tab("Compare")
    visitor.tab("How it works")
    visitor.tab("Fill")
    visitor.choose("telea")
    assert visitor.take("Save the mask").read_bytes() == before
    visitor.page.locator("#fill").click()
    assert "without what you marked" in visitor.said("Filled by telea")


def test_settings_follow_the_backend_and_what_was_typed_stays(visit):
    visitor = visit()
    visitor.choose("isophote")
    visitor.page.get_by_text("About this backend").click()
    visitor.page.get_by_label("Transport steps").wait_for()
    field = visitor.page.get_by_label("Iterations")
    field.fill("7")
    visitor.choose("total-variation")
    visitor.page.get_by_label("Tolerance percent").wait_for()
    visitor.choose("isophote")
    visitor.page.get_by_label("Transport steps").wait_for()
    assert visitor.page.get_by_label("Iterations").input_value() == "7"


def test_guide_lines_are_offered_for_a_backend_that_takes_them(visit):
    visitor = visit()
    lines = visitor.page.get_by_role("radio", name="Guide lines")
    assert lines.count() == 0
    visitor.choose("○ edgeconnect")
    lines.wait_for()
    visitor.choose("telea")
    lines.wait_for(state="hidden")


def test_a_backend_that_is_not_ready_says_what_to_do(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.choose("○ lama ")
    visitor.page.locator("#fill").click()
    assert "inpaint-lens download lama" in visitor.said("lama needs weights")


def test_filling_without_paint_says_what_to_do(visit, photo):
    visitor = visit()
    visitor.page.locator("#fill").click()
    visitor.said("Open a photo or take an example first")
    visitor.open(photo)
    visitor.page.locator("#fill").click()
    visitor.said("Paint over what is to be filled first")


def test_a_file_that_is_no_picture_is_refused_in_one_sentence(visit, tmp_path):
    letter = tmp_path / "letter.png"
    letter.write_text("Dear reader")
    visitor = visit()
    visitor.page.locator(".photo-file").set_input_files(letter)
    told = visitor.said("letter.png")
    assert str(tmp_path) not in told
    assert visitor.page.locator(".painter.full").count() == 0


def test_stop_works_within_a_second_and_keeps_the_fill(visit, photo, site, unhurried):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.page.locator("#fill").click()
    visitor.said("Explaining")
    began = time.monotonic()
    visitor.page.locator("#stop").click()
    visitor.said("Stopped")
    assert time.monotonic() - began < 1
    assert visitor.page.locator("#result-slider img").count() >= 2
    assert visitor.page.locator("#fill").is_enabled()
    assert site.jobs.counts()["running"] == 0


def test_a_closed_tab_frees_its_place_within_two_seconds(visit, photo, site, unhurried):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.page.locator("#fill").click()
    visitor.said("Explaining")
    visitor.context.close()
    until = time.monotonic() + 2
    while site.jobs.counts()["running"] and time.monotonic() < until:
        time.sleep(0.02)
    assert site.jobs.counts()["running"] == 0


def test_a_phone_sees_one_column_without_scrolling_sideways(visit, photo):
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visitor.open(photo)
    visitor.stroke(*STROKE)
    visitor.choose("telea")
    visitor.fill_only()
    visitor.page.locator("#fill").tap()
    visitor.said("Filled by telea")
    for name in ("Why", "Along the path", "Before and now", "Result"):
        visitor.tab(name)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
    left, right = (visitor.page.locator(f".desk > .{side}").first.bounding_box() for side in ("left", "right"))
    assert right["y"] >= left["y"] + left["height"]


def test_a_click_selects_a_thing_and_alt_takes_it_away(visit, photo, monkeypatch):
    asked = []

    def select(picture, points, monitor):
        asked.extend(points)
        mask = np.zeros(picture.size, bool)
        mask[20:50, 30:70] = True
        return Selection(mask, 1.0, "a model of ours")

    monkeypatch.setattr(fill_tab, "select", select)
    visitor = visit()
    visitor.open(photo)
    visitor.page.get_by_role("radio", name="Select by a click").click()
    visitor.stroke((0.5, 0.5))
    visitor.said("Selected")
    width, height = Image.open(photo).size
    assert abs(asked[0].x - width / 2) < 3
    assert abs(asked[0].y - height / 2) < 3
    assert np.count_nonzero(np.asarray(Image.open(visitor.take("Save the mask")))) == 30 * 40
    visitor.page.keyboard.down("Alt")
    visitor.stroke((0.4, 0.4))
    visitor.page.keyboard.up("Alt")
    visitor.page.locator("[data-act=mask-out]:disabled").wait_for()


def test_selecting_without_a_model_says_how_to_get_one(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.page.get_by_role("radio", name="Select by a click").click()
    visitor.stroke((0.5, 0.5))
    assert "inpaint-lens" in visitor.said("To select by click")


def test_paint_made_while_something_is_selected_is_not_lost(visit, photo, monkeypatch):
    def select(picture, points, monitor):
        time.sleep(1.5)
        mask = np.zeros(picture.size, bool)
        mask[20:50, 30:70] = True
        return Selection(mask, 1.0, "a model of ours")

    monkeypatch.setattr(fill_tab, "select", select)
    visitor = visit()
    visitor.open(photo)
    visitor.page.get_by_role("radio", name="Select by a click").click()
    visitor.stroke((0.5, 0.5))
    visitor.said("Selecting")
    visitor.page.get_by_role("radio", name="Do not use").click()
    visitor.page.get_by_role("radio", name="Brush").click()
    visitor.stroke((0.1, 0.9), (0.3, 0.9))
    visitor.said("Selected")
    visitor.choose("telea")
    visitor.fill_only()
    visitor.page.locator("#fill").click()
    visitor.said("without what you marked")

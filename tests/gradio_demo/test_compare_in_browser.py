"""Comparing backends in a real browser."""

from __future__ import annotations

import json
import zipfile

import pytest
from inpaint_lens.gradio_demo import compare_actions


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr(compare_actions, "TEST_PX", 128)


def choose_backends(visitor, *names: str) -> None:
    while (tokens := visitor.page.locator("#compare-backends .token-remove")).count():
        tokens.last.click()
    for name in names:
        visitor.page.locator("#compare-backends input").click()
        visitor.page.get_by_role("option", name=name).first.click()
    visitor.page.keyboard.press("Escape")


def test_backends_fill_a_test_hole_and_are_measured_against_the_truth(visit):
    visitor = visit()
    visitor.tab("Compare")
    visitor.page.get_by_label("A test hole").check()
    visitor.page.get_by_text("Picture and hole").wait_for()
    choose_backends(visitor, "telea", "lens-small")
    visitor.button("Compare")
    visitor.said("All backends filled", "#compare-status")
    loaded = "document.querySelector('#sheet img')?.naturalWidth > 900"
    visitor.page.wait_for_function(loaded, timeout=20_000)
    table = visitor.page.locator("#numbers").inner_text()
    assert "PSNR" in table
    assert "lens-small" in table
    with zipfile.ZipFile(visitor.take("Save all (zip)")) as archive:
        assert {"comparison.png", "numbers.json", "telea.png", "lens-small_heatmap.png"} <= set(archive.namelist())
        assert len(json.loads(archive.read("numbers.json"))) == 2


def test_backends_fill_the_paint_of_the_fill_tab(visit, photo):
    visitor = visit()
    visitor.open(photo)
    visitor.stroke((0.4, 0.42), (0.46, 0.44))
    visitor.tab("Compare")
    choose_backends(visitor, "telea", "navier-stokes")
    visitor.button("Compare")
    visitor.said("All backends filled", "#compare-status")
    table = visitor.page.locator("#numbers").inner_text()
    assert "navier-stokes" in table
    assert "PSNR" not in table


def test_one_backend_is_too_few_to_compare(visit):
    visitor = visit()
    visitor.tab("Compare")
    choose_backends(visitor, "telea")
    visitor.button("Compare")
    visitor.said("Choose two to 4 backends", "#compare-status")

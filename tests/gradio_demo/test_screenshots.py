"""Pictures of the page for the documentation; made when INPAINT_LENS_SCREENSHOTS names a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

FOLDER = os.environ.get("INPAINT_LENS_SCREENSHOTS")
EXAMPLE = os.environ.get("INPAINT_LENS_SCREENSHOT_EXAMPLE", "Colorado sign")
pytestmark = pytest.mark.skipif(not FOLDER, reason="INPAINT_LENS_SCREENSHOTS names no folder")


def snap(visitor, name: str, whole: bool = False) -> None:
    visitor.page.mouse.move(2, 2)
    visitor.page.wait_for_timeout(900)
    raw = Path(str(FOLDER)) / f"{name}.png"
    visitor.page.screenshot(path=raw, full_page=whole)
    Image.open(raw).convert("RGB").save(raw.with_suffix(".jpg"), quality=82, optimize=True)
    raw.unlink()


def begin(visit, **context):
    visitor = visit(**context)
    visitor.page.set_default_timeout(600_000)
    visitor.page.get_by_role("button", name=EXAMPLE).click()
    visitor.page.locator(".painter.full").wait_for()
    return visitor


def test_the_loop(visit):
    visitor = begin(visit)
    visitor.page.locator("#fill").click()
    visitor.said("explained in")
    snap(visitor, "web_fill")
    visitor.tab("Why")
    snap(visitor, "web_why")
    visitor.button("Do not use what stands out")
    visitor.said("striped in blue")
    visitor.button("Refill")
    visitor.said("without what you marked")
    snap(visitor, "web_refill")
    visitor.tab("Along the path")
    visitor.page.get_by_role("slider", name="Point of the path").fill("2")
    snap(visitor, "web_path")


def test_the_comparison(visit):
    visitor = visit()
    visitor.page.set_default_timeout(600_000)
    visitor.tab("Compare")
    visitor.page.get_by_label("A test hole").check()
    visitor.page.get_by_text("Picture and hole").wait_for()
    visitor.button("Compare")
    visitor.said("All backends filled", "#compare-status")
    snap(visitor, "web_compare")


def test_a_phone_in_the_dark(visit):
    phone = {"width": 390, "height": 844}
    visitor = begin(
        visit, viewport=phone, has_touch=True, is_mobile=True, device_scale_factor=1.25, color_scheme="dark"
    )
    visitor.page.locator("#fill").tap()
    visitor.said("explained in")
    visitor.tab("Why")
    snap(visitor, "web_phone", whole=True)

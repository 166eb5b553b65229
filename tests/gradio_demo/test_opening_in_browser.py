"""The ways in which a picture comes into the page: dropped, pasted, from the camera."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from PIL import Image

DROP = """
([name, kind, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], 'osprey.png', { type: 'image/png' }));
  const carried = kind === 'paste' ? { clipboardData: data } : { dataTransfer: data };
  const made = kind === 'paste' ? new ClipboardEvent('paste', { ...carried, bubbles: true, cancelable: true })
    : new DragEvent(kind, { ...carried, bubbles: true, cancelable: true });
  document.querySelector(name).dispatchEvent(made);
}
"""
COPY = """
async (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })]);
}
"""


@pytest.fixture(scope="module")
def browser_arguments() -> list[str]:
    return ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def size_of_mask(visitor: Any) -> tuple[int, int]:
    """Width and height of the picture, as the mask has them that is painted on it."""
    visitor.said("Now paint")
    visitor.page.locator(".painter.full").wait_for()
    visitor.stroke((0.4, 0.4), (0.6, 0.6))
    return Image.open(visitor.take("Save the mask")).size


@pytest.fixture
def text(photo) -> str:
    return base64.b64encode(photo.read_bytes()).decode()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted_with_the_keyboard(visit, photo, text, kind):
    visitor = visit()
    visitor.page.evaluate(DROP, [".painter .stage", kind, text])
    assert size_of_mask(visitor) == Image.open(photo).size


def test_the_paste_button_takes_the_picture_of_the_clipboard(visit, photo, text):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.page.bring_to_front()
    visitor.page.evaluate(COPY, text)
    visitor.button("Paste")
    assert size_of_mask(visitor) == Image.open(photo).size


def test_the_paste_button_says_when_there_is_no_picture(visit):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.page.bring_to_front()
    visitor.page.evaluate("navigator.clipboard.writeText('words')")
    visitor.button("Paste")
    visitor.page.get_by_text("There is no picture in the clipboard.").wait_for()


def test_the_camera_takes_a_photo(visit):
    visitor = visit()
    visitor.button("Camera")
    visitor.page.wait_for_function("document.querySelector('.painter video').videoWidth > 0")
    visitor.page.locator("[data-act=snap]").click()
    assert min(size_of_mask(visitor)) > 100
    assert visitor.page.locator(".painter .camera").is_hidden()

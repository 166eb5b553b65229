from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.gradio_demo import photos
from inpaint_lens.gradio_demo.photos import (
    before_file,
    easel,
    mask_of,
    open_photo,
    paint_url,
    photo_of,
    source_of,
    uploaded_mask,
)
from inpaint_lens.gradio_demo.widgets import Painted, cached, mask_url, url_bytes
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.imaging.writing import encode_png
from PIL import Image

LIMITS = Limits(1_000_000, 10_000_000)


def picture(height: int = 60, width: int = 90) -> bytes:
    return encode_png(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def opened(height: int = 60, width: int = 90) -> photos.Photo:
    return open_photo(picture(height, width), "beach.png", "key", LIMITS)


def test_a_picture_is_opened_at_full_fidelity_and_shown_smaller(monkeypatch):
    monkeypatch.setattr(photos, "SHOWN_PX", 45)
    photo = open_photo(picture(), "my beach.png", "key", LIMITS)
    assert photo.picture.size == (60, 90)
    assert photo.shown_size == (60, 90)  # the default is bound when the page starts
    assert photos.small(photo.picture.to_srgb8(), 45).shape == (30, 45, 3)
    assert photo.name == "my beach"


def test_the_picture_before_is_the_picture_bit_for_bit():
    photo = opened()
    assert np.array_equal(np.asarray(Image.open(before_file(photo))), photo.picture.pixels)
    assert before_file(photo) == before_file(photo)


def test_sixteen_bits_survive():
    levels = np.random.default_rng(0).integers(0, 65536, (40, 40), np.uint16)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "TIFF")
    photo = open_photo(stream.getvalue(), "deep.tif", "key", LIMITS)
    assert np.array_equal(photo.picture.pixels[..., 0], levels)


@given(st.integers(0, 2**32 - 1))
def test_paint_on_the_copy_of_a_small_picture_is_the_mask(seed):
    photo = opened()
    mask = np.random.default_rng(seed).random((60, 90)) > 0.5
    found = mask_of(photo, url_bytes(mask_url(mask)))
    assert found is not None
    assert np.array_equal(found, mask)


def test_a_mask_of_a_large_picture_stands_as_it_was_until_it_is_painted_over(monkeypatch):
    photo = opened(100, 150)
    object.__setattr__(photo, "shown_size", (50, 75))
    mask = np.zeros((100, 150), bool)
    mask[31, 20:120] = True  # thinner than a pixel of the copy
    untouched = url_bytes(paint_url(photo, mask))
    found = mask_of(photo, untouched)
    assert found is not None
    assert np.array_equal(found, mask)
    touched = url_bytes(mask_url(np.ones((50, 75), bool)))
    found = mask_of(photo, touched)
    assert found is not None
    assert found.all()
    assert found.shape == (100, 150)


def test_no_paint_is_no_mask():
    photo = opened()
    assert mask_of(photo, b"") is None
    assert mask_of(photo, url_bytes(mask_url(np.zeros((60, 90), bool)))) is None
    assert paint_url(photo, np.zeros((60, 90), bool)) == ""


def test_paint_of_another_picture_is_refused():
    with pytest.raises(InputError, match="does not fit"):
        mask_of(opened(), url_bytes(mask_url(np.ones((60, 80), bool))))


@pytest.mark.parametrize("paint", ["javascript:alert(1)", "data:image/png;base64,???", "data:text/html,<b>", 7])
def test_paint_that_is_no_png_is_refused(paint):
    with pytest.raises(InputError, match="paint once more"):
        url_bytes(paint)


def test_a_bomb_of_paint_is_refused_before_it_is_decoded():
    large = encode_png(np.full((300, 300, 4), 255, np.uint8))
    with pytest.raises(InputError, match="limit"):
        mask_of(opened(), large)


def test_a_fill_needs_paint_and_takes_all_kinds_of_it():
    photo = opened()
    masks = {kind: np.zeros((60, 90), bool) for kind in ("fill", "avoid", "guide")}
    for row, mask in enumerate(masks.values()):
        mask[10 * row : 10 * row + 5, 5:20] = True
    painted = Painted(paint={kind: url_bytes(mask_url(mask)) for kind, mask in masks.items()})
    source = source_of(photo, painted, guided=True)
    assert np.array_equal(source.hole.mask, masks["fill"])
    assert source.exclude is not None
    assert np.array_equal(source.exclude, masks["avoid"])
    assert source.guide is not None
    assert source_of(photo, painted, guided=False).guide is None
    with pytest.raises(InputError, match="Paint over"):
        source_of(photo, Painted(), guided=False)


def test_a_picture_that_was_forgotten_is_opened_again_from_its_file():
    path = cached(picture(), "again.png")
    painted = Painted(source=photos.Path(path), name="again.png")
    first = photo_of(painted, None, LIMITS)
    assert photo_of(painted, first, LIMITS) is first
    assert np.array_equal(photo_of(painted, opened(), LIMITS).picture.pixels, first.picture.pixels)
    photos.Path(path).unlink()
    assert photo_of(painted, first, LIMITS) is first
    with pytest.raises(InputError, match="no longer here"):
        photo_of(painted, None, LIMITS)
    with pytest.raises(InputError, match="Open a photo"):
        photo_of(Painted(), None, LIMITS)


def test_files_that_were_cleared_away_are_made_anew():
    photo = opened()
    for make in (before_file, photos.shown_file):
        path = photos.Path(make(photo))
        path.unlink()
        assert photos.Path(make(photo)).exists()


def test_limits_are_told_in_one_sentence():
    with pytest.raises(InputError, match="megapixels"):
        open_photo(picture(), "large.png", "key", Limits(1000, 10_000_000))
    path = photos.Path(cached(picture(), "heavy.png"))
    with pytest.raises(InputError, match="make it smaller"):
        photos.read(path, "heavy.png", Limits(1_000_000, 100))


def test_a_mask_file_must_fit_the_picture():
    levels = np.zeros((60, 90), np.uint8)
    levels[:10] = 255
    assert uploaded_mask(encode_png(levels), "mask.png", opened(), LIMITS)[:10].all()
    with pytest.raises(InputError, match="save the mask at the size"):
        uploaded_mask(encode_png(levels[:, :50]), "mask.png", opened(), LIMITS)


def test_the_painter_is_told_sizes_and_paint():
    photo = opened()
    value = easel(photo, Painted(name="beach.png"), {"fill": "x"}, kind="avoid", guided=True)
    assert (value["width"], value["height"], value["full_width"]) == (90, 60, 90)
    assert value["paint"] == {"fill": "x"}
    assert value["kind"] == "avoid"
    assert value["guide"]
    assert value["stamp"] != easel(photo, Painted(), {})["stamp"]

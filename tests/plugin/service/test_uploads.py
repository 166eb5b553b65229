import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.imaging.writing import encode_picture
from inpaint_lens.plugin.service.uploads import Upload, read_npy, read_picture_upload
from numpy.lib import format as npy_format

LIMITS = Limits(max_pixels=10_000, max_bytes=10**6)
TYPES = ("bool", "uint8", "uint16", "float32", "float64")


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def headed(header: str, payload: bytes = b"") -> bytes:
    """A `.npy` of version 1.0 with this header."""
    text = header.encode("latin1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return npy_format.magic(1, 0) + len(text).to_bytes(2, "little") + text + payload


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(name) for name in TYPES]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=4),
        elements={"allow_nan": False},
    )
)
def test_an_array_comes_out_as_it_was_saved(array):
    for order in ("C", "F"):
        read = read_npy(npy(np.asarray(array, order=order)), "picture", LIMITS, TYPES)
        assert read.dtype == array.dtype and np.array_equal(read, array)


@given(st.binary(max_size=300))
def test_garbage_is_refused_in_one_sentence(data):
    for start in (npy_format.MAGIC_PREFIX, npy_format.magic(1, 0), b""):
        with pytest.raises(InputError, match="'picture'"):
            read_picture_upload(start + data, LIMITS)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (npy(np.array([[{}]], dtype=object)), "object values"),
        (npy(np.zeros((3, 3), [("a", "u1")])), "void"),
        (npy(np.zeros((3, 3), ">u2")), "native order"),
        (npy(np.zeros((3, 3), np.complex64)), "complex64 values"),
        (npy(np.zeros((3, 3))[:2])[:-1], "cut short"),
        (npy(np.zeros((3, 3))) + b"x", "too long"),
        (npy(np.zeros(9)), "shape"),
        (npy(np.zeros((3, 0))), "shape"),
        (npy(np.zeros((2, 2, 5))), "shape"),
        (headed("{'descr': '|u1', 'fortran_order': False, 'shape': (4000000000, 4000000000)}"), "megapixels"),
        (headed("{'descr': '|u1', 'fortran_order': False, 'shape': (-3, -3)}", bytes(9)), "shape"),
        (headed("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "(" * 500), "no .npy"),
        (headed("__import__('os').system('true')"), "no .npy"),
        (npy_format.magic(3, 0) + bytes(64), "no .npy"),
        (npy_format.magic(2, 0) + (2**31).to_bytes(4, "little") + b"{", "no .npy"),
    ],
)
def test_a_hostile_array_is_refused_from_its_header(data, sentence, monkeypatch):
    monkeypatch.setattr(np, "load", lambda *_args, **_options: pytest.fail("it was read"))
    with pytest.raises(InputError, match=sentence):
        read_npy(data, "picture", LIMITS, ("uint8", "uint16", "float32", "float64"))


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(monkeypatch):
    large = encode_picture(Picture.from_array(np.zeros((101, 100), np.uint8)), "png")[0]
    monkeypatch.setattr("inpaint_lens.imaging.reading._decode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match="more than the limit"):
        read_picture_upload(large, LIMITS)


def test_every_file_of_a_request_is_read_for_what_it_is():
    picture, mask = np.full((6, 8, 3), 7, np.uint8), np.zeros((6, 8), bool)
    mask[2:4, 3:5] = True
    grey = encode_picture(Picture.from_array(mask.astype(np.uint8) * 255), "png")[0]
    source = Upload(npy(picture), grey, npy(~mask), npy(mask)).source(LIMITS)
    assert np.array_equal(source.picture.to_array(), picture) and np.array_equal(source.hole.mask, mask)
    assert source.exclude is not None and np.array_equal(source.exclude, ~mask)
    assert source.guide is not None and np.array_equal(source.guide, mask)


@pytest.mark.parametrize("field", ["picture", "mask", "exclude", "guide"])
def test_the_sentence_names_the_field(field):
    files: dict[str, Any] = {"picture": npy(np.zeros((6, 8), np.uint8)), "mask": npy(np.eye(6, 8, dtype=bool))}
    with pytest.raises(InputError, match=f"'{field}' is not a picture"):
        Upload(**files | {field: b"GIF9 or something"[1:]}).source(LIMITS)

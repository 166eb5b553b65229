import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inpaint_lens.plugin.gimp.lens.npy import header, parse

TYPES = ["bool", "uint8", "uint16", "float32", "float64"]


def any_array():
    shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)
    return st.sampled_from(TYPES).flatmap(lambda name: arrays.arrays(np.dtype(name), shapes))


@given(any_array())
def test_numpy_reads_what_is_written_here(array):
    data = header(array.shape, array.dtype.name) + array.tobytes()
    read = np.load(io.BytesIO(data), allow_pickle=False)
    assert read.dtype == array.dtype and read.tobytes() == array.tobytes() and read.shape == array.shape


@given(any_array(), st.sampled_from([(1, 0), (2, 0)]))
def test_what_numpy_writes_is_read_here(array, version):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    name, shape, values = parse(stream.getvalue())
    assert (name, shape, bytes(values)) == (array.dtype.name, array.shape, array.tobytes())


@pytest.mark.parametrize("side", [1, 10, 10**9])
def test_the_values_begin_where_memory_is_aligned(side):
    assert len(header((side, side, 4), "uint8")) % 64 == 0


@given(st.binary(max_size=300))
def test_anything_else_is_refused_and_never_run(data):
    with pytest.raises(ValueError):
        parse(b"\x93NUMPY\x01\x00" + data[:1] + b"\x00" + data[1:])


@pytest.mark.parametrize("cut", [0, 5, 9, 40, 127, 128, 130])
def test_what_is_cut_short_is_refused(cut):
    whole = header((2, 2), "uint8") + b"1234"
    with pytest.raises(ValueError):
        parse(whole[:cut])


def test_columns_after_one_another_are_refused():
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(np.zeros((2, 3), np.uint8)))
    with pytest.raises(ValueError, match="not known"):
        parse(stream.getvalue())

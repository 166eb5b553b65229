import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from inpaint_lens.evaluation.models import Model
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.operation import Source

FILE = Path(__file__).parents[1] / "benchmarks" / "looks.py"
HOLE = np.zeros((40, 60), bool)
HOLE[14:26, 20:40] = True
MAPS = arrays(np.float32, HOLE.shape, elements=st.floats(0, 100, width=32))


def loaded():
    spec = importlib.util.spec_from_file_location("looks", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules["looks"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


looks = loaded()


@pytest.fixture(scope="module")
def source() -> Source:
    """Soft waves with a hole in their middle."""
    y, x = np.mgrid[:40, :60]
    picture = np.stack([120 + 80 * np.sin(x / (4 + c)) * np.cos(y / 5) for c in range(3)], 2)
    return Source(Picture.from_array(picture.astype(np.uint8)), Hole(HOLE))


@pytest.fixture(scope="module")
def made(source):
    return [looks.look(source, Model(name, name)) for name in ("telea", "navier-stokes")]


@given(MAPS)
def test_shares_sum_to_one_and_are_none_in_the_hole(magnitude):
    shares = looks.shares_of(magnitude, HOLE)
    assert not shares[HOLE].any()
    assert shares.sum() == pytest.approx(1 if magnitude[~HOLE].any() else 0, abs=1e-3)


@given(MAPS, MAPS)
def test_overlap_is_symmetric_and_one_of_a_map_with_itself(first, second):
    value = looks.overlap(first, second)
    assert -1e-6 <= value <= 1 + 1e-5 and value == pytest.approx(looks.overlap(second, first), abs=1e-6)
    assert looks.overlap(first, 3 * first) == pytest.approx(1 if first.any() else 0, abs=1e-4)


def test_maps_that_have_no_pixel_in_common_do_not_overlap():
    left, right = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    left[:, :2], right[:, 2:] = 1, 1
    assert looks.overlap(left, right) == 0


def test_smoothing_leaves_an_even_map_even_up_to_hole_and_border():
    smooth = looks.smoothed(np.ones(HOLE.shape, np.float32), HOLE)
    assert np.allclose(smooth[~HOLE], 1, atol=1e-4) and not smooth[HOLE].any()


def test_a_reduced_photograph_hides_every_pixel_that_the_mask_touches():
    source = looks.reduced(looks.SAMPLES / "osprey.jpg")
    assert max(source.picture.size) == looks.SIDE_PX and source.hole.size == source.picture.size
    whole = looks.read_source(looks.SAMPLES / "osprey.jpg", looks.SAMPLES / "osprey_mask.png")
    rows, columns = np.nonzero(whole.hole.mask)
    height, width = source.hole.size
    scale = height / whole.hole.size[0], width / whole.hole.size[1]
    assert source.hole.mask[(rows * scale[0]).astype(int), (columns * scale[1]).astype(int)].all()


def test_every_method_sees_the_whole_picture(made):
    for one in made:
        assert one.outcome.explanation.box.size == HOLE.shape
        assert one.shares.sum() == pytest.approx(1, abs=1e-3)


def test_the_tables_have_a_row_for_each_method_and_what_is_near_grows_with_the_reach(made):
    lines = looks.reach_table(made, HOLE)
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| `telea` | occlusion |") and "none promised" in lines[2]
    near = [int(cell.removesuffix(" %")) for cell in lines[2].replace(" | ", "|").split("|")[3:6]]
    assert 0 < near[0] <= near[1] <= near[2] == 100
    common = looks.overlap_table(made)
    assert len({line.count("|") for line in common}) == 1
    first, second = (line.split("|")[2:4] for line in common[2:])
    assert first[0] == second[1] == " 1.00 " and first[1] == second[0]


def test_the_sheet_has_two_rows_of_pictures(source, made):
    height, width = looks.sheet(source, made).shape[:2]
    assert width > 3 * looks.CELL_PX and height > looks.CELL_PX


def test_a_page_keeps_its_words_and_takes_new_tables(tmp_path):
    (tmp_path / "looks_a.jpg").write_bytes(b"picture")
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(f"# Words\n\n{looks.MARK}\n\nold\n")
    for _ in range(2):
        looks.into_page(page, tmp_path, ["a"], ["new"])
    assert page.read_text() == f"# Words\n\n{looks.MARK}\n\nnew\n"
    assert (page.parent / "images" / "looks_a.jpg").read_bytes() == b"picture"

"""The table of a benchmark, whole or cut short, and what its rows say together."""

from math import inf

import numpy as np
import pytest
from inpaint_lens.evaluation.results import COLUMNS, Results, Row
from inpaint_lens.evaluation.summary import EQUAL_PSNR_DB, summarise
from inpaint_lens.imaging.errors import InputError


def row(picture="a.png", mask="centre", backend="telea", **values):
    return Row(picture, mask, backend, {"hole_percent": 25.0, "seconds": 0.5, "peak_mb": 3.0} | values)


def test_rows_come_back_as_they_were(tmp_path):
    rows = [row(psnr_hole=20.25), row('odd, "name"\nof two lines.png', psnr_hole=inf), row("sub/ü.png", ssim_hole=None)]
    table = Results(tmp_path / "results.csv")
    for one in rows:
        table.add(one)
    again = Results(tmp_path / "results.csv").rows
    assert [one.key for one in again] == [one.key for one in rows]
    assert [one.values["psnr_hole"] for one in again] == [20.25, inf, None]


def test_a_line_that_a_kill_cut_short_is_dropped_and_the_next_row_is_whole(tmp_path):
    path = tmp_path / "results.csv"
    table = Results(path)
    table.add(row("a.png"))
    table.add(row("b.png"))
    whole = path.read_bytes()
    for length in range(len(",".join(COLUMNS)) + 1, len(whole)):
        path.write_bytes(whole[:length])
        kept = len(Results(path).rows)
        Results(path).add(row("c.png"))
        assert [one.picture for one in Results(path).rows] == [*["a.png", "b.png"][:kept], "c.png"]


def test_a_later_row_of_the_same_fill_takes_the_place_of_the_first(tmp_path):
    table = Results(tmp_path / "results.csv")
    for value in (1.0, 2.0):
        table.add(row(psnr_hole=value))
    assert [one.values["psnr_hole"] for one in Results(tmp_path / "results.csv").rows] == [2.0]


@pytest.mark.parametrize("content", [b"name,score\na,1\n", b"\xff\xfe\x00", b""])
def test_another_file_of_that_name_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="name another folder"):
        Results(path)
    assert path.read_bytes() == content


def test_means_and_medians_are_those_of_the_rows():
    rows = [row(f"{i}.png", psnr_hole=float(i), seconds=float(i**2), peak_mb=float(i)) for i in range(5)]
    cell = summarise(rows, ["centre"], ["telea"]).cells[0]
    assert (cell.means["psnr_hole"].mean, cell.seconds, cell.peak_mb, cell.count) == (2, 4, 4, 5)
    assert "lpips_hole" not in cell.means


def test_the_infinite_psnr_of_equal_areas_is_taken_as_a_number():
    rows = [row("a.png", psnr_hole=inf), row("b.png", psnr_hole=20.0)]
    assert summarise(rows, [], []).cells[0].means["psnr_hole"].mean == (EQUAL_PSNR_DB + 20) / 2


def test_differences_are_taken_on_the_pictures_that_both_filled():
    rows = [row(f"{i}.png", psnr_hole=10.0 + i) for i in range(8)]
    rows += [row(f"{i}.png", backend="other", psnr_hole=13.0 + i) for i in range(2, 8)]
    summary = summarise(rows, ["centre"], ["telea", "other"])
    difference = next(one for one in summary.differences if one.measure == "psnr_hole")
    assert (difference.backend, summary.reference) == ("other", "telea")
    assert difference.comparison.difference.mean == pytest.approx(3) and difference.comparison.difference.count == 6


def test_a_measure_is_corrected_for_all_masks_and_backends_together():
    rng = np.random.default_rng(0)
    rows = [
        row(f"{i}.png", mask, backend, psnr_hole=float(rng.normal(20 + 0.8 * (backend != "a"), 1)))
        for i in range(12)
        for mask in ("centre", "half")
        for backend in ("a", "b", "c")
    ]
    found = [one.comparison for one in summarise(rows, [], []).differences if one.measure == "psnr_hole"]
    assert len(found) == 4
    smallest = min(found, key=lambda one: one.p)
    assert smallest.corrected_p == pytest.approx(4 * smallest.p)

"""The report: numbers as written, names of files shown and never read as markup, a page that needs nothing else."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from inpaint_lens.evaluation.bench import Failure
from inpaint_lens.evaluation.distribution import Distances
from inpaint_lens.evaluation.page import Shown, hidden, page
from inpaint_lens.evaluation.report import Report, markdown, number, p_value
from inpaint_lens.evaluation.results import Row
from inpaint_lens.evaluation.summary import summarise
from PIL import Image

NASTY = "<script>alert(1)</script>|`*_"


def rows(backends=("first", "second"), masks=("centre",), count=12):
    rng = np.random.default_rng(0)
    keys = [f"{name}_{area}" for area in ("hole", "picture") for name in ("psnr", "ssim", "l1", "lpips")]
    return [
        Row(
            f"{i}.png",
            mask,
            backend,
            {key: float(rng.uniform(1, 2) + place) for key in keys}
            | {"hole_percent": 25.0, "seconds": 0.1, "peak_mb": 1.0},
        )
        for place, backend in enumerate(backends)
        for mask in masks
        for i in range(count)
    ]


def report(**changes):
    values = {
        "title": "Fills",
        "facts": {"Seed": "0"},
        "summary": summarise(rows(), [], []),
        "masks": {"centre": "the middle"},
    }
    return Report(**(values | changes))


class Reader(HTMLParser):
    """Collects tags and checks that they close in order."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader.tags


def gallery():
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return {"centre": [[Shown(picture, NASTY, NASTY), Shown(picture, "original")]]}


def test_the_page_is_well_formed_and_loads_nothing():
    text = page(report(), gallery())
    tags = read(text)
    assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe")]
    links = [value for _, attributes in tags for name, value in attributes.items() if name in ("src", "href")]
    assert links and all(link.startswith("data:image/webp;base64,") for link in links)
    assert any("default-src 'none'" in attributes.get("content", "") for tag, attributes in tags if tag == "meta")


def test_pictures_on_the_page_are_the_pictures():
    data = re.search(r"base64,([^\"]+)", page(report(), gallery()))
    assert data is not None
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))))
    flat = np.full((40, 40, 3), 90, np.uint8)
    data = re.search(r"base64,([^\"]+)", page(report(), {"centre": [[Shown(flat, "flat")]]}))
    assert data is not None
    flat_shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))))
    assert shown.shape == (40, 40, 3) and np.abs(flat_shown.astype(int) - 90).max() <= 3


def nasty():
    named = summarise(rows((NASTY, "second"), (NASTY,)), [], [])
    failures = [Failure(NASTY, NASTY, NASTY, NASTY)]
    return report(title=NASTY, facts={"Data": NASTY}, summary=named, masks={NASTY: NASTY}, failures=failures)


def test_names_are_not_read_as_html():
    text = page(nasty(), gallery())
    assert "<script" not in text and "&lt;script&gt;" in text
    read(text)


def test_names_are_not_read_as_markdown():
    lines = markdown(nasty()).splitlines()
    assert not any("<script" in line.replace("\\<", "") for line in lines)
    heads = [line for line in lines if line.startswith("| backend")]
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith(f"| {heads[0].split()[1]}")}
    assert len(counts) >= 1
    for table in re.findall(r"(?:^\|.*\n)+", markdown(nasty()), re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_the_best_mean_of_each_column_is_bold():
    lines = markdown(report()).splitlines()
    first, second = (next(line for line in lines if line.startswith(f"| {name} ")) for name in ("first", "second"))
    bold = [[cell.strip().startswith("**") for cell in line.split("|")[2:-1]] for line in (first, second)]
    assert bold == [[False, False, True, True], [True, True, False, False]]


def test_a_clear_difference_is_bold_and_says_how_sure_it_is():
    line = next(line for line in markdown(report()).splitlines() if line.startswith("| second ") and "p " in line)
    assert line.count("**+") == 4 and line.count(r"p \< 0.001") == 4


def test_two_mask_sets_are_set_side_by_side_first():
    two = report(summary=summarise(rows(masks=("centre", "half")), [], []))
    titles = [section.title for section in two.sections()]
    assert titles[0] == "All mask sets" and len(titles) == 3
    assert two.sections()[0].tables[0].head == ["backend", "centre", "half"]


def test_distances_have_a_table_of_their_own():
    found = report(distances={("centre", "first"): Distances(12.345, 0.001, 0.0002, 50)})
    assert "| first | 12.35 | 1.00 ± 0.20 | 50 |" in markdown(found)


def test_what_was_left_out_is_told():
    found = report(failures=[Failure("first", "", "", "needs weights")], skipped={"bad.png": "is no picture"})
    text = markdown(found)
    assert "needs weights" in text and "bad.png" in text and "1 failures and 1 skipped pictures in all." in text


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [(1.234, False, "1.23"), (-1.234, True, "−1.23"), (1.0, True, "+1.00"), (-0.001, True, "0.00")],
)
def test_numbers_have_a_true_minus_sign_and_no_negative_nought(value, sign, text):
    assert number(value, 2, sign) == text


def test_small_p_values_are_not_written_as_nought():
    assert p_value(1e-9) == "< 0.001" and p_value(0.0421) == "= 0.042"


def test_the_hole_is_painted_over():
    picture = np.zeros((4, 4, 3), np.uint8)
    hole = np.eye(4, dtype=bool)
    assert (hidden(picture, hole)[hole] > 200).all() and not hidden(picture, hole)[~hole].any()

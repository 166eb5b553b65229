"""The named endpoints, through Gradio's own client."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture(scope="module")
def client(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    return gradio_client.Client(site.url, verbose=False, download_files=folder, analytics_enabled=False)


def file(path: Path):
    return gradio_client.handle_file(path)


def test_a_hole_is_filled_and_the_rest_stays_as_it_was(client, photo, mask):
    result, report = client.predict(
        picture=file(photo), mask=file(mask), exclude=None, backend="telea", seed=0, grow=0, feather=0, api_name="/fill"
    )
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(result))
    hole = np.asarray(Image.open(mask)) > 127
    assert np.array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).mean() > 0.5
    assert report["backend"] == "telea"


def test_a_fill_is_explained_and_what_stood_out_can_be_excluded(client, photo, mask):
    given = {"picture": file(photo), "mask": file(mask), "backend": "lens-small", "seed": 0}
    _, heatmap, region, sentence, report = client.predict(
        **given, exclude=None, method="auto", x=0, y=0, size=0, api_name="/explain"
    )
    assert Image.open(heatmap).size[0] > 100
    assert "of the hole" in sentence
    assert report["explanation"]["method"] == "path-ig"
    stood_out = np.asarray(Image.open(region)) > 127
    assert stood_out.any()
    assert not (stood_out & (np.asarray(Image.open(mask)) > 127)).any()
    first, second = (
        client.predict(**given, exclude=exclude, grow=0, feather=4, api_name="/fill")[0]
        for exclude in (None, file(Path(region)))
    )
    assert not np.array_equal(np.asarray(Image.open(first)), np.asarray(Image.open(second)))


def test_backends_are_compared_on_one_sheet(client, photo, mask):
    sheet, rows = client.predict(
        picture=file(photo), mask=file(mask), original=file(photo), backends=["telea", "navier-stokes"], seed=0,
        api_name="/compare",
    )  # fmt: skip
    assert Image.open(sheet).size[0] > 900
    assert [row["backend"] for row in rows] == ["telea", "navier-stokes"]
    assert all("PSNR dB" in row for row in rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backend": "telea2"}, "did you mean 'telea'"),
        ({"backend": "lama"}, "inpaint-lens download lama"),
        ({"grow": -1}, "from 0 to 4096"),
        ({"mask": None}, "Send a picture and a mask"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(client, photo, mask, change, words):
    given = {"picture": file(photo), "mask": file(mask), "exclude": None, "backend": "telea"}
    with pytest.raises(Exception, match=words):
        client.predict(**given | {"seed": 0, "grow": 0, "feather": 4} | change, api_name="/fill")


def test_a_job_of_a_client_that_stops_waiting_is_stopped(client, photo, mask, site, monkeypatch):
    import time

    from inpaint_lens.gradio_demo import api

    def fill(source, how, monitor):
        for step in range(2000):
            monitor.report("filling", step / 2000)
            time.sleep(0.01)

    monkeypatch.setattr(api, "fill", fill)
    waiting = client.submit(
        picture=file(photo), mask=file(mask), exclude=None, backend="telea", seed=0, grow=0, feather=4, api_name="/fill"
    )
    until = time.monotonic() + 10
    while not site.jobs.counts()["running"] and time.monotonic() < until:
        time.sleep(0.02)
    assert site.jobs.counts()["running"] == 1
    waiting.cancel()
    until = time.monotonic() + 2
    while site.jobs.counts()["running"] and time.monotonic() < until:
        time.sleep(0.02)
    assert site.jobs.counts()["running"] == 0

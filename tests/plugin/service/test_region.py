import io

import numpy as np
import pytest
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions
from inpaint_lens.plugin.service.results import Result


@pytest.fixture
def explained(client):
    """The operation itself on what the client sends, and the same as a result of the service."""
    source = Source(Picture.from_array(client.photograph()), Hole(client.square()))
    outcome = fill_and_explain(source, FillOptions(backend="telea"), ExplainOptions(method="occlusion"))
    return outcome, Result.of(outcome, client.form()["picture"][1], Limits())


def region_at(client, job):
    answer = client.get(f"{job}/region.npy")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/octet-stream"
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def test_the_region_is_a_mask_of_the_whole_picture(client, explained):
    wanted = explained[0].explanation.region_in((60, 70))
    job = client.done(explained=True)
    assert np.array_equal(region_at(client, job), wanted * np.uint8(255)) and wanted.any()
    assert "region.npy" in client.get(job).json()["files"]


def test_the_region_survives_the_folder(explained, tmp_path):
    made = explained[1]
    made.save(tmp_path)
    assert Result.load(tmp_path).region_npy() == made.region_npy() is not None


def test_a_result_that_was_saved_before_there_were_regions_has_none(explained, tmp_path):
    explained[1].save(tmp_path)
    facts = tmp_path / "result.json"
    facts.write_text(facts.read_text().replace('"region": [[', '"older": [['))
    assert Result.load(tmp_path).region is None


def test_what_was_not_explained_has_no_region(client):
    job = client.done()
    answer = client.get(f"{job}/region.npy")
    assert answer.status_code == 404 and "Nothing was explained" in answer.json()["detail"]
    assert "region.npy" not in client.get(job).json()["files"]


def test_the_region_may_be_sent_as_what_to_exclude(client):
    region = client.get(f"{client.done(explained=True)}/region.npy").content
    filled = client.get(f"{client.done(exclude=('e', region))}/result.npy").content
    assert filled != client.get(f"{client.done()}/result.npy").content

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from inpaint_lens.backends.registry import backends
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import decode_picture
from inpaint_lens.imaging.writing import encode_picture
from inpaint_lens.plugin.operation import Outcome, Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions
from inpaint_lens.plugin.service import job as job_module
from inpaint_lens.plugin.service import work
from inpaint_lens.plugin.service.app import create_app
from inpaint_lens.plugin.service.settings import ServiceSettings
from starlette.testclient import TestClient

LIMIT_S = 20.0


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.fixture
def direct(connect) -> Outcome:
    """What the operation gives without a service."""
    source = Source(Picture.from_array(connect.photograph()), Hole(connect.square()))
    return fill_and_explain(source, FillOptions("telea"), ExplainOptions(method="occlusion"))


def read_npy(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)


def test_the_service_gives_what_a_direct_call_gives(client, direct):
    job = client.done(explained=True)
    expected = direct.filling.picture.to_array()
    assert np.array_equal(read_npy(client.get(f"{job}/result.npy").content), expected)
    assert np.array_equal(decode_picture(client.get(f"{job}/result.png").content, "result").to_array(), expected)
    report = client.get(f"{job}/report.json").json()
    assert report["explanation"]["region"] == direct.report()["explanation"]["region"]
    assert client.get(job).json()["sentence"] == direct.explanation.sentence


def test_layers_come_with_their_places(client, direct):
    job = client.done(explained=True)
    places = client.get(job).json()["layers"]
    assert [place["name"] for place in places] == [layer.name for layer in direct.layers()]
    for place, layer in zip(places, direct.layers(), strict=True):
        assert (place["top"], place["left"]) == layer.offset
        assert np.array_equal(read_npy(client.get(f"{job}/layers/{place['slug']}.npy").content), layer.pixels)
        png = decode_picture(client.get(f"{job}/layers/{place['slug']}.png").content, "layer")
        assert np.array_equal(png.to_array()[..., 3], layer.pixels[..., 3])


def test_a_layered_file_and_a_heatmap_can_be_fetched(client):
    job = client.done(explained=True)
    with zipfile.ZipFile(io.BytesIO(client.get(f"{job}/layers.ora").content)) as stack:
        assert stack.read("mimetype") == b"image/openraster"
    answer = client.get(f"{job}/heatmap.png")
    assert answer.headers["content-type"] == "image/png" and decode_picture(answer.content, "heatmap").size > (10, 10)


def test_a_job_without_an_explanation_has_no_heatmap(client):
    job = client.done()
    assert client.get(f"{job}/heatmap.png").status_code == 404
    assert "heatmap.png" not in client.get(job).json()["files"]


def test_everything_that_a_job_names_can_be_fetched(client):
    job = client.done(explained=True)
    assert {client.get(f"{job}/{name}").status_code for name in client.get(job).json()["files"]} == {200}


def test_depth_and_alpha_survive(client):
    deep = np.dstack([client.photograph().astype(np.uint16) * 257, np.full((60, 70), 1000, np.uint16)])
    sent = encode_picture(Picture.from_array(deep), "png")[0]
    job = client.done(picture=("p", sent))
    back = decode_picture(client.get(f"{job}/result.png").content, "result").to_array()
    assert back.dtype == np.uint16 and np.array_equal(back[:20], deep[:20])
    assert np.array_equal(back[..., 3], deep[..., 3])


def test_excluded_pixels_are_not_looked_at(client):
    half = np.zeros((60, 70), bool)
    half[:, :36] = True
    plain, without = (
        read_npy(client.get(f"{client.done(**more)}/result.npy").content)
        for more in ({}, {"exclude": ("e", npy(half))})
    )
    assert not np.array_equal(plain[client.square()], without[client.square()])


def test_results_can_be_fetched_after_a_restart(connect, spool: Path):
    settings = ServiceSettings(spool=spool)
    with connect(settings) as before:
        job = before.done(explained=True)
        facts = before.get(job).json()
        names = [*facts["files"], *(f"layers/{place['slug']}.png" for place in facts["layers"])]
        files = {name: before.get(f"{job}/{name}").content for name in names}
        assert before.get("/v1/health").json()["results"] == "kept over a restart"
    with connect(settings) as after:
        again = after.get(job).json()
        assert {key: again[key] for key in ("state", "files", "layers", "sentence")} == {
            key: facts[key] for key in ("state", "files", "layers", "sentence")
        }
        assert {name: after.get(f"{job}/{name}").content for name in names} == files


def test_jobs_cut_short_are_told_after_a_restart(connect, spool: Path, gated_fill):
    settings = ServiceSettings(spool=spool)
    with connect(settings) as before:
        job = before.submit().json()["id"]
        assert gated_fill.started.wait(LIMIT_S)
    with connect(settings) as after:
        told = after.get(f"/v1/jobs/{job}").json()
        assert told["state"] == "failed" and "submit it again" in told["error"]
        assert after.get(f"/v1/jobs/{job}/result.png").status_code == 409


def test_without_a_spool_health_says_that_results_go_with_the_service(client):
    assert client.get("/v1/health").json()["results"] == "gone with the service"


def test_what_is_gone_from_the_disk_is_told_as_gone(client, until, monkeypatch):
    monkeypatch.setattr(job_module, "TAKE_S", 0.0)
    job = client.done()
    for _ in range(9):
        client.done()
    found = client.jobs.get(job.rpartition("/")[2])
    assert until(lambda: found.folder and not found.held)
    (found.folder / "result.json").unlink()
    answer = client.get(f"{job}/result.png")
    assert answer.status_code == 409 and "submit it again" in answer.json()["detail"]
    assert client.get(job).status_code == 200


def test_a_finished_job_is_deleted_with_its_files(client, until):
    job = client.done()
    found = client.jobs.get(job.rpartition("/")[2])
    assert until(lambda: found.folder)
    folder = found.folder
    last = client.delete(job).json()
    assert last["state"] == "done" and last["error"] == ""
    assert client.get(job).status_code == 404 and not folder.exists()


def test_a_result_is_not_handed_out_before_it_is_there(client, gated_fill):
    answer = client.submit()
    early = client.get(f"{answer.headers['location']}/result.png")
    assert early.status_code == 409 and "come back" in early.json()["detail"]
    assert client.delete(answer.headers["location"]).status_code == 200
    assert client.jobs.get(answer.json()["id"]).wait(LIMIT_S)
    assert client.get(answer.headers["location"]).json()["state"] == "cancelled"


def test_a_full_queue_says_so_and_when_to_come_back(connect, gated_fill):
    with connect(ServiceSettings(queue=1)) as client:
        answers = [client.submit() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert "queue is full" in answers[2].json()["detail"] and int(answers[2].headers["retry-after"]) > 0
        assert client.get("/v1/health").json()["waiting"] == 1


def test_jobs_of_the_pages_are_not_handed_out(client):
    job = client.jobs.submit("fill", lambda _: "for the page")
    assert job.wait(LIMIT_S)
    assert client.get(f"/v1/jobs/{job.id}").status_code == 404


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fill": {"backend": "lens-smal"}}, "did you mean 'lens-small'"),
        ({"fill": {"backend": "../../etc/passwd"}}, "no backend"),
        ({"fill": {"weights": {"lama": "/etc/passwd"}}}, "weights"),
        ({"fill": {"device": "cuda:0; rm"}}, "device"),
        ({"fill": {"backend": "telea", "settings": {"model": "/etc/passwd"}}}, "no setting"),
        ({"fill": {"feather_px": 5000}}, "feather_px"),
        ({"fill": {"seed": -1}}, "seed"),
        ({"explain": {"keep_steps": True}}, "keep_steps"),
        ({"explain": {"method": "magic"}}, "method"),
        ({"explain": {"tolerance_percent": 0}}, "tolerance_percent"),
        ({"picture": "https://example.org/x.png"}, "picture"),
    ],
)
def test_options_that_are_not_offered_are_refused(client, options, words):
    answer = client.post("/v1/jobs", files=client.form(), data={"options": json.dumps(options)})
    assert answer.status_code == 422 and words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"picture": ("p", b"GIF89a")}, "not read here"),
        ({"picture": ("../../etc/passwd", b"root:x")}, "'picture' is not a picture"),
        ({"picture": ("p", b"")}, "'picture' is empty"),
        ({"mask": ("m", npy(np.zeros((60, 70), bool)))}, "empty"),
        ({"mask": ("m", npy(np.ones((60, 70), bool)))}, "whole picture"),
        ({"mask": ("m", npy(np.eye(9)))}, "9 x 9"),
        ({"guide": ("g", npy(np.eye(60, 70, dtype=bool)))}, "takes no drawn lines"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_one_sentence(client, files, words):
    answer = client.submit(**files)
    if answer.status_code == 202:
        job = client.jobs.get(answer.json()["id"])
        assert job.wait(LIMIT_S)
        answer = client.get(f"{answer.headers['location']}/result.png")
        assert answer.status_code == 409
    else:
        assert answer.status_code == 422
    assert words in answer.json()["detail"] and "etc" not in answer.json()["detail"]


def test_a_picture_over_the_limit_is_refused(connect):
    with connect(ServiceSettings(max_pixels=4000)) as client:
        answer = client.submit()
    assert answer.status_code == 422 and "more than the limit" in answer.json()["detail"]


def test_a_request_over_the_limit_is_refused(connect):
    with connect(ServiceSettings(max_bytes=1000)) as client:
        assert client.submit().status_code == 413


def test_a_backend_that_is_not_ready_is_told_with_what_to_do(client):
    answer = client.post("/v1/jobs", files=client.form(), data={"options": '{"fill": {"backend": "lama-onnx"}}'})
    assert answer.status_code == 409 and "inpaint-lens download" in answer.json()["detail"]


def test_an_error_of_ours_in_a_route_loses_its_paths(client, monkeypatch):
    def broken(_name: str) -> None:
        raise work.MissingError("'/root/secret/weights.pt' is not here: get it.")

    monkeypatch.setattr(work, "info", broken)
    answer = client.submit()
    assert answer.status_code == 409 and answer.json()["detail"] == "'weights.pt' is not here: get it."


def test_an_unexpected_error_tells_nothing(client, monkeypatch):
    def broken(_name: str) -> None:
        raise RuntimeError("/root/secret")

    monkeypatch.setattr(work, "info", broken)
    answer = client.submit()
    assert answer.status_code == 500 and "secret" not in answer.text and "Traceback" not in answer.text


def test_every_backend_is_listed_without_paths(client):
    listed = client.get("/v1/backends").json()
    assert [one["name"] for one in listed] == list(backends())
    assert {"licence", "ready", "download_mb", "settings"} <= set(listed[0])
    assert not any("loader" in one or "/root" in one["status"] for one in listed)


def test_the_page_about_the_interface_loads_nothing_from_elsewhere(client):
    answer = client.get("/v1/docs")
    assert answer.status_code == 200 and "/v1/jobs/{job_id}/events" in answer.text
    assert not any(word in answer.text for word in ("<script", "src=", "cdn", "https://"))
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_pages_share_the_jobs_and_stand_behind_the_same_guards(connect):
    seen = []

    def pages(app, jobs) -> None:
        seen.append(jobs)
        app.add_api_route("/", lambda: "a page", include_in_schema=False)

    app = create_app(ServiceSettings(auth="me:secret"), pages)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/").status_code == client.get("/v1/health").status_code == 401
        assert client.get("/", auth=("me", "secret")).json() == "a page"
    assert seen == [app.state.jobs]

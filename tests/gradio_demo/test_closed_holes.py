"""What a client must not get out of the server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

META = {"_type": "gradio.FileData"}
SECRET = "a line that only this machine knows"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.png"
    path.write_text(SECRET)
    return path


def call(site: Any, name: str, body: dict[str, Any], version: str = "v2/") -> str:
    """All that the server says to a call of an endpoint."""
    with httpx.Client(base_url=site.url, timeout=30) as client:
        asked = client.post(f"/gradio_api/call/{version}{name}", json=body)
        if asked.status_code != 200:
            return asked.text
        return client.get(f"/gradio_api/call/{name}/{asked.json()['event_id']}").text


def join(site: Any, function: int, data: list[Any]) -> str:
    """All that the server says to an event of the page, those included that are no endpoints."""
    session = "abcdefghij"
    with httpx.Client(base_url=site.url, timeout=30) as client:
        body = {"data": data, "fn_index": function, "session_hash": session, "event_data": None, "trigger_id": None}
        asked = client.post("/gradio_api/queue/join", json=body)
        if asked.status_code != 200:
            return asked.text
        said = ""
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                said += line
                if "process_completed" in line or "close_stream" in line or "unexpected_error" in line:
                    return said
    return said


def served(site: Any, path: str | Path) -> httpx.Response:
    return httpx.get(f"{site.url}/gradio_api/file={path}")


@pytest.mark.parametrize("meta", [{"meta": META}, {}], ids=["as a file", "as plain data"])
@pytest.mark.parametrize("endpoint", ["fill", "explain", "compare"])
def test_a_file_of_the_server_named_by_a_client_is_neither_read_nor_served(site, secret, endpoint, meta):
    given = {"path": str(secret), **meta}
    backends = {"backends": ["telea", "lens-small"]} if endpoint == "compare" else {"backend": "telea"}
    last = {"original" if endpoint == "compare" else "exclude": given}
    said = call(site, endpoint, {"picture": given, "mask": given, **last, **backends})
    assert "error" in said
    assert SECRET not in said
    assert "secret" not in said
    assert os.environ["GRADIO_TEMP_DIR"] not in said
    assert not list(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("secret*"))
    assert served(site, secret).status_code in (403, 404)


def test_events_of_the_page_do_not_read_files_of_the_server_either(site, secret):
    config = httpx.get(f"{site.url}/config").json()
    parts = {part["id"]: part for part in config["components"]}
    file = {"path": str(secret), "meta": META}
    tried = 0
    for event in config["dependencies"]:
        kinds = [parts[number]["type"] for number in event["inputs"]]
        if "html" not in kinds or not event["backend_fn"]:
            continue
        for given in ({"source": file, "file": file, "mask_file": file, "paint": {}}, file):
            said = join(site, event["id"], [given if kind == "html" else None for kind in kinds])
            assert SECRET not in said
            assert str(secret) not in said
            tried += 1
    assert tried >= 6
    assert not list(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("secret*"))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/",
        "https://example.org/", __file__,
    ],
)  # fmt: skip
def test_no_path_and_no_address_is_served_as_a_file(site, path):
    assert served(site, path).status_code in (403, 404)


def test_no_address_is_opened_for_a_client(site):
    given = {"path": "http://example.org/picture.png", "meta": META}
    said = call(site, "fill", {"picture": given, "mask": given, "exclude": None})
    assert "error" in said
    assert "example.org" not in said


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://127.0.0.1/", "/gradio_api/dev/reload", "/monitoring", "/gradio_api/deep_link",
        "/gradio_api/vibe-code", "/gradio_api/run-history/records", "/gradio_api/custom_component/x/y/z/w",
        "/svelte/index.js", "/gradio_api/runs",
    ],
)  # fmt: skip
def test_routes_that_the_page_does_not_need_are_shut(site, path):
    assert httpx.get(site.url + path).status_code == 404


def test_too_large_a_file_is_not_taken(site):
    files = {"files": ("large.png", b"x" * (9 * 1024**2), "image/png")}
    assert httpx.post(f"{site.url}/gradio_api/upload", files=files).status_code == 413


def test_other_sites_may_not_read_answers(site):
    answer = httpx.get(f"{site.url}/config", headers={"Origin": "https://example.org"})
    assert "access-control-allow-origin" not in answer.headers


def test_only_the_named_endpoints_are_told(site):
    told = httpx.get(f"{site.url}/gradio_api/info").json()
    assert set(told["named_endpoints"]) == {"/fill", "/explain", "/compare"}
    assert told["unnamed_endpoints"] == {}
    names = [parameter["parameter_name"] for parameter in told["named_endpoints"]["/fill"]["parameters"]]
    assert names == ["picture", "mask", "exclude", "backend", "seed", "grow", "feather"]


def test_the_page_names_no_other_host(site):
    page = httpx.get(site.url).text
    assert json.dumps(SECRET) not in page
    assert "fonts.googleapis" not in page
    assert "cdnjs" not in page

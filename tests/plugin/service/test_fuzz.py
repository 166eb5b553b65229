"""The interface keeps its own description, whatever is sent to it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inpaint_lens.plugin.service.api import router
from inpaint_lens.plugin.service.app import create_app
from inpaint_lens.plugin.service.schema import ExplainRequest, FillRequest, JobRequest
from inpaint_lens.plugin.service.settings import ServiceSettings
from schemathesis import GenerationMode
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

LIMIT_S = 20.0
FEW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
OPERATIONS = [
    (path, method)
    for route in router.routes
    if getattr(route, "include_in_schema", False) and (path := getattr(route, "path", ""))
    for method in getattr(route, "methods", ())
]
MODES = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["telea", "auto"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture
def app() -> Iterator[FastAPI]:
    made = create_app(ServiceSettings(hosts=(asgi.HOST,), queue=50, max_pixels=100_000))
    yield made
    made.state.jobs.close()


@pytest.fixture
def schema(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/v1/openapi.json", app)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_nothing_that_is_sent_breaks_the_service_or_its_description(schema, path, method):
    operation = schema[path][method]
    # No description of a file says which bytes are a picture.
    excluded = [positive_data_acceptance] if method == "POST" else []

    @FEW
    @given(case=MODES.flatmap(lambda mode: operation.as_strategy(generation_mode=mode)))
    def check(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded)

    check()


@pytest.mark.parametrize(("path", "method"), [pair for pair in OPERATIONS if "{job_id}" in pair[0]])
def test_what_is_told_of_a_job_that_is_there_is_as_described(app, schema, connect, path, method):
    operation = schema[path][method]
    client = TestClient(app, base_url=f"http://{asgi.HOST}")
    options = {"options": '{"fill": {"backend": "telea"}, "explain": {"method": "occlusion"}}'}
    answer = client.post("/v1/jobs", files=connect.form(), data=options)
    assert answer.status_code == 202, answer.text
    name = answer.json()["id"]
    job = app.state.jobs.get(name)
    assert job.wait(LIMIT_S) and job.state == "done", job.error
    case = operation.Case(path_parameters={"job_id": name, "layer": "heatmap.png"})
    assert case.call_and_validate().status_code == 200


@FEW
@given(
    wrong=st.fixed_dictionaries(
        {},
        optional={
            "fill": JUNK | st.dictionaries(st.sampled_from(list(FillRequest.model_fields)), JUNK, max_size=3),
            "explain": JUNK | st.dictionaries(st.sampled_from(list(ExplainRequest.model_fields)), JUNK, max_size=3),
            "if_client_leaves": JUNK,
        },
    )
)
def test_wild_options_are_taken_or_refused_in_one_sentence(app, connect, wrong):
    assert set(wrong) <= set(JobRequest.model_fields)
    client = TestClient(app, base_url=f"http://{asgi.HOST}", raise_server_exceptions=False)
    answer = client.post("/v1/jobs", files=connect.form(), data={"options": json.dumps(wrong)})
    assert answer.status_code in (202, 409, 422), (answer.status_code, wrong)
    if answer.status_code != 202:
        assert answer.json()["detail"].endswith(".")

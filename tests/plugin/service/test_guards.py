import base64
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from inpaint_lens.plugin.service.guards import BodyLimit, Guard
from inpaint_lens.plugin.service.settings import ServiceSettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


INNER = Starlette(routes=[Route("/", echo, methods=["GET", "POST", "DELETE"])])


def ask(app, method: str = "GET", base: str = "http://127.0.0.1:7860", content=None, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
            return await client.request(method, "/", headers=headers, content=content)

    return anyio.run(send)


def guarded(settings: ServiceSettings) -> Guard:
    return Guard(INNER, settings.allowed_hosts, settings.auth, settings.token)


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LocalHost:80", "[::1]:7860"])
def test_the_names_of_this_machine_are_answered(host):
    assert ask(guarded(ServiceSettings()), base=f"http://{host}").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7860", "localhost@evil.example", "", "[::1", ":"]
)
def test_a_foreign_name_that_leads_here_is_not_answered(host):
    answer = ask(guarded(ServiceSettings()), Host=host)
    assert answer.status_code == 400 and "host name" in answer.json()["detail"]


def test_a_service_for_other_machines_answers_to_any_name_or_those_it_is_given():
    remote = ServiceSettings(host="0.0.0.0", allow_remote=True)
    assert ask(guarded(remote), base="http://lens.example").status_code == 200
    named = ServiceSettings(host="0.0.0.0", allow_remote=True, hosts=("lens.example",))
    assert ask(guarded(named), base="http://lens.example:8080").status_code == 200
    assert ask(guarded(named), base="http://other.example").status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:7861"},
    ],
)
def test_a_browser_may_not_change_anything_for_another_site(headers):
    assert ask(guarded(ServiceSettings()), "POST", **headers).status_code == 403
    assert ask(guarded(ServiceSettings()), "DELETE", **headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Origin": "http://127.0.0.1:7860"}]
)
def test_our_own_pages_and_programs_may(headers):
    assert ask(guarded(ServiceSettings()), "POST", **headers).status_code == 200


def test_no_site_may_read_our_answers():
    answer = ask(guarded(ServiceSettings()), Origin="https://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "Basic",
        "Basic ???",
        "Basic é",
        basic("me:wrong"),
        basic("me"),
        basic(""),
        "Bearer me:sécret",
        "Bearer ",
        "x",
    ],
)
def test_without_the_right_password_nothing_is_answered(given):
    headers = {} if given is None else {"Authorization": given.encode("latin1").decode("latin1")}
    settings = ServiceSettings(auth="me:sécret")

    async def send() -> httpx.Response:
        raw = [(name.encode(), value.encode("latin1")) for name, value in headers.items()]
        transport = httpx.ASGITransport(guarded(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/", headers=raw)

    answer = anyio.run(send)
    assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic ")


def test_password_and_token_admit_side_by_side():
    guard = guarded(ServiceSettings(auth="me:sécret", token="t0ken"))
    assert ask(guard, Authorization=basic("me:sécret")).status_code == 200
    assert ask(guard, Authorization="bearer t0ken").status_code == 200
    assert ask(guard, Authorization="Bearer t0ke").status_code == 401


def test_answers_are_taken_for_what_they_say_they_are():
    assert ask(guarded(ServiceSettings())).headers["x-content-type-options"] == "nosniff"


def test_a_body_that_says_it_is_too_large_is_refused():
    answer = ask(BodyLimit(INNER, 10), "POST", content=b"x" * 11)
    assert answer.status_code == 413 and "larger than" in answer.json()["detail"]
    assert ask(BodyLimit(INNER, 10), "POST", content=b"x" * 10).text == "10"


def test_a_body_that_does_not_say_its_size_is_refused_where_it_becomes_too_large():
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        for index in range(100):
            sent.append(index)
            yield b"x" * 4

    answer = ask(BodyLimit(INNER, 10), "POST", content=endless())
    assert answer.status_code == 413
    assert len(sent) <= 7  # what makes it too large, and as much again that is dropped

"""What needs real connections: streams, clients that vanish, and crowds."""

import asyncio
import io
import json
import socket
import time

import httpx
import numpy as np
import pytest
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import FillOptions
from inpaint_lens.plugin.service.settings import ServiceSettings

LIMIT_S = 20.0


def events_of(stream: httpx.Response) -> list[dict]:
    lines = (line for line in stream.iter_lines() if line.startswith("data: "))
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_stream_tells_progress_and_ends_with_the_job(served):
    job = served.submit()
    with served.client.stream("GET", f"/v1/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = events_of(stream)
    assert told[-1]["state"] == "done" and told[-1]["share"] == 1
    assert [event["version"] for event in told] == sorted({event["version"] for event in told})


def test_a_browser_that_has_seen_the_end_is_told_not_to_come_back(served):
    job = served.submit()
    version = str(served.wait(job)["version"])
    assert served.client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": version}).status_code == 204
    assert served.client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "1"}).status_code == 200


def listen_raw(served, job: str) -> socket.socket:
    """A client that reads the first event and can then be killed."""
    host, port = served.address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), LIMIT_S)
    connection.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    received = b""
    while b"data: " not in received:
        received += connection.recv(4096)
    return connection


def test_a_client_killed_in_the_middle_frees_its_place_within_two_seconds(served, gated_fill):
    killed, waiting = served.submit(0), served.submit(1)
    assert gated_fill.started.wait(LIMIT_S)
    connection = listen_raw(served, killed)
    began = time.monotonic()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # as when its machine resets
    connection.close()
    job, following = served.jobs.get(killed), served.jobs.get(waiting)
    assert job.wait(LIMIT_S) and job.state == "cancelled"
    assert time.monotonic() - began < 2
    gated_fill.open.set()
    assert following.wait(LIMIT_S) and following.state == "done"


def test_a_client_killed_while_it_waits_frees_its_place(serve, gated_fill):
    with serve(ServiceSettings(port=0, queue=1)) as served:
        served.submit(0)
        waiting = served.submit(1)
        connection = listen_raw(served, waiting)
        connection.close()
        assert served.jobs.get(waiting).wait(LIMIT_S)
        assert served.wait(waiting)["state"] == "cancelled"
        served.submit(2)


def test_a_job_that_is_to_be_kept_outlives_its_listeners(serve, gated_fill):
    keep = {"options": '{"fill": {"backend": "telea"}, "if_client_leaves": "keep"}'}
    with serve(ServiceSettings(port=0, leave_s=0.0)) as served:
        kept, left = served.submit(0, **keep), served.submit(1)
        for job in (kept, left):
            listen_raw(served, job).close()
        assert served.wait(left)["state"] == "cancelled"
        gated_fill.open.set()
        assert served.wait(kept)["state"] == "done"


def test_a_stream_that_is_taken_up_again_at_once_keeps_the_job(serve, gated_fill):
    with serve(ServiceSettings(port=0, leave_s=2.0)) as served:
        job, left = served.submit(0), served.submit(1)
        listen_raw(served, left).close()
        listen_raw(served, job).close()
        again = listen_raw(served, job)
        assert served.wait(left)["state"] == "cancelled"
        gated_fill.open.set()
        assert served.wait(job)["state"] == "done"
        again.close()


def test_a_job_that_is_deleted_while_it_runs_stops_within_a_second(served, gated_fill):
    job = served.submit()
    assert gated_fill.started.wait(LIMIT_S)
    began = time.monotonic()
    assert served.client.delete(f"/v1/jobs/{job}").json()["stage"] == "stopping"
    assert served.jobs.get(job).wait(LIMIT_S) and time.monotonic() - began < 1


def test_a_service_that_stops_tells_its_listeners(serve, gated_fill):
    with serve(ServiceSettings(port=0)) as served:
        job = served.submit()
        with served.client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            assert gated_fill.started.wait(LIMIT_S)
            served.jobs.close()
            last = events_of(stream)[-1]
    assert last["state"] == "failed" and "submit it again" in last["error"]


def test_the_sender_of_an_upload_that_is_too_large_hears_why(serve):
    with serve(ServiceSettings(port=0, max_bytes=2_000_000)) as served:
        for _ in range(5):
            answer = served.client.post("/v1/jobs", files={"picture": ("p.png", b"x" * 3_500_000)})
            assert answer.status_code == 413 and "larger than" in answer.json()["detail"]


def test_an_upload_that_grows_too_large_is_cut_off(serve):
    with serve(ServiceSettings(port=0, max_bytes=100_000)) as served:

        def endless():
            yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="p"\r\n\r\n'
            for _ in range(1000):
                yield b"x" * 10_000

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        try:
            status = served.client.post("/v1/jobs", content=endless(), headers=headers).status_code
        except httpx.TransportError:  # cut off before it could read the answer
            status = 413
        assert status == 413
        assert served.client.get("/v1/health").json()["waiting"] == 0


@pytest.mark.parametrize(("backend", "queue"), [("telea", 20), ("telea", 4), ("lens-small", 20)])
def test_twenty_clients_at_once_get_their_own_right_result_or_are_told_that_the_queue_is_full(serve, backend, queue):
    options = {"options": json.dumps({"fill": {"backend": backend}})}

    async def one(client: httpx.AsyncClient, seed: int) -> np.ndarray | None:
        answer = await client.post("/v1/jobs", files=served.form(seed), data=options)
        if answer.status_code == 429:
            assert "queue is full" in answer.json()["detail"]
            return None
        job = f"/v1/jobs/{answer.json()['id']}"
        async with client.stream("GET", f"{job}/events") as stream:
            last = [line async for line in stream.aiter_lines() if line.startswith("data: ")][-1]
        assert '"state": "done"' in last
        return np.load(io.BytesIO((await client.get(f"{job}/result.npy")).content))

    async def crowd() -> list[np.ndarray | None]:
        async with httpx.AsyncClient(base_url=served.address, timeout=60, trust_env=False) as client:
            return await asyncio.gather(*(one(client, seed) for seed in range(20)))

    with serve(ServiceSettings(port=0, queue=queue)) as served:
        results = asyncio.run(crowd())
    right = 0
    for seed, result in enumerate(results):
        if result is None:
            continue
        source = Source(Picture.from_array(served.photograph(seed)), Hole(served.square()))
        assert np.array_equal(result, fill_and_explain(source, FillOptions(backend)).filling.picture.to_array())
        right += 1
    assert right == 20 if queue == 20 else 5 <= right <= 20


def test_a_private_service_listens_on_a_socket_for_its_owner_only(serve, tmp_path):
    path = tmp_path / "s"
    with serve(ServiceSettings(uds=path, token="t0ken")):
        assert path.stat().st_mode & 0o777 == 0o600
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
            assert client.get("/v1/health").status_code == 401
            answer = client.get("/v1/health", headers={"Authorization": "Bearer t0ken"})
            assert answer.status_code == 200

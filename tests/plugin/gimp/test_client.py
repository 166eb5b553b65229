import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.gimp.lens.client import Client
from inpaint_lens.plugin.gimp.lens.connection import Address, Body, Connection
from inpaint_lens.plugin.gimp.lens.errors import Stopped, Trouble, Unreachable
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions

TELEA = {"fill": {"backend": "telea"}}
EXPLAINED = {"fill": {"backend": "telea"}, "explain": {"method": "occlusion"}}
LONG = {"fill": {"backend": "lens-small"}, "explain": {"method": "path-ig", "steps": 4096}}
"""A job of many minutes."""


def direct(request, explain=None):
    """What the operation itself makes of a request."""
    shape = (request.height, request.width)
    pixels = np.frombuffer(request.picture, request.dtype).reshape(*shape, request.channels)
    hole = Hole(np.frombuffer(request.mask, np.uint8).reshape(shape) > 0)
    exclude = None if request.exclude is None else np.frombuffer(request.exclude, np.uint8).reshape(shape) > 0
    return fill_and_explain(Source(Picture.from_array(pixels), hole, exclude), FillOptions(backend="telea"), explain)


def quiet(*_):
    return False


def running_jobs(connection):
    return connection.json("GET", "/v1/health")["running"]


def test_the_layers_are_those_of_the_operation(client, ask):
    request = ask(EXPLAINED)
    answer = client.fill(request, quiet, quiet)
    wanted = direct(request, ExplainOptions(method="occlusion"))
    assert wanted.explanation
    assert [layer.name for layer in answer.layers] == [layer.name for layer in wanted.layers()]
    for got, layer in zip(answer.layers, wanted.layers(), strict=True):
        assert ((got.top, got.left), (got.height, got.width)) == (layer.offset, layer.pixels.shape[:2])
        assert answer.pixels(got.slug) == layer.pixels.tobytes()
    assert answer.sentence == wanted.explanation.sentence and answer.report["backend"] == "telea"


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_filled_picture_comes_back_in_the_type_that_was_sent(client, ask, dtype, top, channels):
    noise = np.random.default_rng(7).random((60, 70, channels))
    request = ask(TELEA, (noise * top).astype(dtype))
    filled = client.fill(request, quiet, quiet).fill()
    assert filled == direct(request).filling.picture.to_array().tobytes()


def test_the_region_of_interest_is_as_large_as_the_picture(client, ask):
    request = ask(EXPLAINED)
    region = client.fill(request, quiet, quiet).region()
    explanation = direct(request, ExplainOptions(method="occlusion")).explanation
    assert explanation
    wanted = explanation.region_in((60, 70))
    assert region == (wanted * np.uint8(255)).tobytes() and wanted.any()


def test_what_was_not_explained_has_no_region(client, ask):
    assert client.fill(ask(TELEA), quiet, quiet).region() is None


def test_what_is_excluded_is_not_looked_at(client, ask):
    exclude = np.zeros((60, 70), np.uint8)
    exclude[:, :30] = 255
    request = ask(TELEA, exclude=exclude)
    filled = client.fill(request, quiet, quiet).fill()
    assert filled == direct(request).filling.picture.to_array().tobytes()
    assert filled != client.fill(ask(TELEA), quiet, quiet).fill()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"fill": {"backend": "telia"}}, "did you mean 'telea'"), ({"fill": {"feather_px": -1}}, "feather_px")],
)
def test_a_refusal_is_the_services_own_sentence(client, ask, options, sentence):
    with pytest.raises(Trouble, match=sentence):
        client.fill(ask(options), quiet, quiet)


def test_a_failure_is_the_services_own_sentence(client, ask):
    target = {"x": 1, "y": 1, "size_px": 3}
    with pytest.raises(Trouble, match="outside of the hole"):
        client.fill(ask(TELEA | {"explain": {"method": "occlusion", "target": target}}), quiet, quiet)


def test_a_layer_that_is_not_there_is_told(client, ask):
    with pytest.raises(Trouble, match="no such layer"):
        client.fill(ask(TELEA), quiet, quiet).pixels("Übermalung")


def test_what_is_forgotten_cannot_be_fetched(client, ask):
    answer = client.fill(ask(TELEA), quiet, quiet)
    answer.forget()
    with pytest.raises(Trouble, match="no such job"):
        answer.fill()


def test_a_stop_in_the_middle_ends_the_job_too(running, join, ask, until):
    connection, stages = join(running), []
    began = 0.0

    def stopped():
        nonlocal began
        if stages and (stages[-1][1] or 0) > 0.3:
            began = began or time.monotonic()
        return began > 0

    with pytest.raises(Stopped):
        Client(connection).fill(ask(LONG), lambda *now: stages.append(now), stopped)
    assert time.monotonic() - began < 2
    assert until(lambda: running_jobs(connection) == 0) and time.monotonic() - began < 5


def test_progress_is_told_all_the_while(client, ask):
    times, shares = [], []

    def tell(_stage, share):
        times.append(time.monotonic())
        shares.append(share)

    with pytest.raises(Stopped):
        client.fill(ask(LONG), tell, lambda: len(times) > 30)
    gaps = np.diff(times)
    assert np.median(gaps) < 0.1 and max(share or 0 for share in shares) >= 0.3


def test_jobs_before_this_one_are_told(running, join, ask, until):
    connection, first, stages = join(running), threading.Event(), []
    thread = threading.Thread(target=lambda: _until_stopped(Client(connection), ask(LONG), first.is_set))
    thread.start()
    try:
        assert until(lambda: running_jobs(connection) == 1)
        told = ("waiting for 1 other", None)
        with pytest.raises(Stopped):
            Client(connection).fill(ask(TELEA), lambda *now: stages.append(now), lambda: told in stages)
    finally:
        first.set()
        thread.join()


def _until_stopped(client, request, stopped):
    with pytest.raises(Stopped):
        client.fill(request, quiet, stopped)


def test_a_client_that_is_killed_takes_its_job_along(running, join, ask, until):
    connection = join(running)
    code = (
        "import sys; from inpaint_lens.plugin.gimp.lens import client, connection\n"
        "pixels, mask = bytes(range(256)) * 64, bytearray(4096); mask[2000:2030] = b'\\xff' * 30\n"
        f"request = client.Request(64, 64, pixels, bytes(mask), {LONG!r})\n"
        "tell = lambda stage, share: print(share, flush=True)\n"
        "asked = client.Client(connection.Connection(connection.Address(uds=sys.argv[1])))\n"
        "asked.fill(request, tell, lambda: False)"
    )
    command = [sys.executable, "-c", code, connection.address.uds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while float(process.stdout.readline().replace("None", "0")) < 0.3:
            assert process.poll() is None
        process.kill()
    began = time.monotonic()
    assert until(lambda: running_jobs(connection) == 0) and time.monotonic() - began < 5


def test_a_service_that_is_killed_is_told_and_the_next_call_starts_another(place, join, ask):
    connection = join(place)
    pid = connection.json("GET", "/v1/private")["pid"]

    def tell(_stage, share):
        if (share or 0) > 0.3:
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(Unreachable, match=r"stopped unexpectedly \(log: .*service\.log\): try again"):
        Client(connection).fill(ask(LONG), tell, quiet)
    again = join(place)
    assert again.json("GET", "/v1/private")["pid"] != pid
    assert Client(again).fill(ask(TELEA), quiet, quiet).layers


def test_a_client_that_sends_slowly_keeps_nobody_waiting(running, join, ask):
    connection = join(running)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(connection.address.uds)
        slow.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n")
        slow.sendall(b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n")
        assert Client(connection).fill(ask(TELEA), quiet, quiet).layers


def test_backends_are_listed_with_licence_and_size(client):
    found = {backend["name"]: backend for backend in client.backends()}
    assert found["telea"]["ready"] and found["lens-small"]["licence"] == "Apache-2.0"
    assert all({"download_mb", "status", "title"} <= set(backend) for backend in found.values())


def test_a_backend_without_weights_needs_no_download(client):
    assert client.download(["telea"], quiet, quiet) is None


def test_a_download_of_an_unknown_backend_is_refused(client):
    with pytest.raises(Trouble, match="no backend 'lamma'"):
        client.download(["lamma"], quiet, quiet)


class Other:
    """Something that listens where a service should, and says `text` to whoever comes."""

    def __init__(self, place, text):
        self.text, self.address = text, Address(uds=str(place / "s"))
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.address.uds)
        self.socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                line, _ = self.socket.accept()
            except OSError:
                return
            with line:
                line.recv(65536)
                line.sendall(self.text)
                if not self.text:
                    time.sleep(5)


@pytest.fixture
def other(place):
    made = []

    def make(text):
        place.mkdir(exist_ok=True)
        made.append(Other(place, text))
        return Connection(made[-1].address, "the.log")

    yield make
    for one in made:
        one.socket.close()


def _answer(body, kind=b"application/json", more=b""):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n"
    return head % (kind, more, len(body)) + body


def test_silence_has_an_end(other):
    began = time.monotonic()
    with pytest.raises(Unreachable, match="not answered"):
        other(b"").read("GET", "/v1/private", limit_s=0.2)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "text", [b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", b"\xff" * 70000]
)
def test_what_is_no_whole_answer_counts_as_gone(other, text):
    with pytest.raises(Unreachable, match=r"log: the\.log"):
        other(text).read("GET", "/")


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"id": 5}'])
def test_an_answer_without_sense_is_told(other, ask, body):
    with pytest.raises(Trouble, match=r"makes no sense|stopped unexpectedly"):
        Client(other(_answer(body))).fill(ask(TELEA), quiet, quiet)


def test_nothing_listens(tmp_path):
    with pytest.raises(Unreachable):
        Connection(Address(uds=str(tmp_path / "nothing"))).read("GET", "/")


def test_a_form_is_what_its_length_says():
    body = Body.of_form({"options": [b"{}"], "mask": [b"head", memoryview(b"\0" * 3_000_000)]}, "limit")
    sent = b"".join(body.blocks())
    assert len(sent) == body.length and sent.startswith(b"--limit\r\n") and sent.endswith(b"--limit--\r\n")

import hashlib
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import Cancelled, MissingError, NetworkError, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.weights_registry import fetch, find
from inpaint_lens.weights_registry.lockfile import lock_path


def test_a_file_from_an_address_is_fetched_once(hub, offer, settings, data):
    offer("toy", data, source="https")
    path = fetch("toy", settings=settings)
    assert path.read_bytes() == data
    assert path.name == "model.onnx"
    assert fetch("toy", settings=settings) == find("toy", settings=settings) == path
    assert len(hub.log) == 1


def test_no_token_is_sent_to_an_address_that_is_not_the_hub(hub, offer, settings, data):
    offer("toy", data, source="https")
    fetch("toy", settings=replace(settings, token="hf_abcdefghijklmn"))
    assert [auth for *_, auth in hub.log] == [None]


def test_a_cut_connection_is_taken_up_where_it_broke(hub, offer, settings, data):
    offer("toy", data, source="https")
    hub.cuts = [300_000, 200_000]
    assert fetch("toy", settings=settings).read_bytes() == data
    assert hub.gets() == [None, "bytes=300000-", "bytes=500000-"]


def test_a_server_that_sends_everything_again_makes_it_start_over(hub, offer, settings, data):
    offer("toy", data, source="https")
    hub.cuts, hub.ranges = [300_000], False
    assert fetch("toy", settings=settings).read_bytes() == data
    assert hub.gets() == [None, "bytes=300000-"]


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 400_000), max_size=4))
def test_however_the_connection_is_cut_the_file_is_whole(hub, offer, settings, data, cuts):
    offer("toy", data, source="https")
    hub.cuts = list(cuts)
    assert fetch("toy", force=True, settings=settings).read_bytes() == data


def test_a_connection_cut_again_and_again_is_given_up(hub, offer, settings, data, leftovers):
    offer("toy", data, source="https")
    hub.cuts = [0] * 99
    with pytest.raises(NetworkError, match="cannot be reached"):
        fetch("toy", settings=settings)
    assert leftovers() == []


def test_a_wrong_byte_is_fetched_once_more(hub, offer, settings, data):
    offer("toy", data, source="https")
    hub.spoilt = 1
    assert fetch("toy", settings=settings).read_bytes() == data


def test_wrong_bytes_twice_are_an_error_and_leave_nothing(hub, offer, settings, data, leftovers):
    offer("toy", data, source="https")
    hub.spoilt = 9
    with pytest.raises(WeightsError, match="twice with a wrong checksum"):
        fetch("toy", settings=settings)
    assert leftovers() == []


def test_a_truncated_file_is_found_and_repaired(offer, settings, data):
    offer("toy", data, source="https")
    os.truncate(fetch("toy", settings=settings), 1000)
    assert find("toy", settings=settings) is None
    assert fetch("toy", settings=settings).read_bytes() == data


def test_cancelling_in_the_middle_leaves_nothing(offer, settings, data, leftovers):
    offer("toy", data, source="https")
    token = CancelToken()
    monitor = Monitor(lambda stage, share: token.cancel() if share > 0.3 else None, token)
    with pytest.raises(Cancelled):
        fetch("toy", monitor=monitor, settings=settings)
    assert leftovers() == []


def test_what_a_killed_process_left_is_swept_up(offer, settings, data, leftovers):
    offer("toy", data, source="https")
    left = settings.cache / "files" / "toy" / ".model.onnx.1.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    fetch("toy", settings=settings)
    assert leftovers() == ["model.onnx"]


def test_a_server_that_is_not_there_is_named_with_what_to_do(offer, settings, data):
    offer("toy", data, source="https", url="http://127.0.0.1:9/a.onnx")
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:9.*INPAINT_LENS_WEIGHTS=toy="):
        fetch("toy", settings=settings)


def test_a_file_that_is_gone_is_told_with_its_status(hub, offer, settings, data):
    offer("toy", data, source="https")
    hub.plain.clear()
    with pytest.raises(NetworkError, match="status 404"):
        fetch("toy", settings=settings)


@pytest.mark.parametrize("target", ["http://example.invalid/model.onnx", "ftp://127.0.0.1/model.onnx"])
def test_a_redirect_to_an_unsafe_address_is_not_followed(hub, offer, settings, data, target):
    offer("toy", data, source="https")
    hub.redirects["toy/model.onnx"] = target
    with pytest.raises(NetworkError, match="not https"):
        fetch("toy", settings=settings)


def test_a_redirect_on_this_machine_is_followed(hub, offer, settings, data):
    offer("toy", data, source="https")
    hub.plain["elsewhere"] = data
    hub.redirects["toy/model.onnx"] = f"{hub.url}/files/elsewhere"
    assert fetch("toy", settings=settings).read_bytes() == data


def test_more_bytes_than_there_should_be_are_not_kept(hub, offer, settings, data, leftovers):
    offer("toy", data, source="https")
    hub.plain["toy/model.onnx"] = data + data
    with pytest.raises(NetworkError, match="more than"):
        fetch("toy", settings=settings)
    assert leftovers() == []


def test_offline_mode_is_named(hub, offer, settings, data):
    offer("toy", data, source="https")
    with pytest.raises(MissingError, match="HF_HUB_OFFLINE"):
        fetch("toy", settings=replace(settings, offline=True))
    assert hub.log == []


def test_a_checksum_that_the_catalog_lacks_is_recorded_at_first_use_and_enforced(hub, offer, settings, data):
    offer("toy", data, source="https", sha256=None, size=None)
    path = fetch("toy", settings=settings)
    assert hashlib.sha256(data).hexdigest() in lock_path(settings).read_text()
    path.unlink()
    hub.plain["toy/model.onnx"] = data[::-1]
    with pytest.raises(WeightsError, match="wrong checksum"):
        fetch("toy", settings=settings)


def test_a_record_for_another_address_does_not_bind(hub, offer, settings, data):
    offer("toy", data, source="https", sha256=None, size=None)
    fetch("toy", settings=settings).unlink()
    offer("toy", data[::-1], source="https", file="newer.onnx", sha256=None, size=None)
    assert fetch("toy", settings=settings).read_bytes() == data[::-1]

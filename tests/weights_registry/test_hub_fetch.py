import hashlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants, scan_cache_dir
from inpaint_lens.imaging.errors import Cancelled, InputError, MissingError, NetworkError, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.weights_registry import fetch, find, require
from inpaint_lens.weights_registry.lockfile import lock_path

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)


def test_a_fetched_file_has_the_bytes_of_the_hub_and_lies_in_its_cache(hub, offer, settings, data):
    offer("toy", data)
    path = fetch("toy", settings=settings)
    assert path.read_bytes() == data
    assert [repo.repo_id for repo in scan_cache_dir(settings.hub_cache).repos] == ["acme/toy"]


def test_the_second_fetch_asks_the_network_nothing(hub, offer, settings, data):
    offer("toy", data)
    first = fetch("toy", settings=settings)
    hub.log.clear()
    assert fetch("toy", settings=settings) == find("toy", settings=settings) == first
    assert hub.log == []


def test_force_downloads_again(hub, offer, settings, data):
    offer("toy", data)
    fetch("toy", settings=settings)
    fetch("toy", force=True, settings=settings)
    assert len(hub.gets()) == 2


def test_looking_for_what_was_never_fetched_asks_the_network_nothing(hub, offer, settings, data):
    offer("toy", data)
    assert find("toy", settings=settings) is None
    assert hub.log == []


def test_demanding_what_is_missing_names_size_licence_and_command(offer, settings, data):
    offer("toy", data, licence="CC-BY-NC-4.0", commercial_use=False)
    with pytest.raises(MissingError, match=r"download toy.*1\.0 MB.*CC-BY-NC-4\.0, no commercial use"):
        require("toy", settings=settings)


def test_a_cut_connection_is_taken_up_where_it_broke(hub, offer, settings, data):
    offer("toy", data)
    hub.cuts = [300_000]
    assert fetch("toy", settings=settings).read_bytes() == data
    first, second = hub.gets()
    assert first is None
    assert second == f"bytes={4 << 16}-"


def test_a_wrong_byte_is_fetched_once_more(hub, offer, settings, data):
    offer("toy", data)
    hub.spoilt = 1
    assert fetch("toy", settings=settings).read_bytes() == data
    assert len(hub.gets()) == 2


def test_wrong_bytes_twice_are_an_error_and_leave_nothing(hub, offer, settings, data, leftovers):
    offer("toy", data)
    hub.spoilt = 9
    with pytest.raises(WeightsError, match="twice with a wrong checksum"):
        fetch("toy", settings=settings)
    assert len(hub.gets()) == 2
    assert leftovers() == []


def test_another_file_than_the_pinned_one_is_refused_before_it_is_downloaded(hub, offer, settings, data):
    offer("toy", data, sha256="0" * 64)
    with pytest.raises(WeightsError, match="offers another"):
        fetch("toy", settings=settings)
    assert hub.gets() == []


def test_a_truncated_file_in_the_cache_is_found_and_repaired(hub, offer, settings, data):
    offer("toy", data)
    path = fetch("toy", settings=settings)
    os.truncate(path.resolve(), 1000)
    assert find("toy", settings=settings) is None
    with pytest.raises(MissingError, match="are damaged"):
        require("toy", settings=settings)
    assert fetch("toy", settings=settings).read_bytes() == data


def test_repairing_a_damaged_file_has_its_own_second_try(hub, offer, settings, data):
    offer("toy", data)
    os.truncate(fetch("toy", settings=settings).resolve(), 1000)
    hub.spoilt = 1
    assert fetch("toy", settings=settings).read_bytes() == data


def test_a_changed_byte_in_the_cache_is_found_and_repaired(hub, offer, settings, data):
    offer("toy", data)
    path = fetch("toy", settings=settings).resolve()
    path.write_bytes(b"W" + data[1:])
    os.utime(path, ns=(1, 1))
    assert find("toy", settings=settings) is None
    assert fetch("toy", settings=settings).read_bytes() == data


def test_without_a_network_it_fails_at_once_and_says_what_to_do(offer, settings, data):
    offer("toy", data)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    begun = time.monotonic()
    with pytest.raises(NetworkError) as caught:
        fetch("toy", settings=replace(settings, endpoint=address))
    assert time.monotonic() - begun < 2
    for word in (address, "HF_ENDPOINT", "INPAINT_LENS_WEIGHTS=toy="):
        assert word in str(caught.value)


def test_without_a_network_a_listing_fails_at_once_too(offer, settings, data):
    offer("toy", data, file=None, include=["*.json"])
    begun = time.monotonic()
    with pytest.raises(NetworkError, match="cannot be reached"):
        fetch("toy", settings=replace(settings, endpoint="http://127.0.0.1:9"))
    assert time.monotonic() - begun < 2


def test_offline_mode_is_named_and_asks_the_network_nothing(hub, offer, settings, data, monkeypatch):
    offer("toy", data)
    with pytest.raises(MissingError, match="HF_HUB_OFFLINE"):
        fetch("toy", settings=replace(settings, offline=True))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match="HF_HUB_OFFLINE"):
        fetch("toy", settings=settings)
    assert hub.log == []


def test_offline_mode_finds_what_is_here(offer, settings, data):
    offer("toy", data)
    path = fetch("toy", settings=settings)
    assert fetch("toy", settings=replace(settings, offline=True)) == path


def test_a_full_disk_is_noticed_before_anything_is_downloaded(hub, offer, settings, data, monkeypatch):
    offer("toy", data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(MissingError, match=r"no room for 'toy' \(1\.0 MB needed, 1 bytes is left\)"):
        fetch("toy", settings=settings)
    assert hub.gets() == []


def test_a_disk_that_fills_up_on_the_way_is_told_in_one_sentence(offer, settings, data, monkeypatch):
    offer("toy", data)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inpaint_lens.weights_registry.hub.hf_hub_download", full)
    with pytest.raises(MissingError, match="no room"):
        fetch("toy", settings=settings)


def test_a_cache_that_cannot_be_written_to_is_told_in_one_sentence(offer, settings, data, tmp_path):
    offer("toy", data)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written to"):
        fetch("toy", settings=settings)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"repo": "acme/gone"}, "knows no repository"),
        ({"revision": "b" * 40}, "no longer has revision"),
        ({"file": "gone.onnx"}, "no such file"),
    ],
)
def test_what_the_hub_does_not_have_is_named(offer, settings, data, over, words):
    offer("toy", data)
    offer("other", data, **{"repo": "acme/toy"} | over)
    with pytest.raises(NetworkError, match=words):
        fetch("other", settings=settings)


def test_a_server_in_trouble_is_told_with_its_status(hub, offer, settings, data):
    offer("toy", data)
    hub.status = 503
    with pytest.raises(NetworkError, match="status 503"):
        fetch("toy", settings=settings)


def test_an_address_that_is_no_hub_is_told(hub, offer, settings, data):
    offer("toy", data)
    hub.status = 200
    with pytest.raises(NetworkError, match="does not answer as the Hub"):
        fetch("toy", settings=settings)


def test_no_token_is_sent_over_plain_http_to_another_machine(hub, offer, settings, data, monkeypatch, caplog):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("inpaint_lens.weights_registry.catalog.LOOPBACK", ())
    offer("toy", data)
    fetch("toy", settings=replace(settings, token=TOKEN))
    assert {auth for *_, auth in hub.log} == {None}
    assert "no token is sent" in caplog.text


def test_a_gated_repository_names_the_page_to_visit(hub, offer, settings, data):
    offer("toy", data, gated=True, gate_page="https://example.org/conditions")
    hub.gated = {"acme/toy"}
    with pytest.raises(MissingError, match=r"visit https://example\.org/conditions.*HF_TOKEN"):
        fetch("toy", settings=settings)


def test_a_token_opens_a_gated_repository_and_is_never_shown(hub, offer, settings, data, caplog):
    caplog.set_level(logging.DEBUG)
    offer("toy", data)
    hub.gated = {"acme/toy"}
    own = replace(settings, token=TOKEN)
    assert fetch("toy", settings=own).read_bytes() == data
    assert {auth for *_, auth in hub.log} == {f"Bearer {TOKEN}"}
    hub.spoilt = 9
    with pytest.raises(WeightsError) as caught:
        fetch("toy", force=True, settings=own)
    assert TOKEN not in caplog.text + str(caught.value) + repr(own)


def test_the_token_of_the_environment_reaches_the_hub(hub, offer, settings, data, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    offer("toy", data)
    hub.gated = {"acme/toy"}
    fetch("toy", settings=settings)


def test_a_wrong_token_is_not_shown_either(hub, offer, settings, data):
    offer("toy", data)
    hub.gated = {"acme/toy"}
    with pytest.raises(MissingError) as caught:
        fetch("toy", settings=replace(settings, token="hf_wrongwrongwrong"))
    assert "wrongwrong" not in str(caught.value)


def test_cancelling_in_the_middle_leaves_nothing(offer, settings, data, leftovers):
    offer("toy", data)
    token = CancelToken()
    monitor = Monitor(lambda stage, share: token.cancel() if share > 0.3 else None, token)
    with pytest.raises(Cancelled):
        fetch("toy", monitor=monitor, settings=settings)
    assert leftovers() == []


def test_progress_rises_to_the_end(offer, settings, data):
    offer("toy", data)
    seen = []
    fetch("toy", monitor=Monitor(lambda stage, share: seen.append((stage, share))), settings=settings)
    shares = [share for stage, share in seen if stage.startswith("downloading")]
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert seen[-1][1] == 1.0


def test_two_processes_download_once(hub, offer, settings, data, tmp_path):
    offer("toy", data)
    hub.hold = threading.Event()
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    environment |= {"INPAINT_LENS_CATALOG": str(settings.catalog), "INPAINT_LENS_CACHE": str(settings.cache)}
    command = [sys.executable, "-m", "inpaint_lens.weights_registry", "toy"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as other:
        assert hub.held.wait(20)
        waited = []

        def see(stage, share):
            if stage.startswith("waiting"):
                waited.append(stage)
                hub.hold.set()

        path = fetch("toy", monitor=Monitor(see), settings=replace(settings, hub_cache=tmp_path / "home" / "hub"))
        told = other.communicate(timeout=20)[0]
    assert waited
    assert other.returncode == 0
    assert Path(told.strip().partition(": ")[2]) == path
    assert path.read_bytes() == data
    assert len(hub.gets()) == 1


def test_a_checksum_that_the_catalog_lacks_is_recorded_at_first_use(hub, offer, settings, data):
    offer("toy", data, sha256=None, size=None)
    fetch("toy", settings=settings)
    assert hashlib.sha256(data).hexdigest() in lock_path(settings).read_text()
    hub.log.clear()
    assert find("toy", settings=settings)
    assert hub.log == []


def test_a_recorded_checksum_is_enforced_after(hub, offer, settings, data):
    offer("toy", data, sha256=None, size=None)
    fetch("toy", settings=settings)
    shutil.rmtree(settings.hub_cache)
    hub.repos["acme/toy"]["model.onnx"] = b"another" + data
    with pytest.raises(WeightsError, match="offers another"):
        fetch("toy", settings=settings)


def test_what_arrives_is_held_against_the_checksum_that_the_hub_told(hub, offer, settings, data, leftovers):
    offer("toy", data, sha256=None, size=None)
    hub.spoilt = 9
    with pytest.raises(WeightsError, match="wrong checksum"):
        fetch("toy", settings=settings)
    assert leftovers() == []


def test_a_damaged_lock_file_is_told(offer, settings, data):
    offer("toy", data, sha256=None)
    settings.cache.mkdir()
    lock_path(settings).write_text("{")
    with pytest.raises(WeightsError, match=r"lock file .* is damaged"):
        find("toy", settings=settings)


def test_a_repository_by_patterns_comes_as_one_folder(hub, offer, settings, data):
    offer(
        "toy", data, file="unet/model.safetensors", format="diffusers", include=["*.json", "*.safetensors"], sha256=None
    )
    hub.repos["acme/toy"] |= {"model_index.json": b'{"a": 1}\n', "unet/config.json": b"{}", "bad.bin": b"not asked for"}
    hub.git_files = {"model_index.json", "unet/config.json"}
    folder = fetch("toy", settings=settings)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == ["model_index.json", "unet/config.json", "unet/model.safetensors"]
    hub.log.clear()
    assert find("toy", settings=settings) == folder
    assert hub.log == []


def test_a_damaged_text_file_of_a_folder_is_repaired_alone(hub, offer, settings, data):
    offer("toy", data, format="diffusers", include=["*"], sha256=None)
    hub.repos["acme/toy"]["config.json"] = b'{"a": 1}'
    hub.git_files = {"config.json"}
    folder = fetch("toy", settings=settings)
    (folder / "config.json").resolve().write_bytes(b'{"a": 2}')
    os.utime((folder / "config.json").resolve(), ns=(1, 1))
    hub.log.clear()
    assert (fetch("toy", settings=settings) / "config.json").read_bytes() == b'{"a": 1}'
    assert len(hub.gets()) == 1


def test_a_pickle_among_the_files_of_a_repository_is_refused(hub, offer, settings, data):
    offer("toy", data, file="model.pkl", format="diffusers", include=["*"], sha256=None)
    with pytest.raises(WeightsError, match=r"model\.pkl, which is refused"):
        fetch("toy", settings=settings)


def test_a_download_that_turns_out_to_be_a_pickle_is_deleted(offer, settings, leftovers):
    offer("toy", b"\x80\x04\x95" + bytes(100))
    with pytest.raises(WeightsError, match="is a pickle"):
        fetch("toy", settings=settings)
    assert leftovers() == []

import os
from pathlib import Path

import pytest
from filelock import FileLock
from inpaint_lens.imaging.errors import Cancelled
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.weights_registry import HubSettings, WeightsFile, checksum
from inpaint_lens.weights_registry.store import process_lock, read_json, write_json

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
GIT_OF_HELLO = "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.fixture
def abc(tmp_path: Path) -> Path:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    return path


def test_sha256_is_that_of_the_standard(abc):
    assert checksum.digest(abc) == SHA256_OF_ABC


def test_the_hash_of_text_files_is_that_of_git(tmp_path):
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert checksum.digest(tmp_path / "hello", git=True) == GIT_OF_HELLO


def test_a_file_is_read_once_and_again_when_it_changes(abc, tmp_path, monkeypatch):
    own = HubSettings(cache=tmp_path / "cache")
    expected = WeightsFile("abc", 3, SHA256_OF_ABC)
    read = []
    original = checksum.digest
    monkeypatch.setattr(checksum, "digest", lambda *args, **options: read.append(1) or original(*args, **options))
    assert [checksum.matches(abc, expected, own) for _ in range(3)] == [True] * 3
    assert len(read) == 1
    abc.write_bytes(b"abd")
    os.utime(abc, ns=(5, 5))
    assert not checksum.matches(abc, expected, own)


def test_a_memory_that_cannot_be_written_only_costs_time(abc, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    assert checksum.matches(abc, WeightsFile("abc", 3, SHA256_OF_ABC), HubSettings(cache=tmp_path / "cache"))


def test_nothing_matches_an_unknown_checksum(abc, tmp_path):
    assert not checksum.matches(abc, WeightsFile("abc", 3), HubSettings(cache=tmp_path / "cache"))


def test_forgetting_a_link_deletes_what_it_points_at(tmp_path):
    (tmp_path / "blob").write_text("x")
    (tmp_path / "link").symlink_to("blob")
    checksum.forget(tmp_path / "link")
    assert list(tmp_path.iterdir()) == []


def test_a_json_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_waiting_for_another_process_can_be_cancelled(tmp_path):
    (tmp_path / "locks").mkdir()
    token = CancelToken()
    with (
        FileLock(tmp_path / "locks" / "toy.lock"),
        pytest.raises(Cancelled),
        process_lock(tmp_path, "toy", Monitor(lambda *_: token.cancel(), token)),
    ):
        pass

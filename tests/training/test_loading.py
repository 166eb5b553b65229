from types import SimpleNamespace

import pytest
import torch
from inpaint_lens.training import loading
from inpaint_lens.training.loading import StepBatches, make_loader, on_device


class Numbers:
    """Samples that are their own numbers, of a megabyte each."""

    broken = torch.zeros(1, dtype=torch.bool)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": torch.full((2**18,), float(index))}


def test_processes_share_the_samples_of_every_step():
    whole = list(StepBatches(2, 5, 6))
    parts = [list(StepBatches(2, 5, 6, rank, 3)) for rank in range(3)]
    assert whole == [[12, 13, 14, 15, 16, 17], [18, 19, 20, 21, 22, 23], [24, 25, 26, 27, 28, 29]]
    assert [[*a, *b, *c] for a, b, c in zip(*parts, strict=True)] == whole


def test_batches_come_in_their_order_from_several_workers():
    loader = make_loader(Numbers(), StepBatches(1, 5, 2), 2, pin=False)
    assert [batch["x"][:, 0].tolist() for batch in loader] == [[2, 3], [4, 5], [6, 7], [8, 9]]


def test_loading_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    list(make_loader(Numbers(), StepBatches(0, 2, 1), 1, pin=False))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("free_mb", "workers"), [(1000, 2), (20, 1), (5, 0)])
def test_there_are_no_more_workers_than_shared_memory_has_room_for(tmp_path, monkeypatch, free_mb, workers):
    monkeypatch.setattr(loading.shutil, "disk_usage", lambda _path: SimpleNamespace(free=free_mb * 2**20))
    assert make_loader(Numbers(), StepBatches(0, 9, 4), 2, pin=False, shared=tmp_path).num_workers == workers


def test_bytes_and_bools_become_numbers_from_zero_to_one():
    batch = {"image": torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), "hole": torch.tensor([True, False])}
    moved = on_device(batch, torch.device("cpu"))
    assert moved["image"].flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert moved["hole"].tolist() == [1, 0]

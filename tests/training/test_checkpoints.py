import errno

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import LensError, WeightsError
from inpaint_lens.training import checkpoints
from inpaint_lens.training.averages import Averages
from inpaint_lens.training.checkpoints import Checkpoint, Checkpoints, optimiser_tensors, restore_optimiser
from inpaint_lens.training.config import OptimiserSettings
from inpaint_lens.training.optimisers import make_optimiser, rate_share, set_rate
from torch import nn


def at(step: int) -> Checkpoint:
    return Checkpoint({"networks/a/w": torch.full((3,), float(step))}, {"step": step})


def test_what_is_saved_comes_back(tmp_path):
    Checkpoints(tmp_path).save(Checkpoint({"a/b/c.d": torch.arange(3)}, {"step": 7, "x": {"y": [0.1, None]}}))
    found, notes = Checkpoints(tmp_path).latest()
    assert found is not None and notes == []
    assert found.state["step"] == 7 and found.state["x"] == {"y": [0.1, None]}
    assert torch.equal(found.group("a", "b")["c.d"], torch.arange(3))


def test_the_newest_two_are_kept(tmp_path):
    for step in (1, 5, 20):
        Checkpoints(tmp_path).save(at(step))
    assert Checkpoints(tmp_path).steps() == [5, 20]


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert Checkpoints(tmp_path / "none").latest() == (None, [])


def test_a_half_written_checkpoint_is_not_seen_and_is_cleared_away(tmp_path):
    Checkpoints(tmp_path).save(at(1))
    half = tmp_path / ".step-00000002-abcd"
    half.mkdir()
    (half / "state.json").write_text('{"format": 1, "step": 2}')
    assert Checkpoints(tmp_path).steps() == [1]
    Checkpoints(tmp_path).save(at(3))
    assert not half.exists()


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over_with_a_word(tmp_path, name):
    for step in (1, 2):
        Checkpoints(tmp_path).save(at(step))
    file = tmp_path / "step-00000002" / name
    file.write_bytes(file.read_bytes()[:5])
    found, notes = Checkpoints(tmp_path).latest()
    assert found is not None and found.state["step"] == 1
    assert len(notes) == 1 and "step 2 is damaged" in notes[0]


def test_a_full_disk_leaves_the_old_checkpoint_and_no_rest(tmp_path, monkeypatch):
    Checkpoints(tmp_path).save(at(1))

    def full(tensors, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "_write_tensors", full)
    with pytest.raises(LensError, match=r"no space left .* step 1 is untouched; free some"):
        Checkpoints(tmp_path).save(at(2))
    monkeypatch.undo()
    found, _ = Checkpoints(tmp_path).latest()
    assert found is not None and found.state["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LensError, match="There is no earlier checkpoint"):
        Checkpoints(tmp_path / "file").save(at(1))


def small(width: int = 3) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(width, 2)


def steps(network: nn.Module, optimiser: torch.optim.Optimizer, count: int) -> None:
    for number in range(count):
        set_rate(optimiser, 1 / (1 + number))
        optimiser.zero_grad()
        network(torch.ones(1, 3)).square().sum().backward()
        optimiser.step()


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_an_optimiser_goes_on_as_if_nothing_had_been(name, tmp_path):
    settings_ = OptimiserSettings(name=name, rate=0.1)
    straight, again = small(), small()
    first = make_optimiser(straight.parameters(), settings_)
    steps(straight, first, 3)
    tensors, rest = optimiser_tensors(first)
    Checkpoints(tmp_path).save(Checkpoint({f"o/x/{k}": v for k, v in tensors.items()}, {"step": 3, "rest": rest}))
    found, _ = Checkpoints(tmp_path).latest()
    assert found is not None
    again.load_state_dict(straight.state_dict())
    second = make_optimiser(again.parameters(), settings_)
    restore_optimiser(second, found.group("o", "x"), found.state["rest"])
    steps(straight, first, 2)
    steps(again, second, 2)
    assert torch.equal(straight.weight, again.weight)


def test_the_state_of_another_network_is_told():
    network = small()
    optimiser = make_optimiser(network.parameters(), OptimiserSettings())
    steps(network, optimiser, 1)
    other = make_optimiser(small(5).parameters(), OptimiserSettings())
    with pytest.raises(WeightsError, match="other parameters"):
        restore_optimiser(other, *optimiser_tensors(optimiser))


def test_the_average_follows_the_formula():
    network = small()
    start = network.weight.detach().clone()
    averages = Averages({"x": network}, ["x"], decay=0.9)
    with torch.no_grad():
        network.weight.add_(1)
    averages.update({"x": network}, step=1000)
    assert torch.allclose(averages.networks["x"].get_parameter("weight"), start + 0.1)
    averages.update({"x": network}, step=0)
    assert torch.allclose(averages.networks["x"].get_parameter("weight"), start + 0.1 + 0.9 * 0.9)


def test_counters_are_copied_and_not_averaged():
    network = nn.BatchNorm2d(2)
    averages = Averages({"x": network}, ["x"], decay=0.9)
    network(torch.rand(2, 2, 4, 4))
    averages.update({"x": network}, step=1000)
    assert averages.networks["x"].num_batches_tracked == 1


def test_the_rate_warms_up_and_falls_by_a_cosine():
    settings_ = OptimiserSettings(warmup=10, final=0.2)
    assert rate_share(0, 100, settings_) == pytest.approx(0.1)
    assert rate_share(50, 100, settings_) == pytest.approx(0.6)
    assert rate_share(100, 100, settings_) == pytest.approx(0.2)
    assert rate_share(99, 100, OptimiserSettings(schedule="constant")) == 1


@settings(deadline=None)
@given(st.integers(0, 99), st.floats(0, 1))
def test_the_rate_never_rises_after_warming_up(step, final):
    settings_ = OptimiserSettings(final=final)
    assert rate_share(step + 1, 100, settings_) <= rate_share(step, 100, settings_) + 1e-12

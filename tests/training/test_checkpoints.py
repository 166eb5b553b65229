import errno
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends import load
from inpaint_lens.backends.architectures import resolve
from inpaint_lens.backends.nets.picnet import Encoder, Generator
from inpaint_lens.imaging.errors import LensError, WeightsError
from inpaint_lens.training import checkpoints, generators
from inpaint_lens.training.averages import Averages
from inpaint_lens.training.checkpoints import Checkpoint, Checkpoints, distinct, optimiser_tensors, restore_optimiser
from inpaint_lens.training.config import OptimiserSettings
from inpaint_lens.training.generators import GeneratorKind, load_exactly
from inpaint_lens.training.optimisers import make_optimiser, rate_share, set_rate
from inpaint_lens.training.outcome import write_weights
from inpaint_lens.training.trainer import Trainer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .conftest import tiny


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


class Tied(nn.Module):
    """A network that has its only layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = self.first

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.first(image * (1 - hole))


def test_a_tensor_with_two_names_is_written_once_and_comes_back_under_both(tmp_path):
    network, again = Tied(), Tied()
    state = {f"networks/a/{key}": value for key, value in network.state_dict().items()}
    place = Checkpoints(tmp_path).save(Checkpoint(state, {"step": 1}))
    assert set(load_file(place / "tensors.safetensors")) == {"networks/a/first.weight", "networks/a/first.bias"}
    found, notes = Checkpoints(tmp_path).latest()
    assert found is not None and not notes and found.state == {"format": 1, "step": 1}
    load_exactly(again, found.group("networks", "a"), "it")
    assert again.second is again.first and torch.equal(again.first.weight, network.first.weight)


def test_tensors_that_share_memory_and_are_not_the_same_are_all_written(tmp_path):
    whole = torch.arange(6.0)
    tensors = {"a": whole, "b": whole[:4], "c": whole.view(2, 3), "d": torch.zeros(0), "e": torch.zeros(0)}
    kept, same = distinct(tensors)
    assert set(kept) == set(tensors) and not same
    Checkpoints(tmp_path).save(Checkpoint(tensors, {"step": 1}))
    found, _ = Checkpoints(tmp_path).latest()
    assert found is not None and all(torch.equal(found.tensors[key], tensors[key]) for key in tensors)


def test_a_second_name_of_a_tensor_that_is_not_there_is_damage(tmp_path):
    for step in (1, 2):
        Checkpoints(tmp_path).save(at(step))
    file = tmp_path / "step-00000002" / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "same_tensors": {"x": "absent"}}))
    found, notes = Checkpoints(tmp_path).latest()
    assert found is not None and found.state["step"] == 1 and "step 2 is damaged" in notes[0]


def test_a_run_of_a_tied_network_goes_on_as_if_nothing_had_been(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "tied", GeneratorKind(f"{__name__}:Tied"))
    config = tiny(folder, recipe={"generator": {"name": "tied"}}, optimiser={"schedule": "constant"})
    half = replace(config, trainer=replace(config.trainer, steps=2))
    Trainer(config, tmp_path / "straight", "cpu").train()
    Trainer(half, tmp_path / "run", "cpu").train()
    Trainer(config, tmp_path / "run", "cpu", resume=True).train()
    straight, resumed = (Checkpoints(tmp_path / name / "checkpoints").latest()[0] for name in ("straight", "run"))
    assert straight is not None and resumed is not None and straight.tensors.keys() == resumed.tensors.keys()
    assert all(torch.equal(value, resumed.tensors[key]) for key, value in straight.tensors.items())
    assert "networks/generator/network.second.weight" in resumed.tensors


def test_a_network_with_tied_tensors_is_a_backend_after_a_checkpoint(tmp_path):
    encoder, network, again = (
        Encoder(widths=(4, 8, 8, 8, 8), latent=8, inference=1),
        *(Generator(widths=(8, 8, 8, 6, 4), features=8, latent=8) for _ in range(2)),
    )
    state = {f"averages/generator/{key}": value for key, value in network.state_dict().items()}
    Checkpoints(tmp_path / "run").save(Checkpoint(state, {"step": 1}))
    found, _ = Checkpoints(tmp_path / "run").latest()
    assert found is not None
    load_exactly(again, found.group("averages", "generator"), "it")
    paths = [tmp_path / "weights.safetensors", tmp_path / "encoder.safetensors"]
    write_weights(again.state_dict(), paths[0], {})
    save_file({key: value.clone() for key, value in encoder.state_dict().items()}, paths[1])
    backend, files = resolve(paths)
    image, hole = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    hole[..., 20:40, 20:40] = 1
    assert backend == "picnet" and torch.isfinite(load(backend, "cpu", files)(image, hole)).all()


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

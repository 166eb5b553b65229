import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends.architectures import shapes_of
from inpaint_lens.backends.nets.lens_small import LensSmall
from inpaint_lens.imaging.errors import Cancelled, InputError, LensError, MissingError, WeightsError
from inpaint_lens.imaging.monitor import CancelToken
from inpaint_lens.training import checkpoints
from inpaint_lens.training.config import Config
from inpaint_lens.training.trainer import Trainer
from inpaint_lens.training.watch import Watch
from PIL import Image
from safetensors.torch import load_file, save_file

from .conftest import tiny, write_pictures

JUDGED = {
    "recipe": {"discriminator": {"width": 4, "layers": 2, "r1": 1.0, "gradient_penalty": 0.1, "every": 2}},
    "losses": {"l1_hole": 1.0, "adversarial": 0.1, "feature_matching": 0.5},
}


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads as the processes that tests start, for sums to be added in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(config: Config, run: Path, **options) -> dict[str, torch.Tensor]:
    Trainer(config, run, "cpu", **options).train()
    return newest(run)


def newest(run: Path) -> dict[str, torch.Tensor]:
    return load_file(sorted((run / "checkpoints").iterdir())[-1] / "tensors.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_loss_falls(folder, tmp_path):
    config = tiny(
        folder,
        trainer={"steps": 40, "log_every": 1, "checkpoint_every": 40, "batch": 4},
        optimiser={"rate": 4e-3},
        data={"scale": [1.2, 1.2], "flips": False},
        holes={"kinds": {"centre": 1.0}, "coverage": [0.25, 0.25]},
    )
    Trainer(config, tmp_path / "run", "cpu").train()
    losses = [float(row["l1_hole"]) for row in rows(tmp_path / "run" / "log.csv")]
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])


def test_a_run_leaves_weights_config_log_and_report(folder, tmp_path):
    run = tmp_path / "run"
    config = tiny(folder, trainer={"sample_every": 4, "samples": 2})
    report = Trainer(config, run, "cpu").train()
    assert json.loads((run / "report.json").read_text()) == report
    assert report["steps"] == 4 and "psnr_hole" in report["validation"]
    assert [row["step"] for row in rows(run / "log.csv")] == ["2", "4"]
    with Image.open(run / "samples" / "step-00000004.png") as sheet:
        assert sheet.width > sheet.height
    from inpaint_lens.training.config import read_config

    assert read_config(run / "config.toml") == config


def test_the_result_is_the_average_in_half_precision_and_fits_the_network(folder, tmp_path):
    tensors = train(tiny(folder), tmp_path / "run")
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(value.dtype == torch.float16 for value in weights.values())
    averaged = tensors["averages/generator/network.to_half.weight"]
    assert torch.equal(weights["to_half.weight"], averaged.half())
    wanted = {k: v for k, v in shapes_of(LensSmall(8, 1).state_dict()).items() if "num_batches" not in k}
    assert shapes_of(weights) == wanted


@pytest.mark.parametrize("sections", [{}, JUDGED], ids=["alone", "judged"])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(folder, tmp_path, sections):
    config = tiny(folder, trainer={"steps": 6, "checkpoint_every": 6}, **sections)
    straight = train(config, tmp_path / "straight")
    token = CancelToken()

    def stop(progress):
        if progress.step == 3:
            token.cancel()

    with pytest.raises(Cancelled, match="after step 3; go on with --resume"):
        Trainer(config, tmp_path / "run", "cpu", watch=Watch(on_progress=stop, token=token)).train()
    assert same(train(config, tmp_path / "run", resume=True), straight)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "straight")]
    assert weights[0] == weights[1]


def test_a_killed_run_ends_with_the_same_bits_as_an_uninterrupted_one(folder, tmp_path):
    config = tiny(folder, trainer={"steps": 60, "checkpoint_every": 3, "workers": 1}, **JUDGED)
    file, run = tmp_path / "tiny.toml", tmp_path / "run"
    file.write_text(config.to_toml())
    command = [sys.executable, "-m", "inpaint_lens", "train", str(file), "-o", str(run), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not list(run.glob("checkpoints/step-*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.5))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (run / "weights.safetensors").exists()
    straight = train(config, tmp_path / "straight")
    assert same(train(config, run, resume=True), straight)
    logs = [
        [
            {k: v for k, v in row.items() if k not in ("seconds", "pictures_per_second")}
            for row in rows(place / "log.csv")
        ]
        for place in (run, tmp_path / "straight")
    ]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]


def test_weights_do_not_depend_on_how_many_processes_load_pictures(folder, tmp_path):
    found = [train(tiny(folder, trainer={"workers": n}), tmp_path / f"{n}") for n in (0, 2)]
    assert same(*found)


def test_training_leaves_the_global_generators_alone(folder, tmp_path):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    train(tiny(folder, **JUDGED), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_rate_follows_its_schedule(folder, tmp_path):
    config = tiny(folder, trainer={"log_every": 1}, optimiser={"rate": 0.01, "warmup": 2, "final": 0.0})
    train(config, tmp_path / "run")
    found = [float(row["rate_generator"]) for row in rows(tmp_path / "run" / "log.csv")]
    assert found == pytest.approx([0.005, 0.01 * 0.853553, 0.005, 0.01 * 0.146447], rel=1e-4)


def test_another_seed_gives_other_weights(folder, tmp_path):
    found = [train(tiny(folder, trainer={"seed": seed}), tmp_path / f"{seed}") for seed in (0, 1)]
    assert not same(*found)


class Short:
    """A memory that holds so many pictures and no more."""

    def __init__(self, trainer: Trainer, most: int) -> None:
        self.most, self.seen = most, []
        trainer.recipe.networks["generator"].register_forward_pre_hook(self)

    def __call__(self, _module, inputs) -> None:
        if len(inputs[0]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.seen.append(len(inputs[0]))


def _fixed(module, _inputs) -> None:
    """Statistics of batches differ between parts of one."""
    module.eval()


def test_where_memory_runs_out_batches_go_in_parts_with_the_same_result(folder, tmp_path):
    told, found = [], []
    for name, most in (("short", 3), ("ample", 9)):
        config = tiny(folder, trainer={"batch": 8, "steps": 3})
        trainer = Trainer(config, tmp_path / name, "cpu", watch=Watch(say=told.append))
        for module in trainer.recipe.networks["generator"].modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.register_forward_pre_hook(_fixed)
        memory = Short(trainer, most)
        trainer.train()
        found.append(newest(tmp_path / name))
        assert memory.seen == ([2] * 12 if name == "short" else [8] * 3)
    assert [line for line in told if "memory" in line] == [
        "There was not enough memory: batches now go through the network in parts of 4.",
        "There was not enough memory: batches now go through the network in parts of 2.",
    ]
    key = "networks/generator/network.to_half.weight"
    assert torch.allclose(found[0][key], found[1][key], atol=1e-4)


def test_where_memory_runs_out_the_discriminator_sees_all_that_was_made(folder, tmp_path):
    trainer = Trainer(tiny(folder, trainer={"batch": 6, "steps": 1}, **JUDGED), tmp_path / "run", "cpu")
    seen = []
    trainer.recipe.networks["discriminator"].register_forward_pre_hook(lambda m, inputs: seen.append(len(inputs[0])))
    Short(trainer, 4)
    trainer.train()
    in_generator, in_discriminator = [3, 3] * 2, [6, 3, 3] * 2
    assert seen == in_generator + in_discriminator


def test_memory_for_less_than_one_picture_is_told(folder, tmp_path):
    trainer = Trainer(tiny(folder), tmp_path / "run", "cpu")
    Short(trainer, 0)
    with pytest.raises(LensError, match="not enough memory for a single picture"):
        trainer.train()


def test_other_errors_are_not_taken_for_a_lack_of_memory(folder, tmp_path):
    trainer = Trainer(tiny(folder), tmp_path / "run", "cpu")

    def fail(*_):
        raise RuntimeError("something else")

    trainer.recipe.networks["generator"].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="something else"):
        trainer.train()


def test_a_full_disk_ends_the_run_with_a_sentence_and_it_can_go_on(folder, tmp_path, monkeypatch):
    config = tiny(folder)
    straight = train(config, tmp_path / "straight")
    write, calls = checkpoints._write_tensors, []

    def full(tensors, path):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        write(tensors, path)

    monkeypatch.setattr(checkpoints, "_write_tensors", full)
    with pytest.raises(LensError, match=r"no space left .* step 2 is untouched"):
        train(config, tmp_path / "run")
    monkeypatch.undo()
    assert same(train(config, tmp_path / "run", resume=True), straight)


def test_a_checkpoint_of_another_network_is_told(folder, tmp_path):
    train(tiny(folder), tmp_path / "run")
    other = tiny(folder, recipe={"generator": {"name": "lens-small", "channels": 16, "blocks": 1}})
    with pytest.raises(WeightsError, match=r"of another network than the configuration makes"):
        Trainer(other, tmp_path / "run", "cpu", resume=True)


def test_a_checkpoint_of_another_recipe_is_told(folder, tmp_path):
    train(tiny(folder), tmp_path / "run")
    for state in (tmp_path / "run" / "checkpoints").glob("*/state.json"):
        state.write_text(state.read_text().replace('"recipe": "inpainting"', '"recipe": "painting"'))
    with pytest.raises(WeightsError, match="of the recipe 'painting', not of 'inpainting'"):
        Trainer(tiny(folder), tmp_path / "run", "cpu", resume=True)


def test_a_run_is_not_begun_over_another(folder, tmp_path):
    train(tiny(folder), tmp_path / "run")
    with pytest.raises(InputError, match="holds a run already"):
        Trainer(tiny(folder), tmp_path / "run", "cpu")


def test_a_run_without_a_checkpoint_begins_anew(folder, tmp_path):
    told = []
    trainer = Trainer(tiny(folder), tmp_path / "run", "cpu", resume=True, watch=Watch(say=told.append))
    assert trainer.step == 0 and "no checkpoint yet" in told[0]


def test_other_pictures_than_at_the_checkpoint_are_told(folder, tmp_path):
    train(tiny(folder), tmp_path / "run")
    write_pictures(folder, 12)
    told = []
    Trainer(tiny(folder), tmp_path / "run", "cpu", resume=True, watch=Watch(say=told.append))
    assert any("have changed since the checkpoint" in line for line in told)


def test_a_picture_that_turns_out_broken_is_skipped_and_counted(folder, tmp_path):
    trained = Trainer(tiny(folder), tmp_path / "first", "cpu").pictures.train
    trained[0].write_bytes(trained[0].read_bytes()[:150])
    (folder / "none.png").write_text("no picture")
    config = tiny(folder, trainer={"workers": 1, "batch": 4})
    report = Trainer(config, tmp_path / "run", "cpu").train()
    assert report["left_out"]["broken"] == [str(folder / "none.png"), str(trained[0])]


def test_a_folder_where_hardly_a_picture_can_be_read_ends_the_run(folder, tmp_path):
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(InputError, match=r"\[data\] folder: \d of \d pictures cannot be read"):
        Trainer(tiny(folder, trainer={"steps": 20, "batch": 4}), tmp_path / "run", "cpu").train()


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(folder, tmp_path):
    trainer = Trainer(tiny(folder), tmp_path / "run", "cpu")
    trainer.recipe.frozen[0].register_forward_hook(
        lambda m, i, losses: {k: v * float("nan") for k, v in losses.items()}
    )
    with pytest.raises(LensError, match="'l1_hole' is not a number at step 2"):
        trainer.train()
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_run_can_start_from_weights(folder, tmp_path):
    train(tiny(folder), tmp_path / "run")
    weights = tmp_path / "run" / "weights.safetensors"
    trainer = Trainer(tiny(folder, init={"weights": str(weights)}), tmp_path / "next", "cpu")
    begun = trainer.recipe.networks["generator"].get_parameter("network.to_half.weight")
    assert torch.equal(begun.half(), load_file(weights)["to_half.weight"])


def test_weights_to_start_from_that_do_not_fit_are_told(folder, tmp_path):
    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="of another network"):
        Trainer(tiny(folder, init={"weights": str(tmp_path / "x.safetensors")}), tmp_path / "run", "cpu")


def test_sixteen_bits_train(folder, tmp_path):
    tensors = train(tiny(folder, trainer={"precision": "bf16", "channels_last": True}, **JUDGED), tmp_path / "run")
    assert tensors["networks/generator/network.to_half.weight"].dtype == torch.float32


def test_the_discriminator_learns_and_the_generator_is_not_moved_by_its_update(folder, tmp_path):
    trainer = Trainer(tiny(folder, **JUDGED), tmp_path / "run", "cpu")
    batch = {"image": torch.rand(2, 3, 32, 32), "hole": torch.ones(2, 1, 32, 32)}
    first, second = trainer.recipe.phases(0)
    before = {name: [p.detach().clone() for p in n.parameters()] for name, n in trainer.recipe.networks.items()}
    trainer.stepper._attempt(first, batch)

    def moved(name):
        pairs = zip(trainer.recipe.networks[name].parameters(), before[name], strict=True)
        return any(not torch.equal(now, then) for now, then in pairs)

    assert moved("generator") and not moved("discriminator")
    assert all(p.grad is None for p in trainer.recipe.networks["discriminator"].parameters())
    before["generator"] = [p.detach().clone() for p in trainer.recipe.networks["generator"].parameters()]
    trainer.stepper._attempt(second, batch)
    assert moved("discriminator") and not moved("generator")


@pytest.mark.parametrize(
    ("sections", "error", "words"),
    [
        ({"recipe": {"name": "inpaint"}}, InputError, "did you mean 'inpainting'"),
        ({"recipe": {"generator": {"name": "lens-smal"}}}, InputError, "did you mean 'lens-small'"),
        ({"recipe": {"generator": {"name": "lens-small", "depth": 3}}}, InputError, "has no setting 'depth'"),
        ({"recipe": {"critic": {}}}, InputError, r"\[recipe\] has no setting 'critic'"),
        ({"losses": {"adversarial": 1.0}}, InputError, "needs a discriminator"),
        ({"recipe": {"discriminator": {}}}, InputError, "is of no use without"),
        ({"losses": {"l1_hole": 0.0}}, InputError, "must have a loss of pixels"),
        ({"losses": {"perceptual": 1.0}}, MissingError, "needs the weights of VGG16"),
        ({"holes": {"kinds": {"box": 1.0}}}, InputError, "did you mean 'boxes'"),
        ({"data": {"side": 40}}, InputError, "multiples of 16"),
        ({"trainer": {"precision": "fp16"}}, InputError, "a processor has not"),
        ({"init": {"weights": "none.safetensors"}}, InputError, "there is no file"),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_fit_together_is_told(folder, tmp_path, sections, error, words):
    with pytest.raises(error, match=words):
        Trainer(tiny(folder, **sections), tmp_path / "run", "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_here_is_told(folder, tmp_path, device):
    with pytest.raises((InputError, MissingError), match="device"):
        Trainer(tiny(folder), tmp_path / "run", device)


def test_two_processes_train_as_one(folder, tmp_path):
    config = tiny(folder, trainer={"batch": 4, "steps": 3, "log_every": 1, "checkpoint_every": 3}, **JUDGED)
    train(config, tmp_path / "one")
    file = tmp_path / "tiny.toml"
    file.write_text(config.to_toml())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    command += ["inpaint_lens", "train", str(file), "-o", str(tmp_path / "two"), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=180)
    one, two = (rows(tmp_path / name / "log.csv") for name in ("one", "two"))
    assert len(one) == len(two) == 3
    # Statistics of batches are each process's own, so that only almost the same is learnt.
    for name in ("l1_hole", "feature_matching", "discriminator"):
        assert [float(row[name]) for row in two] == pytest.approx([float(row[name]) for row in one], rel=1e-3)

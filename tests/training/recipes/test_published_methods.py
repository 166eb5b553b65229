"""What holds for every recipe of a published method: it learns, and leaves a backend that can be explained."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inpaint_lens.backends import load, registry
from inpaint_lens.backends.architectures import resolve
from inpaint_lens.backends.edgeconnect import canny_edges
from inpaint_lens.backends.nets.edgeconnect import EdgeGenerator, InpaintGenerator
from inpaint_lens.imaging.errors import Cancelled
from inpaint_lens.imaging.monitor import CancelToken
from inpaint_lens.training.config import Config, parse_config, read_config
from inpaint_lens.training.recipes.published import PublishedRecipe
from inpaint_lens.training.recipes.registry import make_recipe
from inpaint_lens.training.trainer import Trainer
from inpaint_lens.training.watch import Progress, Watch
from inpaint_lens.weights_registry.formats import load_state_dict
from safetensors.torch import save_file
from torch import nn

from ..conftest import write_pictures


@dataclass(frozen=True)
class Method:
    """A recipe at its smallest.

    Attributes:
        recipe: section `[recipe]`.
        losses: section `[losses]`.
        falls: the reconstruction loss.
        backend: that loads the weights.
        side: of the crops.
        hole: the side of the hole, as a share of the crop's.
        rate: of learning.
        beside: another network that the backend needs.
    """

    recipe: dict[str, Any]
    losses: dict[str, float]
    falls: str
    backend: str
    side: int = 64
    hole: float = 0.375
    rate: float = 1e-3
    beside: Callable[[], nn.Module] | None = None


METHODS = [
    Method(
        {"name": "context_encoder", "encoder": 4, "bottleneck": 16, "decoder": 4, "width": 4},
        {"l2": 0.999, "adversarial": 0.001},
        "l2",
        "context-encoder",
        side=128,
        hole=56 / 128,
        rate=4e-3,
    ),
    Method(
        {"name": "deepfill_v1", "width": 8, "critic_width": 4, "critic_steps": 2, "local": 32},
        {
            "discounted_coarse": 1.44,
            "discounted_fine": 1.2,
            "valid_coarse": 1.44,
            "valid_fine": 1.2,
            "wgan_global": 0.001,
            "wgan_local": 0.001,
        },
        "discounted_fine",
        "deepfill-v1",
        side=48,
        rate=2e-3,
    ),
    Method(
        {
            "name": "glcic",
            "width": 8,
            "features": 8,
            "completion_steps": 30,
            "discriminator_steps": 5,
            "solver": "configured",
        },
        {"l2_hole": 1.0, "adversarial": 4e-4},
        "l2_hole",
        "glcic",
        rate=3e-3,
    ),
    Method(
        {"name": "dual_path", "width": 4, "critic_width": 4, "critic_steps": 2},
        {
            "l1_reconstruction": 20.0,
            "l1_generation": 20.0,
            "wgan_reconstruction": 1.0,
            "wgan_generation": 1.0,
            "latent": 1.0,
        },
        "l1_generation",
        "dual-path",
        rate=4e-3,
    ),
    Method(
        {"name": "edgeconnect_edges", "width": 4, "blocks": 1, "sigma": 1.0},
        {"adversarial": 1.0, "feature_matching": 10.0},
        "edge_error",
        "edgeconnect",
        rate=3e-3,
        beside=lambda: InpaintGenerator(width=4, blocks=1),
    ),
    Method(
        {"name": "edgeconnect", "width": 6, "blocks": 1, "sigma": 1.0},
        {"l1": 1.0, "adversarial": 0.1, "total_variation": 0.1},
        "l1",
        "edgeconnect",
        rate=3e-3,
        beside=lambda: EdgeGenerator(width=4, blocks=1),
    ),
    Method(
        {"name": "edgeconnect_joint", "width": 6, "blocks": 1, "sigma": 2.0},
        {"l1": 1.0, "adversarial": 0.1, "total_variation": 0.1},
        "l1",
        "edgeconnect",
        rate=3e-3,
    ),
    Method(
        {"name": "pconv", "width": 8, "stages": 5},
        {"partial_valid": 1.0, "partial_hole": 6.0, "hole_variation": 0.1},
        "partial_hole",
        "pconv",
        rate=3e-3,
    ),
    Method(
        {"name": "deepfill_v2", "width": 4, "critic_width": 4, "sketch": True, "sigma": 1.0},
        {"l1_coarse": 1.0, "l1_fine": 1.0, "adversarial": 0.01},
        "l1_fine",
        "deepfill-v2-pt",
        rate=2e-3,
    ),
    Method(
        {"name": "aot_gan", "width": 4, "blocks": 4, "sigma": 3.0},
        {"l1": 1.0, "adversarial": 0.01},
        "l1",
        "aot-gan",
        rate=3e-3,
    ),
]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    registry.unload()


def configured(method: Method, pictures: Path) -> Config:
    """A run of 50 steps, each with its line in the log."""
    steps = {"steps": 50, "batch": 2, "log_every": 1, "checkpoint_every": 50, "sample_every": 50, "samples": 1}
    return parse_config(
        {
            "data": {"folder": str(pictures), "side": method.side, "scale": [1.0, 1.0], "validation_share": 0.25},
            "recipe": method.recipe,
            "losses": method.losses,
            "holes": {"kinds": {"centre": 1.0}, "coverage": [method.hole**2] * 2},
            "optimiser": {"name": "adam", "rate": method.rate, "betas": [0.5, 0.9], "schedule": "constant"},
            "trainer": {**steps, "workers": 0, "average": 0.9, "clip": 0.0},
        }
    )


@pytest.fixture(scope="module", params=METHODS, ids=lambda one: one.recipe["name"])
def run(request, tmp_path_factory) -> tuple[Method, Path]:
    """A method and the folder of its first 50 steps."""
    method, folder = request.param, tmp_path_factory.mktemp(request.param.recipe["name"])
    pictures = write_pictures(folder / "pictures", 4, (method.side, method.side))
    config = configured(method, pictures)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    Trainer(config, folder / "run", "cpu").train()
    torch.set_num_threads(threads)
    return method, folder / "run"


def test_the_backend_fills_a_hole_as_the_recipe_does(run):
    method, folder = run
    if method.beside is not None:
        pytest.skip("two runs make this backend")
    weights = folder / "weights.safetensors"
    recipe = make_recipe(read_config(folder / "config.toml"))
    recipe.start_from(load_state_dict(weights), "weights")
    assert isinstance(recipe, PublishedRecipe)
    side, reach = method.side, round(method.hole * method.side) // 2
    hole = torch.zeros(2, 1, side, side)
    hole[..., side // 2 - reach : side // 2 + reach, side // 2 - reach : side // 2 + reach] = 1
    image = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        batch = {"image": image, "hole": hole, "edges": canny_edges(image, hole, 2.0)}
        wanted = recipe.fill(recipe.networks["generator"].eval(), batch)
        found = load(*_resolved(weights))(image, hole)
    assert torch.allclose(found * hole, wanted * hole, atol=1e-5)


def _resolved(weights: Path) -> tuple[str, str, dict[str, str]]:
    backend, files = resolve([weights])
    return backend, "cpu", files


def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path):
    """With two phases of a schedule, two networks and ADADELTA."""
    recipe = {"width": 4, "features": 4, "completion_steps": 2, "discriminator_steps": 1, "solver": "adadelta"}
    method = Method({"name": "glcic", **recipe}, {"l2_hole": 1.0, "adversarial": 4e-4}, "l2_hole", "glcic", side=32)
    whole = configured(method, write_pictures(tmp_path / "pictures", 4, (32, 32)))
    whole = replace(whole, trainer=replace(whole.trainer, steps=6, checkpoint_every=3, sample_every=0))
    token = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            token.cancel()

    Trainer(whole, tmp_path / "straight", "cpu").train()
    with pytest.raises(Cancelled):
        Trainer(whole, tmp_path / "run", "cpu", watch=Watch(on_progress=stop, token=token)).train()
    Trainer(whole, tmp_path / "run", "cpu", resume=True).train()
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("straight", "run"))
    assert first == second


def column(run: Path, name: str) -> list[float]:
    with (run / "log.csv").open(newline="") as stream:
        return [float(row[name]) for row in csv.DictReader(stream) if row.get(name)]


def test_the_reconstruction_loss_falls_in_the_first_50_steps(run):
    method, folder = run
    losses = column(folder, method.falls)
    part = max(1, len(losses) // 5)
    assert np.mean(losses[-part:]) < 0.9 * np.mean(losses[:part])


def test_every_loss_of_the_method_is_logged(run):
    method, folder = run
    with (folder / "log.csv").open(newline="") as stream:
        names = set(csv.DictReader(stream).fieldnames or ())
    assert set(method.losses) <= names
    assert (folder / "samples" / "step-00000050.png").is_file()


def test_the_weights_are_those_of_a_backend_whose_fill_has_a_gradient(run):
    method, folder = run
    paths = [folder / "weights.safetensors"]
    if method.beside is not None:
        paths.append(folder / "beside.safetensors")
        save_file(method.beside().state_dict(), paths[-1])
    backend, files = resolve(paths)
    assert backend == method.backend
    machine = load(backend, "cpu", files)
    side = max(method.side, machine.info.size_rule.minimum)
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1)).requires_grad_()
    hole = torch.zeros(1, 1, side, side)
    hole[..., side // 2 - 8 : side // 2 + 8, side // 2 - 9 : side // 2 + 9] = 1
    output = machine(image, hole)
    (gradient,) = torch.autograd.grad((output * hole).sum(), image)
    assert output.shape == image.shape and torch.isfinite(output).all()
    assert torch.isfinite(gradient).all() and gradient.any()
    assert not (gradient * hole).any()

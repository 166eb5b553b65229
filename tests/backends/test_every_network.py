"""What holds for every published network: recognised by its keys, loaded from a file, filling, and explained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.architectures import (
    architectures,
    find_builder,
    fitted,
    identify,
    published_shapes,
    resolve,
    shapes_of,
)
from inpaint_lens.backends.catalog import BUILT_IN
from inpaint_lens.imaging.errors import InputError, WeightsError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin import explaining
from inpaint_lens.plugin.explaining import explain
from inpaint_lens.plugin.filling import fill
from inpaint_lens.plugin.request import ExplainOptions, FillOptions
from safetensors.torch import save_file
from torch import Tensor

ALL = list(architectures())
BACKENDS = {info.name: info for info in BUILT_IN if info.networks}
SAME_NETWORK = {"mat-celeba": "mat", "mat-ffhq": "mat", "edgeconnect-checked": "edgeconnect"}
"""Backends whose files tell the other one, since they differ in their weights only, or ask for more of them."""


def empty_state(builder: str) -> dict[str, Tensor]:
    """The state dict of a published network, without memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in published_shapes(builder).items()}


def random_state(builder: str, seed: int = 0) -> dict[str, Tensor]:
    """Weights as the network begins with; norms are away from the identity."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = find_builder(builder)({})
        return {key: value.clone().contiguous() for key, value in network.state_dict().items()}


@pytest.fixture(scope="module", params=[name for name in BACKENDS if name not in SAME_NETWORK])
def given(request, tmp_path_factory) -> tuple[str, list[Path]]:
    """A backend and files with weights for it."""
    info, folder = BACKENDS[request.param], tmp_path_factory.mktemp(request.param)
    paths = []
    for name, builder in zip(info.weights, info.networks, strict=True):
        paths.append(folder / f"{name}.safetensors")
        save_file(random_state(builder), paths[-1])
    return info.name, paths


@pytest.mark.parametrize("architecture", ALL, ids=lambda one: one.builder.rpartition(".")[2])
def test_a_network_is_recognised_by_its_keys(architecture):
    found = identify(empty_state(architecture.builder))
    assert found is not None
    assert published_shapes(found.builder) == published_shapes(architecture.builder)


@pytest.mark.parametrize("architecture", ALL, ids=lambda one: one.builder.rpartition(".")[2])
def test_a_network_built_from_its_own_shapes_is_the_published_one(architecture):
    shapes = published_shapes(architecture.builder)
    with torch.device("meta"):
        assert shapes_of(find_builder(architecture.builder)(shapes).state_dict()) == shapes


def test_a_files_keys_tell_the_backend_and_it_fills_and_is_explained(given, monkeypatch):
    name, paths = given
    monkeypatch.setattr(explaining, "SEEDS", 1)
    before = torch.random.get_rng_state(), str(np.random.get_state())
    backend, files = resolve(paths)
    assert backend == name
    machine = load(backend, "cpu", files)
    rng = np.random.default_rng(0)
    side = machine.info.size_rule.fixed or max(64, machine.info.size_rule.minimum)
    picture = Picture.from_array((rng.random((side, side, 3)) * 255).astype(np.uint8))
    mask = np.zeros((side, side), bool)
    mask[side // 2 - 8 : side // 2 + 8, side // 2 - 9 : side // 2 + 9] = True
    filling = fill(picture, Hole(mask), machine, FillOptions(backend, context_px=side, feather_px=0))
    # At 512 x 512 one gradient has to do: a path takes minutes.
    why = ExplainOptions("gradient") if machine.info.size_rule.fixed == 512 else ExplainOptions("path-ig", steps=2)
    explanation = explain(filling, why)
    assert np.array_equal(filling.picture.pixels[~mask], picture.pixels[~mask])
    assert np.isfinite(explanation.signed).all() and explanation.signed.any()
    assert not explanation.signed[mask[explanation.box.slices]].any()
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


def test_weights_of_another_network_are_refused_by_its_name():
    builder = "inpaint_lens.backends.nets.glcic:glcic_completion"
    with pytest.raises(WeightsError, match=r"look like weights of AOT-GAN.*--backend aot-gan"):
        fitted(builder, random_state("inpaint_lens.backends.nets.aot_gan:generator"), "glcic")


def test_weights_of_a_discriminator_are_told_to_be_no_generators(tmp_path):
    path = tmp_path / "critic.safetensors"
    save_file(random_state("inpaint_lens.backends.nets.deepfill_v1:local_critic"), path)
    with pytest.raises(WeightsError, match=r"critic of DeepFill v1.*give the generator"):
        resolve([path])


def test_a_wrong_shape_is_told_with_what_was_expected():
    builder = "inpaint_lens.backends.nets.glcic:glcic_completion"
    state = random_state(builder)
    state["bn2.bias"] = torch.zeros(7)
    with pytest.raises(WeightsError, match=r"'bn2.bias' has the shape \(7,\), expected \(128,\)"):
        fitted(builder, state, "glcic")


def test_weights_of_nothing_known_are_refused(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file({"a.weight": torch.zeros(3), "b.weight": torch.zeros(4)}, path)
    with pytest.raises(WeightsError, match="keys of no network that is known"):
        resolve([path])


def test_two_files_for_one_place_are_refused(tmp_path):
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in paths:
        save_file(random_state("inpaint_lens.backends.nets.glcic:glcic_completion"), path)
    with pytest.raises(InputError, match="both weights of 'glcic'"):
        resolve(paths)

import hashlib
from pathlib import Path

import pytest
import torch
from inpaint_lens.backends import load, registry
from inpaint_lens.backends.lama import from_state_dict
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import WeightsError
from safetensors.torch import save_file
from spandrel.architectures.LaMa import LaMa
from torch import Tensor, nn


@pytest.fixture(scope="module")
def network() -> LaMa:
    """LaMa with random weights, its running statistics those of no data."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LaMa(in_nc=4, out_nc=3).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def narrow(network) -> nn.Module:
    """LaMa's generator with two blocks and few channels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return type(network.model)(4, 3, ngf=8, n_blocks=2).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def state(network) -> dict[str, Tensor]:
    """Its parameters as big-lama's own files name them."""
    return {f"generator.{key.removeprefix('model.')}": value for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def offered(state, tmp_path_factory) -> dict[str, str]:
    """Environment in which these weights are the ones of `lama`, as safetensors."""
    folder: Path = tmp_path_factory.mktemp("lama")
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "lama.safetensors")
    digest = hashlib.sha256((folder / "lama.safetensors").read_bytes()).hexdigest()
    entry = {
        "title": "random", "source": "https", "url": "https://127.0.0.1/lama.safetensors", "sha256": digest,
        "licence": "Apache-2.0", "format": "safetensors", "purpose": "inpaint", "use": "tests", "upstream": "none",
    }  # fmt: skip
    lines = ["[lama]", *(f'{key} = "{value}"' for key, value in entry.items()), "commercial_use = true"]
    (folder / "catalog.toml").write_text("\n".join(lines))
    return {
        "INPAINT_LENS_CATALOG": str(folder / "catalog.toml"),
        "INPAINT_LENS_WEIGHTS": f"lama={folder / 'lama.safetensors'}",
    }


@torch.no_grad()
def test_lama_gives_what_the_network_gives_for_single_pictures_and_batches(
    network, offered, monkeypatch, image, hole, exclude
):
    for name, value in offered.items():
        monkeypatch.setenv(name, value)
    assert registry.status(info("lama")).ready
    backend = load("lama", "cpu")
    hidden = torch.maximum(hole, exclude)
    expected = network.model(image * (1 - hidden), hidden)
    assert torch.allclose(backend(image, hole, exclude=exclude), expected, atol=1e-5)
    both = backend(torch.cat([image.flip(-1), image]), torch.cat([hole.flip(-1), hole]))
    assert torch.allclose(both[1:], network.model(image * (1 - hole), hole), atol=1e-5)


def test_lama_lets_gradients_through(state, image, hole):
    backend = from_state_dict(info("lama"), state, "cpu")
    image.requires_grad_()
    (backend(image, hole) * hole).sum().backward()
    assert image.grad is not None
    assert not image.grad[(hole > 0).expand_as(image)].any()
    assert image.grad.abs().sum() > 0


def test_gradients_are_the_slopes_of_the_fill(narrow, image, hole):
    backend = from_state_dict(info("lama"), narrow.state_dict(), "cpu")
    backend.module.double()
    image, hole = image.double().requires_grad_(), hole.double()
    (gradient,) = torch.autograd.grad((backend(image, hole) * hole).sum(), image)
    for index in gradient.abs().flatten().topk(3).indices:
        # The spectral branch computes in single precision, whatever it is given.
        step = torch.zeros_like(image).flatten().index_fill(0, index, 1e-2).view_as(image)
        with torch.no_grad():
            slope = ((backend(image + step, hole) - backend(image - step, hole)) * hole).sum() / 2e-2
        assert slope == pytest.approx(gradient.flatten()[index].item(), rel=2e-2)


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "generator.", "model.", "model.generator."])
def test_any_depth_and_any_prefix_of_the_keys_are_taken(prefix, narrow, image, hole):
    state = {f"{prefix}{key}": value for key, value in narrow.state_dict().items()}
    state["discriminator.model0.0.weight"] = torch.zeros(3)
    backend = from_state_dict(info("lama"), state, "cpu")
    assert torch.allclose(backend(image, hole), narrow(image * (1 - hole), hole), atol=1e-6)


def test_weights_of_another_network_are_refused():
    with pytest.raises(WeightsError, match="not of a LaMa"):
        from_state_dict(info("lama"), {"conv.weight": torch.zeros(3)}, "cpu")


def test_weights_that_lack_layers_are_refused_in_one_line(state):
    part = {key: value for key, value in state.items() if ".model.9." not in key}
    with pytest.raises(WeightsError, match=r"do not fit: 44 of 989 keys are missing, first 'model\.9\.conv1") as caught:
        from_state_dict(info("lama"), part, "cpu")
    assert "\n" not in str(caught.value)

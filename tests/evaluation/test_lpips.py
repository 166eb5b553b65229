"""LPIPS with weights from a safetensors file, against the lpips package itself."""

from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from inpaint_lens.evaluation.metrics import score
from inpaint_lens.evaluation.perceptual import Lpips
from inpaint_lens.imaging.errors import InputError, MissingError, WeightsError
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchvision.*")

CONVOLUTIONS = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
CHANNELS = (64, 192, 384, 256, 256)


def bundled_heads():
    """The linear heads that come with the lpips package, which holds no convolutions."""
    path = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    generator = torch.Generator().manual_seed(0)
    tensors = {f"lin{k}.model.1.weight": torch.rand((1, n, 1, 1), generator=generator) for k, n in enumerate(CHANNELS)}
    for index, (out, into, side) in CONVOLUTIONS.items():
        scale = (2 / (into * side * side)) ** 0.5
        tensors[f"features.{index}.weight"] = torch.randn((out, into, side, side), generator=generator) * scale
        tensors[f"features.{index}.bias"] = torch.randn(out, generator=generator) * 0.1
    path = tmp_path_factory.mktemp("lpips") / "alex.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def network(weights):
    return Lpips(weights)


@pytest.fixture(scope="module")
def official(weights):
    """The package's own network, filled slice by slice from the file."""
    model = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    parameters = dict(model.named_parameters())
    tensors = load_file(weights)
    with torch.no_grad():
        for number in range(len(CHANNELS)):
            parameters[f"lin{number}.model.1.weight"].copy_(tensors[f"lin{number}.model.1.weight"])
        for part, index in enumerate(CONVOLUTIONS, start=1):
            for kind in ("weight", "bias"):
                parameters[f"net.slice{part}.{index}.{kind}"].copy_(tensors[f"features.{index}.{kind}"])
    return model


def noise(seed=0, height=48, width=64):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def block(height=48, width=64):
    hole = np.zeros((height, width), dtype=bool)
    hole[10:30, 20:50] = True
    return hole


def run_official(model, one, other, spatial):
    model.spatial = spatial
    first, second = (torch.from_numpy(picture).permute(2, 0, 1)[None] / 255 for picture in (one, other))
    with torch.no_grad():
        return model(first, second, normalize=True)[0, 0].numpy()


def test_the_whole_picture_scores_as_the_package_scores_it(network, official):
    expected = run_official(official, noise(0), noise(1), spatial=False).item()
    assert network.whole(noise(0), noise(1)) == pytest.approx(expected, rel=1e-5)


def test_the_hole_scores_the_mean_of_the_packages_spatial_map(network, official):
    expected = run_official(official, noise(0), noise(1), spatial=True)[block()].mean()
    assert network.inside(noise(0), noise(1), block()) == pytest.approx(float(expected), rel=1e-5)


def test_equal_pictures_are_at_distance_zero(network):
    assert network.inside(noise(), noise(), block()) == network.whole(noise(), noise()) == 0


def test_the_distance_does_not_depend_on_the_order(network):
    assert network.whole(noise(0), noise(1)) == pytest.approx(network.whole(noise(1), noise(0)), rel=1e-6)


def test_a_larger_change_is_further_away(network):
    original = np.full((48, 64, 3), 128, dtype=np.uint8)
    change = np.random.default_rng(0).normal(0, 1, original.shape)
    near, far = (np.clip(original + strength * change, 0, 255).astype(np.uint8) for strength in (5, 60))
    assert network.whole(near, original) < network.whole(far, original)


def test_a_change_in_the_hole_counts_more_inside_than_over_the_picture(network):
    result = noise(0)
    result[block()] = 128
    scores = score(result, noise(0), block(), network)
    assert scores.inside.lpips is not None and scores.whole.lpips is not None
    assert scores.inside.lpips > scores.whole.lpips > 0


def test_loading_leaves_the_global_random_generator_alone(weights):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    Lpips(weights)
    assert torch.equal(torch.get_rng_state(), before)


def test_heads_in_the_packages_own_file_go_where_the_package_puts_them(tmp_path, weights):
    tensors = load_file(weights) | bundled_heads()
    save_file(tensors, tmp_path / "mixed.safetensors")
    reference = lpips.LPIPS(net="alex", pretrained=True, pnet_rand=True, verbose=False)
    loaded, expected = Lpips(tmp_path / "mixed.safetensors")._averaged.state_dict(), reference.state_dict()
    for name in expected:
        if name.startswith("lin"):
            assert torch.equal(loaded[name], expected[name])


def test_half_precision_weights_are_computed_in_single_precision(tmp_path, weights, network):
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, tmp_path / "half.safetensors")
    half = Lpips(tmp_path / "half.safetensors")
    assert half.whole(noise(0), noise(1)) == pytest.approx(network.whole(noise(0), noise(1)), rel=1e-2)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(MissingError, match="download them"):
        Lpips(tmp_path / "absent.safetensors")


def test_a_file_that_is_not_safetensors_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match="is damaged"):
        Lpips(tmp_path / "bad.safetensors")


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(WeightsError, match="'vgg'"):
        Lpips(weights, net="vgg")


def test_weights_without_a_head_are_refused_by_its_name(tmp_path, weights):
    tensors = load_file(weights)
    del tensors["lin3.model.1.weight"]
    save_file(tensors, tmp_path / "headless.safetensors")
    with pytest.raises(WeightsError, match=r"lin3\.model\.1\.weight"):
        Lpips(tmp_path / "headless.safetensors")


def test_an_unknown_network_is_refused(weights):
    with pytest.raises(InputError, match="'alex' or 'vgg'"):
        Lpips(weights, net="squeeze")  # type: ignore[arg-type]


def test_a_picture_too_small_for_the_network_is_refused(network):
    with pytest.raises(InputError, match="at least 32 × 32"):
        network.whole(noise(height=31), noise(height=31))


def test_a_torchvision_file_takes_the_heads_of_the_package(weights, tmp_path):
    tensors = {key: value for key, value in load_file(weights).items() if key.startswith("features.")}
    torch.save(tensors | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "alexnet.pth")
    save_file(tensors | bundled_heads_by_name(), tmp_path / "whole.safetensors")
    two, one = Lpips(tmp_path / "alexnet.pth"), Lpips(tmp_path / "whole.safetensors")
    assert two.whole(noise(0), noise(1)) == one.whole(noise(0), noise(1))


def bundled_heads_by_name():
    return {f"lin{k}.model.1.weight": bundled_heads()[f"lin{k}.model.1.weight"] for k in range(len(CHANNELS))}

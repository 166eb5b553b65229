"""FID and KID of features against closed forms, and the refusals around the network."""

import numpy as np
import pytest
import torch
from inpaint_lens.evaluation.distribution import Inception, distances
from inpaint_lens.imaging.errors import InputError, MissingError, WeightsError
from safetensors.torch import save_file


def gauss(count, size, seed=0):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_fid_of_a_shift_is_its_squared_length():
    features = gauss(60, 4)
    shifted = features + torch.tensor([1.0, 0.0, -2.0, 0.0])
    assert distances(shifted, features).fid == pytest.approx(5, abs=1e-6)


def test_the_fid_of_a_scaling_is_the_difference_of_the_deviations_squared():
    features = gauss(60, 3)
    features = features - features.mean(0)
    expected = (3 - 1) ** 2 * float(torch.cov(features.T).trace())
    assert distances(3 * features, features).fid == pytest.approx(expected, rel=1e-6)


def test_the_kid_is_the_unbiased_mean_discrepancy_of_the_cubic_kernel():
    one, other = gauss(6, 2).numpy(), gauss(6, 2, seed=1).numpy() + 1

    def kernel(x, y):
        return (x @ y / 2 + 1) ** 3

    def within(values):
        return np.mean([kernel(x, y) for i, x in enumerate(values) for j, y in enumerate(values) if i != j])

    between = np.mean([kernel(x, y) for x in one for y in other])
    expected = within(one) + within(other) - 2 * between
    assert distances(torch.from_numpy(one), torch.from_numpy(other)).kid == pytest.approx(expected, rel=1e-5)


def test_the_random_subsets_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    distances(gauss(5, 2), gauss(5, 2, seed=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_one_picture_is_too_few():
    with pytest.raises(InputError, match="at least 2"):
        distances(gauss(1, 2), gauss(5, 2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"inception\.pth"):
        Inception(tmp_path / "inception.pth")


def test_weights_of_another_network_are_refused(tmp_path):
    pytest.importorskip("torch_fidelity")
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="Inception network of torch-fidelity"):
        Inception(tmp_path / "other.safetensors")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    pytest.importorskip("torch_fidelity")
    import pickle

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(print))
    with pytest.raises(WeightsError, match="pickle"):
        Inception(tmp_path / "evil.pth")


def test_the_network_takes_a_file_and_gives_2048_features_for_each_picture(tmp_path):
    extractor = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    with torch.random.fork_rng(), torch.device("meta"):
        shapes = {key: value.shape for key, value in empty(extractor).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    state = {
        key: torch.rand(shape, generator=generator) * 0.02 if shape else torch.tensor(0)
        for key, shape in shapes.items()
    }
    save_file(state, tmp_path / "inception.safetensors")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    features = Inception(tmp_path / "inception.safetensors").features(pictures)
    assert features.shape == (2, 2048) and features.dtype == torch.float64 and torch.isfinite(features).all()


def empty(extractor):
    """The network without weights, which its own constructor always loads."""
    import unittest.mock

    with (
        unittest.mock.patch("torch.load", return_value={}),
        unittest.mock.patch.object(extractor, "load_state_dict", lambda self, state: None),
    ):
        return extractor("inception-v3-compat", ["2048"], "nowhere")

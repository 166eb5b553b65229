import numpy as np
import pytest
import torch
from inpaint_lens.backends.exemplar.backend import load
from inpaint_lens.backends.protocol import Backend, BackendInfo, Setting
from inpaint_lens.imaging.errors import InputError

INFO = BackendInfo(
    name="exemplar",
    title="",
    loader="inpaint_lens.backends.exemplar.backend:load",
    licence="Apache-2.0",
    commercial_use=True,
    stochastic=True,
    settings=(Setting("patch", 7, "", 3, 15), Setting("rounds", 2, "", 1, 20)),
)


@pytest.fixture
def backend():
    return load(INFO, "cpu")


def test_it_is_a_backend(backend):
    assert isinstance(backend, Backend)
    assert backend.device == "cpu"


def test_the_fill_is_the_weighted_sum_of_its_sources_and_the_rest_is_the_picture(backend, image, hole, exclude):
    filled = backend(image, hole, exclude=exclude, seed=2)[0].permute(1, 2, 0).numpy()
    found = backend.provenance(image, hole, exclude=exclude, seed=2)
    known = image[0].permute(1, 2, 0).numpy()
    inside = hole[0, 0].numpy() > 0
    summed = (known.reshape(-1, 3)[found.sources] * found.weights[..., None]).sum(1)
    np.testing.assert_allclose(filled[inside], summed, atol=1e-5)
    np.testing.assert_array_equal(filled[~inside], known[~inside])
    assert not ((hole + exclude)[0, 0].numpy() > 0).reshape(-1)[found.sources].any()


def test_each_picture_of_a_batch_is_filled_as_if_alone(backend, image, hole):
    other = image.flip(3), hole.flip(2)
    both = backend(torch.cat([image, other[0]]), torch.cat([hole, other[1]]), seed=1)
    torch.testing.assert_close(both[:1], backend(image, hole, seed=1), rtol=0, atol=0)
    torch.testing.assert_close(both[1:], backend(*other, seed=1), rtol=0, atol=0)


def test_settings_are_heeded_and_checked(backend, image, hole):
    small = backend(image, hole, settings={"patch": 3, "rounds": 1})
    assert (small != backend(image, hole, settings={"patch": 9, "rounds": 1})).any()
    with pytest.raises(InputError, match="odd"):
        backend(image, hole, settings={"patch": 8})
    with pytest.raises(InputError, match="patch"):
        backend(image, hole, settings={"patch": 99})


def test_the_provenance_of_several_pictures_at_once_is_refused(backend, image, hole):
    with pytest.raises(InputError, match="one at a time"):
        backend.provenance(torch.cat([image, image]), torch.cat([hole, hole]))


def test_the_callers_picture_and_random_state_are_left_alone(backend, image, hole):
    before, state = image.clone(), torch.get_rng_state()
    backend(image, hole)
    torch.testing.assert_close(image, before, rtol=0, atol=0)
    torch.testing.assert_close(torch.get_rng_state(), state, rtol=0, atol=0)

import pytest
import torch
from inpaint_lens.backends import biharmonic, load
from inpaint_lens.imaging.errors import InputError
from scipy import ndimage
from skimage.restoration import inpaint_biharmonic
from torch import Tensor


def polynomial(size: int) -> Tensor:
    """A cubic in both directions, `[1, 3, size, size]` in [0, 1]: its bi-Laplacian is 0."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    return torch.stack([0.3 * x + 0.1 * y, 0.4 * x * y + 0.1 * y**2, 0.2 * x**3 - 0.2 * x * y**2])[None] / 2 + 0.5


def test_ramps_and_cubics_are_continued_exactly(hole):
    image = polynomial(64)
    assert (load("biharmonic", "cpu")(image * (1 - hole), hole) - image).abs().max() < 1e-5


def test_the_bilaplacian_of_a_fill_is_zero(hole):
    image = polynomial(64) ** 2
    filled = load("biharmonic", "cpu")(image, hole)[0].double().numpy()
    inside = hole[0, 0].numpy() > 0
    for channel in filled:
        assert abs(ndimage.laplace(ndimage.laplace(channel))[inside]).max() < 1e-5


def test_the_crop_makes_no_difference(hole):
    image = polynomial(64) ** 2
    whole = inpaint_biharmonic(image[0].permute(1, 2, 0).numpy(), hole[0, 0].numpy() > 0, channel_axis=-1)
    filled = load("biharmonic", "cpu")(image, hole)[0].permute(1, 2, 0).numpy()
    assert abs(filled - whole).max() < 1e-5


@torch.no_grad()
def test_a_fill_stays_within_the_known_values(image, hole):
    image = (image * 0.5 + 0.25) * (1 - hole)
    filled = load("biharmonic", "cpu")(image, hole)[hole.expand_as(image) > 0]
    assert filled.min() >= 0.25
    assert filled.max() <= 0.75


@pytest.mark.parametrize("axis", [-1, -2])
@torch.no_grad()
def test_the_fill_of_a_mirrored_picture_is_the_mirrored_fill(image, hole, axis):
    backend = load("biharmonic", "cpu")
    assert torch.allclose(backend(image.flip(axis), hole.flip(axis)), backend(image, hole).flip(axis), atol=1e-6)


def test_more_than_can_be_solved_at_once_is_told_in_a_sentence(monkeypatch, image, hole):
    monkeypatch.setattr(biharmonic, "MOST_PIXELS", 12 * 14 - 1)
    with pytest.raises(InputError, match="168 hidden pixels are more than the 167 that biharmonic solves for at once"):
        load("biharmonic", "cpu")(image, hole)

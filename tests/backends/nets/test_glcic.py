from collections.abc import Iterator

import pytest
import torch
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.nets.glcic import (
    CompletionNetwork,
    ContextDiscriminator,
    Discriminator,
    glcic_completion,
    glcic_discriminator_celeba,
    glcic_discriminator_places2,
)

MEAN = torch.tensor([0.51, 0.43, 0.38]).view(1, 3, 1, 1)
NARROW = (3, 4, 5, *(4,) * 9, 5, 4, 3, 2, 3)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Networks that a test makes have the same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@torch.no_grad()
def test_the_completion_network_gives_the_published_output(golden, cases):
    data = golden("glcic_completion")
    network = data.fill(glcic_completion(data.shapes))
    for case in cases(data.name):
        seen = torch.cat([case.image * (1 - case.mask) + MEAN * case.mask, case.mask], 1)
        case.check(output=network(seen))


@pytest.mark.parametrize(
    ("name", "builder"), [("celeba", glcic_discriminator_celeba), ("places2", glcic_discriminator_places2)]
)
@torch.no_grad()
def test_the_discriminators_give_the_published_output(name, builder, golden, cases):
    data = golden(f"glcic_discriminator_{name}")
    network = data.fill(builder(data.shapes))
    for case in cases(data.name):
        whole, side = network.model_gd.side, network.model_ld.side
        assert case.image.shape[-1] == whole
        top, left = (whole - side) // 2 + 8, (whole - side) // 2 - 8
        crop = case.image[..., top : top + side, left : left + side]
        case.check(
            output=network(crop, case.image),
            local_features=network.model_ld(crop),
            global_features=network.model_gd(case.image),
        )


@pytest.mark.parametrize("name", ["glcic_completion", "glcic_discriminator_celeba", "glcic_discriminator_places2"])
def test_without_shapes_the_builders_make_the_published_networks(name, golden):
    assert published_shapes(f"inpaint_lens.backends.nets.glcic:{name}") == golden(name).shapes


def test_builders_read_widths_depths_and_sizes_from_shapes():
    narrow = shapes_of(CompletionNetwork(NARROW, channels=2).state_dict())
    assert shapes_of(glcic_completion(narrow).state_dict()) == narrow
    judge = ContextDiscriminator(Discriminator(12, (3, 4), 5, 1), Discriminator(40, (3, 4, 2), 6, 1))
    again = glcic_discriminator_celeba(shapes_of(judge.state_dict()))
    assert shapes_of(again.state_dict()) == shapes_of(judge.state_dict())
    assert (again.model_ld.side, again.model_gd.side) == (12, 40)


@torch.no_grad()
def test_pictures_of_a_batch_do_not_change_each_other():
    network = CompletionNetwork(NARROW).eval()
    batch = torch.rand(2, 4, 24, 32, generator=torch.Generator().manual_seed(0))
    both = network(batch)
    assert both.shape == (2, 3, 24, 32)
    assert torch.allclose(both[1:], network(batch[1:]), atol=1e-6)
    assert torch.equal(both, network(batch))

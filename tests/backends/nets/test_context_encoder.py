from collections.abc import Iterator

import pytest
import torch
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.nets.context_encoder import (
    ContextDiscriminator,
    ContextEncoder,
    context_encoder,
    context_encoder_discriminator,
    hidden_centre,
    hide,
)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Networks that a test makes have the same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@torch.no_grad()
def test_the_generator_gives_the_published_output(golden, cases):
    data = golden("context_encoder_generator")
    network = data.fill(context_encoder(data.shapes))
    for case in cases(data.name):
        seen = hide(case.image, hidden_centre(case.image)) * 2 - 1
        case.check(net_input=seen, output=network(seen))


@torch.no_grad()
def test_the_discriminator_gives_the_published_output(golden, cases):
    data = golden("context_encoder_discriminator")
    network = data.fill(context_encoder_discriminator(data.shapes))
    for case in cases(data.name):
        case.check(output=network(case.image * 2 - 1))


def test_without_shapes_the_builders_make_the_published_networks(golden):
    place = "inpaint_lens.backends.nets.context_encoder"
    assert published_shapes(f"{place}:context_encoder") == golden("context_encoder_generator").shapes
    assert published_shapes(f"{place}:context_encoder_discriminator") == golden("context_encoder_discriminator").shapes


def test_builders_read_widths_from_shapes():
    narrow = ContextEncoder(encoder=3, bottleneck=5, decoder=2, colours=1)
    assert shapes_of(context_encoder(shapes_of(narrow.state_dict())).state_dict()) == shapes_of(narrow.state_dict())
    judge = ContextDiscriminator(width=4, colours=1)
    again = context_encoder_discriminator(shapes_of(judge.state_dict()))
    assert shapes_of(again.state_dict()) == shapes_of(judge.state_dict())


@torch.no_grad()
def test_pictures_of_a_batch_do_not_change_each_other():
    network = ContextEncoder(4, 8, 4).eval()
    batch = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    both = network(batch)
    assert torch.allclose(both[:1], network(batch[:1]), atol=1e-6)
    assert torch.equal(both, network(batch))

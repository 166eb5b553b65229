import hashlib

import pytest
import torch
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.migan import CONVENTION
from inpaint_lens.backends.nets.migan import MIGAN, Downsample, Upsample, generator


def small():
    """A network of 16 x 16 with few channels."""
    torch.manual_seed(0)
    network = MIGAN({4: 12, 8: 10, 16: 8}).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(parameter, 0.3)
    return network


@pytest.mark.parametrize("name", ["migan_256", "migan_512"])
@torch.no_grad()
def test_the_generator_gives_what_the_reference_gives(name, golden, cases):
    network = golden(name).fill(generator(golden(name).shapes))
    for case in cases(name):
        case.check(output=network(*CONVENTION.pack(case.image, case.mask)))


def test_constant_filters_and_grids_are_those_of_the_reference(golden):
    state = generator(golden("migan_256").shapes).state_dict()
    for row in golden("migan_256").manifest:
        if row.get("kept"):
            assert hashlib.sha256(state[row["key"]].numpy().tobytes()).hexdigest() == row["sha256"], row["key"]


def test_the_published_network_of_512_is_described_without_memory(golden):
    assert published_shapes("inpaint_lens.backends.nets.migan:generator") == golden("migan_512").shapes


def test_the_builder_reads_resolution_and_widths_from_shapes():
    shapes = shapes_of(small().state_dict())
    made = generator(shapes)
    assert made.resolution == 16
    assert shapes_of(made.state_dict()) == shapes


@torch.no_grad()
def test_resampling_keeps_a_flat_picture_away_from_its_border():
    flat = torch.full((1, 2, 16, 16), 0.7)
    larger, smaller = Upsample(2, 32)(flat), Downsample(2)(flat)
    assert torch.allclose(larger[..., 2:-2, 2:-2], torch.tensor(0.7))
    assert torch.allclose(smaller[..., 1:-1, 1:-1], torch.tensor(0.7))


@torch.no_grad()
def test_pictures_of_a_batch_do_not_influence_one_another_and_calls_repeat():
    network = small()
    packed = torch.rand(3, 4, 16, 16) * 2 - 1
    together = network(packed)
    assert torch.equal(together, network(packed))
    assert torch.allclose(together[1:2], network(packed[1:2]), atol=1e-6)


@torch.no_grad()
def test_noise_is_fixed_and_scaled_by_its_strength():
    network = small()
    packed = torch.rand(1, 4, 16, 16)
    strong = network(packed)
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.zero_()
    plain = network(packed)
    assert not torch.allclose(strong, plain, atol=1e-3)
    for name, buffer in network.named_buffers():
        if name.endswith("noise_const"):
            buffer.zero_()
    assert torch.equal(network(packed), plain)

import pytest
import torch
from inpaint_lens.backends.aot_gan import CONVENTION
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.nets.aot_gan import AOTBlock, AOTDiscriminator, AOTGenerator, discriminator, generator

NETWORKS = {
    "aotgan_generator": "inpaint_lens.backends.nets.aot_gan:generator",
    "aotgan_discriminator": "inpaint_lens.backends.nets.aot_gan:discriminator",
}


@torch.no_grad()
def test_the_generator_sees_and_gives_what_the_reference_sees_and_gives(golden, cases):
    network = golden("aotgan_generator").fill(generator({}))
    for case in cases("aotgan_generator"):
        inputs = CONVENTION.pack(case.image, case.mask)
        output = network(*inputs)
        case.check(output=output)
        if "net_input" in case.expected:
            pasted = (1 - case.mask) * (2 * case.image - 1) + case.mask * output
            case.check(net_input=torch.cat(inputs, 1), composite=pasted)


@torch.no_grad()
def test_the_discriminator_gives_the_scores_of_the_reference(golden, cases):
    network = golden("aotgan_discriminator").fill(discriminator({}))
    for case in cases("aotgan_discriminator"):
        case.check(output=network(2 * case.image - 1))


@pytest.mark.parametrize(("name", "builder"), NETWORKS.items())
def test_published_networks_are_described_without_memory(name, builder, golden):
    assert published_shapes(builder) == golden(name).shapes


@pytest.mark.parametrize(
    ("network", "build"),
    [
        (AOTGenerator(width=8, blocks=3), generator),
        (AOTGenerator(width=8, blocks=1, rates=(1, 2)), generator),
        (AOTDiscriminator(width=6), discriminator),
    ],
)
def test_builders_read_width_blocks_and_branches_from_shapes(network, build):
    shapes = shapes_of(network.state_dict())
    assert shapes_of(build(shapes).state_dict()) == shapes


def test_branches_have_the_published_dilations(golden):
    block = generator(golden("aotgan_generator").shapes).middle[7]
    dilations = [block.get_submodule(f"block0{index}.1").dilation for index in range(4)]
    assert dilations == [(1, 1), (2, 2), (4, 4), (8, 8)]


@torch.no_grad()
def test_the_gate_mixes_the_input_and_what_the_branches_see():
    torch.manual_seed(0)
    block = AOTBlock(8, (1, 2))
    for parameter in block.gate.parameters():
        parameter.zero_()
    features = torch.rand(1, 8, 6, 7)
    # The scores of features that are 0 are 0, so the gate is sigmoid(5 (0 - 1)) everywhere.
    gate = torch.sigmoid(torch.tensor(-5.0))
    seen = [block.get_submodule(name)(features) for name in ("block00", "block01")]
    fused = block.fuse(torch.cat(seen, 1))
    assert torch.allclose(block(features), (1 - gate) * features + gate * fused, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("size", [(36, 36), (36, 60), (64, 40)])
def test_pictures_of_a_batch_do_not_influence_one_another_and_calls_repeat(size):
    torch.manual_seed(0)
    network = AOTGenerator(width=8, blocks=2).eval()
    pictures, holes = torch.rand(3, 3, *size) * 2 - 1, (torch.rand(3, 1, *size) < 0.3).float()
    together = network(pictures, holes)
    assert together.shape == pictures.shape
    assert torch.equal(together, network(pictures, holes))
    assert torch.allclose(together[1:2], network(pictures[1:2], holes[1:2]), atol=1e-5)


@torch.no_grad()
def test_judging_does_not_change_the_discriminator():
    torch.manual_seed(0)
    network = AOTDiscriminator(width=6).eval()
    picture = torch.rand(2, 3, 32, 48)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    scores = network(picture)
    assert scores.shape == (2, 1, 32 // 8 - 2, 48 // 8 - 2)
    assert torch.equal(scores, network(picture))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())

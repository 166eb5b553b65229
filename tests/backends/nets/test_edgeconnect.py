import pytest
import torch
from inpaint_lens.backends.architectures import find_builder, fitted, published_shapes, shapes_of
from inpaint_lens.backends.nets.edgeconnect import (
    Discriminator,
    EdgeGenerator,
    InpaintGenerator,
    edge_discriminator,
    edge_generator,
    inpaint_generator,
    rgb_discriminator,
)
from inpaint_lens.imaging.errors import WeightsError

MODULE = "inpaint_lens.backends.nets.edgeconnect"
NETWORKS = {
    "edgeconnect_edge_generator": "edge_generator",
    "edgeconnect_inpaint_generator": "inpaint_generator",
    "edgeconnect_discriminator_edge": "edge_discriminator",
    "edgeconnect_discriminator_rgb": "rgb_discriminator",
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def grey_and_edges(image):
    """The inputs that stand in for a real grey picture and its Canny edges in the golden data."""
    weights = torch.tensor([0.2125, 0.7154, 0.0721]).reshape(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True), (image[:, 2:] > 0.9).float()


def edge_input(image, mask):
    grey, edges = grey_and_edges(image)
    return torch.cat([grey * (1 - mask) + mask, edges * (1 - mask), mask], 1)


def narrow():
    """Narrow networks of every kind, each with its number of input channels and its builder."""
    return (
        (EdgeGenerator(width=8, blocks=2), 3, edge_generator),
        (InpaintGenerator(width=8, blocks=3), 4, inpaint_generator),
        (Discriminator(2, width=8), 2, edge_discriminator),
        (Discriminator(3, width=4), 3, rgb_discriminator),
    )


@torch.no_grad()
def test_the_edge_generator_gives_what_the_reference_gives(golden, cases):
    network = golden("edgeconnect_edge_generator").fill(edge_generator({}))
    for case in cases("edgeconnect_edge_generator"):
        packed = edge_input(case.image, case.mask)
        if "net_input" in case.expected:
            case.check(net_input=packed)
        case.check(output=network(packed))


@torch.no_grad()
def test_the_completion_network_gives_what_the_reference_gives_alone_and_after_the_edge_generator(golden, cases):
    edges_of = golden("edgeconnect_edge_generator").fill(edge_generator({}))
    network = golden("edgeconnect_inpaint_generator").fill(inpaint_generator({}))
    for case in cases("edgeconnect_inpaint_generator"):
        whitened = case.image * (1 - case.mask) + case.mask
        packed = torch.cat([whitened, grey_and_edges(case.image)[1]], 1)
        generated = edges_of(edge_input(case.image, case.mask))
        output = network(packed)
        case.check(output=output, joint_output=network(torch.cat([whitened, generated], 1)))
        if "net_input" in case.expected:
            case.check(net_input=packed, composite=output * case.mask + case.image * (1 - case.mask))


@pytest.mark.parametrize("name", ["edgeconnect_discriminator_edge", "edgeconnect_discriminator_rgb"])
@torch.no_grad()
def test_the_discriminators_give_the_scores_and_features_of_the_reference(name, golden, cases):
    network = golden(name).fill(find_builder(f"{MODULE}:{NETWORKS[name]}")({}))
    for case in cases(name):
        picture = case.image if name.endswith("rgb") else torch.cat(grey_and_edges(case.image), 1)
        score, features = network(picture)
        means = {f"feat{index}_mean_hw": feature.mean((2, 3)) for index, feature in enumerate(features[:4])}
        case.check(output=score, **means)


@pytest.mark.parametrize(("name", "function"), NETWORKS.items())
def test_published_networks_are_described_without_memory(name, function, golden):
    assert published_shapes(f"{MODULE}:{function}") == golden(name).shapes


def test_builders_read_widths_blocks_and_channels_from_shapes():
    for network, _, build in narrow():
        assert shapes_of(build(shapes_of(network.state_dict())).state_dict()) == shapes_of(network.state_dict())


@pytest.mark.parametrize("size", [(12, 12), (20, 16)])
@torch.no_grad()
def test_generators_keep_the_size_and_their_range(size):
    for (network, channels, _), out in zip(narrow(), (1, 3), strict=False):
        output = network.eval()(torch.rand(1, channels, *size))
        assert output.shape == (1, out, *size)
        assert output.min() >= 0
        assert output.max() <= 1


@torch.no_grad()
def test_calls_repeat_and_pictures_of_a_batch_do_not_influence_one_another():
    generator = torch.Generator().manual_seed(0)
    for network, channels, _ in narrow():
        network.eval()
        before = {key: value.clone() for key, value in network.state_dict().items()}
        pictures = torch.rand(3, channels, 32, 32, generator=generator)
        together, alone = network(pictures), network(pictures[1:2])
        if isinstance(network, Discriminator):
            together, alone = together[0], alone[0]
        assert torch.allclose(together[1:2], alone, atol=1e-6)
        assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_weights_of_the_other_stage_are_told_apart():
    state = InpaintGenerator(width=8, blocks=1).state_dict()
    with pytest.raises(WeightsError, match="edgeconnect-edge do not fit"):
        fitted(f"{MODULE}:edge_generator", state, "edgeconnect-edge")

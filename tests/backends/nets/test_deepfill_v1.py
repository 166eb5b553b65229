import pytest
import torch
from inpaint_lens.backends.nets.deepfill_v1 import (
    Critic,
    DeepFillV1,
    deepfill_v1,
    global_critic,
    local_critic,
)


def shapes_of(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def lively(network, seed=0):
    """Weights with which a signal keeps its strength through the layers, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 1.5 * weight[0].numel() ** -0.5, generator=generator)
    return network.double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def narrow():
    return lively(DeepFillV1(8))


@pytest.fixture
def scene():
    """Two pictures `[2, 3, 32, 48]` in [-1, 1] with different holes."""
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    hole = torch.zeros(2, 1, 32, 48).double()
    hole[0, :, 8:20, 10:30] = 1
    hole[1, :, 16:28, 30:44] = 1
    return image, hole


@torch.no_grad()
def test_generators_give_the_golden_pictures(golden, cases):
    network = golden("deepfillv1_generator").fill(deepfill_v1({}))
    for case in cases("deepfillv1_generator"):
        image = case.image * 2 - 1
        coarse, fine = network.stages(image, case.mask)
        case.check(stage1=coarse, output=fine)
        if "composite" in case.expected:
            case.check(composite=fine * case.mask + image * (1 - case.mask))


@pytest.mark.parametrize(
    ("name", "builder"),
    [("deepfillv1_global_discriminator", global_critic), ("deepfillv1_local_discriminator", local_critic)],
)
@torch.no_grad()
def test_critics_give_the_golden_judgements(golden, cases, name, builder):
    critic = golden(name).fill(builder({}))
    for case in cases(name):
        case.check(output=critic(case.image * 2 - 1))


@pytest.mark.parametrize("network", [DeepFillV1(4), DeepFillV1(10)])
def test_the_width_of_the_generators_is_read_from_the_weights(network):
    assert shapes_of(deepfill_v1(shapes_of(network))) == shapes_of(network)


@pytest.mark.parametrize("builder", [global_critic, local_critic])
def test_width_and_picture_size_of_a_critic_are_read_from_the_weights(builder):
    shapes = shapes_of(Critic(4, 48))
    assert shapes_of(builder(shapes)) == shapes
    assert builder(shapes)(torch.zeros(1, 3, 48, 48)).shape == (1, 1)


@torch.no_grad()
def test_pictures_of_a_batch_do_not_touch_each_other_and_calls_repeat(narrow, scene):
    image, hole = scene
    together = narrow(image, hole)
    assert torch.equal(together, narrow(image, hole))
    alone = torch.cat([narrow(image[i : i + 1], hole[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, alone, atol=1e-9)


@torch.no_grad()
def test_what_lies_in_the_hole_is_ignored(narrow, scene):
    image, hole = scene
    assert torch.equal(narrow(image, hole), narrow(torch.where(hole > 0, 0.7, image), hole))


@pytest.mark.parametrize("size", [(8, 8), (24, 40), (72, 16)])
@torch.no_grad()
def test_any_multiple_of_eight_is_taken(narrow, size):
    hole = torch.zeros(1, 1, *size).double()
    hole[..., 2:7, 3:7] = 1
    output = narrow(torch.zeros(1, 3, *size).double(), hole)
    assert output.shape == (1, 3, *size)
    assert torch.isfinite(output).all()

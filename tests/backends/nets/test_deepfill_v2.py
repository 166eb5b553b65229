import numpy as np
import pytest
import torch
from inpaint_lens.backends.nets.deepfill_v2 import DeepFillV2, DeepFillV2Pt, SameConv2d, deepfill_v2, deepfill_v2_pt
from inpaint_lens.backends.nets.deepfill_v2_discriminators import (
    DeepFillV2Discriminator,
    DeepFillV2ZhaoyuzhiDiscriminator,
    SpectralConvolution,
    deepfill_v2_discriminator,
    deepfill_v2_zhaoyuzhi_discriminator,
)
from inpaint_lens.backends.nets.deepfill_v2_zhaoyuzhi import DeepFillV2Zhaoyuzhi, deepfill_v2_zhaoyuzhi

DISCRIMINATORS = {
    "deepfillv2_discriminator": (deepfill_v2_discriminator, DeepFillV2Discriminator),
    "deepfillv2_zhaoyuzhi_discriminator": (deepfill_v2_zhaoyuzhi_discriminator, DeepFillV2ZhaoyuzhiDiscriminator),
}


def shapes_of(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def lively(network, seed=0):
    """Weights with which a signal keeps its strength through the layers, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 2.3 * weight[0].numel() ** -0.5, generator=generator)
    return network.double().eval().requires_grad_(False)


@pytest.fixture(scope="module", params=[DeepFillV2, DeepFillV2Pt, DeepFillV2Zhaoyuzhi])
def narrow(request):
    return lively(request.param(4))


@pytest.fixture
def scene():
    """Two pictures `[2, 3, 32, 48]` in [-1, 1] with different holes."""
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    hole = torch.zeros(2, 1, 32, 48).double()
    hole[0, :, 8:20, 10:30] = 1
    hole[1, :, 16:28, 30:44] = 1
    return image, hole


@torch.no_grad()
def test_the_authors_network_gives_the_golden_pictures_with_and_without_propagation(golden, cases):
    network = golden("deepfillv2_tf").fill(deepfill_v2({}))
    for case in cases("deepfillv2_tf"):
        image = case.image * 2 - 1
        coarse, fine = network.stages(image, case.mask, fuse=False)
        case.check(stage1=coarse, output=fine)
        if "output_fuse_true" in case.expected:
            case.check(output_fuse_true=network(image, case.mask))
            case.check(composite=fine * case.mask + image * (1 - case.mask))


@torch.no_grad()
def test_the_pytorch_network_gives_the_golden_pictures(golden, cases):
    network = golden("deepfillv2_pt").fill(deepfill_v2_pt({}))
    for case in cases("deepfillv2_pt"):
        coarse, fine = network.stages(case.image * 2 - 1, case.mask)
        case.check(stage1=coarse, output=fine)


@torch.no_grad()
def test_the_simplified_network_gives_the_golden_pictures(golden, cases):
    network = golden("deepfillv2_zhaoyuzhi_rgb").fill(deepfill_v2_zhaoyuzhi({}))
    for case in cases("deepfillv2_zhaoyuzhi_rgb"):
        coarse, fine = network.stages(case.image * 2 - 1, case.mask)
        case.check(stage1=coarse, output=fine)


@pytest.mark.parametrize("name", DISCRIMINATORS)
@torch.no_grad()
def test_discriminators_give_the_golden_judgements(golden, cases, name):
    discriminator = golden(name).fill(DISCRIMINATORS[name][0]({}))
    for case in cases(name):
        case.check(output=discriminator(torch.cat([case.image * 2 - 1, case.mask], 1)))


@pytest.mark.parametrize(
    ("builder", "network"),
    [
        (deepfill_v2, DeepFillV2(4)),
        (deepfill_v2, DeepFillV2(6, channels=6)),
        (deepfill_v2_pt, DeepFillV2Pt(4)),
        (deepfill_v2_pt, DeepFillV2Pt(6, channels=6)),
        (deepfill_v2_zhaoyuzhi, DeepFillV2Zhaoyuzhi(4)),
        (deepfill_v2_discriminator, DeepFillV2Discriminator(4, 3)),
        (deepfill_v2_zhaoyuzhi_discriminator, DeepFillV2ZhaoyuzhiDiscriminator(4, 5)),
    ],
)
def test_width_and_input_channels_are_read_from_the_weights(builder, network):
    assert shapes_of(builder(shapes_of(network))) == shapes_of(network)


@pytest.mark.parametrize("builder", [deepfill_v2, deepfill_v2_pt])
def test_input_channels_that_mean_nothing_are_refused(builder):
    shapes = shapes_of(builder({}))
    first = next(iter(shapes))
    with pytest.raises(ValueError, match="7 input channels"):
        builder(shapes | {first: (48, 7, 5, 5)})


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


@pytest.mark.parametrize("kind", [DeepFillV2, DeepFillV2Pt])
@torch.no_grad()
def test_lines_change_the_picture_only_with_a_channel_for_them(kind, scene):
    image, hole = scene
    lines = torch.zeros_like(hole)
    lines[..., 18, :] = 1
    with_channel, without = lively(kind(4, channels=6)), lively(kind(4))
    blank = with_channel(image, hole)
    assert torch.equal(with_channel(image, hole, torch.zeros_like(hole)), blank)
    assert not torch.allclose(with_channel(image, hole, lines * hole), blank, atol=1e-2)
    assert torch.equal(without(image, hole, lines * hole), without(image, hole))


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(5, 1, 1), (3, 2, 1), (3, 1, 4)])
def test_padding_is_that_of_tensorflow(kernel, stride, dilation):
    layer = SameConv2d(1, 1, kernel, stride, 0, dilation)
    layer.load_state_dict({"weight": torch.ones(1, 1, kernel, kernel), "bias": torch.zeros(1)})
    picture = torch.rand(1, 1, 12, 8)
    # By TensorFlow's rule the sum of the padding is (ceil(n / s) - 1) s + (k - 1) d + 1 - n, its smaller half first.
    before = [((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n) // 2 for n in (12, 8)]
    wide = np.pad(picture[0, 0].numpy(), 40)
    top, left = 40 - before[0], 40 - before[1]
    reach = slice(0, (kernel - 1) * dilation + 1, dilation)
    expected = [
        [wide[top + y * stride :, left + x * stride :][reach, reach].sum() for x in range(8 // stride)]
        for y in range(12 // stride)
    ]
    assert np.allclose(layer(picture)[0, 0].detach().numpy(), expected, atol=1e-5)


@torch.no_grad()
def test_evaluation_leaves_a_discriminator_as_it_is_and_training_updates_its_vectors_only():
    layer = SpectralConvolution(4, 6, 3, 1, 1)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    features = torch.rand(1, 4, 5, 5)
    assert torch.equal(layer.eval()(features), layer(features))
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())
    layer.train()
    for _ in range(200):
        layer(features)
    assert torch.equal(before["weight"], layer.weight)
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
    plain = layer._conv_forward(features, layer.weight / largest, layer.bias)
    assert torch.allclose(layer(features), plain, atol=1e-5)


@pytest.mark.parametrize("kind", [entry[1] for entry in DISCRIMINATORS.values()])
def test_gradients_reach_picture_and_weights_of_a_discriminator(kind):
    discriminator = kind(2).train()
    image = torch.rand(1, 4, 64, 64, requires_grad=True)
    discriminator(image).square().sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(weight.grad is not None for weight in discriminator.parameters() if weight.requires_grad)

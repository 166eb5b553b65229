from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.nets.pconv import PartialConv, PartialUNet, Stage, pconv_unet
from torch.nn import functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
NARROW = (Stage(4, 7), Stage(6, 5), Stage(5, 3))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Networks that a test makes have the same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@torch.no_grad()
def test_the_network_gives_the_published_output(golden, cases):
    data = golden("pconv_unet")
    network = data.fill(pconv_unet(data.shapes))
    for case in cases(data.name):
        valid = (1 - case.mask).expand_as(case.image)
        image = (case.image - MEAN) / STD
        output, mask = network(image * valid, valid)
        case.check(output=output)
        assert torch.equal(mask.mean((2, 3)), case.expected["output_mask_mean"])


def test_without_shapes_the_builder_makes_the_published_network(golden):
    assert published_shapes("inpaint_lens.backends.nets.pconv:pconv_unet") == golden("pconv_unet").shapes


@pytest.mark.parametrize("stages", [NARROW, (*NARROW, Stage(3, 3), Stage(4, 3), Stage(2, 3))])
def test_the_builder_reads_depth_widths_and_kernels_from_shapes(stages):
    state = PartialUNet(stages).state_dict()
    again = pconv_unet(shapes_of(state)).state_dict()
    assert list(again) == list(state)
    assert shapes_of(again) == shapes_of(state)


@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.95), stride=st.sampled_from([1, 2]))
@settings(deadline=None, max_examples=20)
@torch.no_grad()
def test_partial_convolution_is_the_papers_but_for_the_size_of_the_window(seed, share, stride):
    random = torch.Generator().manual_seed(seed)
    layer = PartialConv((4, 3, 5, 5), stride, bias=False)
    layer.input_conv.weight.copy_(torch.randn(4, 3, 5, 5, generator=random))
    features = torch.randn(1, 3, 11, 8, generator=random)
    mask = (torch.rand(1, 1, 11, 8, generator=random) < share).float().expand_as(features)

    windows, masks = (F.unfold(x, 5, padding=2, stride=stride) for x in (features * mask, mask))
    known = masks.sum(1, keepdim=True)
    paper = torch.where(known > 0, layer.input_conv.weight.flatten(1) @ windows * 75 / known, 0.0)

    result, seen = layer(features, mask)
    assert torch.allclose(result.flatten(2) * 75, paper, atol=1e-3)
    assert torch.equal(seen.flatten(2), (known > 0).float().expand_as(paper))


@torch.no_grad()
def test_what_a_partial_convolution_does_not_know_has_no_effect():
    layer = PartialConv((2, 3, 3, 3), 1, bias=True)
    mask = torch.ones(1, 3, 8, 8)
    mask[..., 2:7, 2:7] = 0
    features = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    result, seen = layer(features, mask)
    assert torch.equal(layer(features + 5 * (1 - mask), mask)[0], result)
    assert not result[..., 3:6, 3:6].any()
    assert not seen[..., 3:6, 3:6].any()


@torch.no_grad()
def test_pictures_of_a_batch_do_not_change_each_other():
    network = PartialUNet(NARROW).eval()
    random = torch.Generator().manual_seed(0)
    batch = torch.rand(2, 3, 16, 24, generator=random)
    valid = (torch.rand(2, 1, 16, 24, generator=random) > 0.3).float().expand_as(batch)
    both, _ = network(batch, valid)
    assert both.shape == batch.shape
    assert torch.allclose(both[1:], network(batch[1:], valid[1:])[0], atol=1e-5)
    assert torch.equal(both, network(batch, valid)[0])

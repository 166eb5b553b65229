import sys

import numpy as np
import pytest
import torch
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.nets import lama_discriminator
from inpaint_lens.backends.nets.lama import generator
from inpaint_lens.backends.nets.lama_discriminator import LaMaDiscriminator
from inpaint_lens.imaging.errors import MissingError
from torch import Tensor

NETWORKS = {
    "lama_big": "inpaint_lens.backends.nets.lama:generator",
    "lama_discriminator": "inpaint_lens.backends.nets.lama_discriminator:discriminator",
}


def padded(picture: Tensor) -> Tensor:
    """Mirrored at the bottom and at the right up to multiples of 8, as the reference does with other sizes."""
    height, width = picture.shape[-2:]
    margins = ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8))
    return torch.from_numpy(np.pad(picture.numpy(), margins, mode="symmetric"))


@pytest.mark.parametrize("name", ["lama_big", "lama_fourier_9blocks"])
@torch.no_grad()
def test_the_generator_gives_what_the_reference_gives(name, golden, cases):
    network = golden(name).fill(generator(golden(name).shapes))
    for case in cases(name):
        image, mask = padded(case.image), padded(case.mask)
        output = network(image * (1 - mask), mask)[..., : case.image.shape[-2], : case.image.shape[-1]]
        case.check(output=output)
        if "composite" in case.expected:
            case.check(composite=case.mask * output + (1 - case.mask) * case.image)


@torch.no_grad()
def test_the_discriminator_gives_the_scores_and_features_of_the_reference(golden, cases):
    network = golden("lama_discriminator").fill(lama_discriminator.discriminator({}))
    for case in cases("lama_discriminator"):
        scores, features = network(case.image)
        assert len(features) == 5
        case.check(output=scores, **{f"feat{i}_mean_hw": feature.mean((2, 3)) for i, feature in enumerate(features)})


@pytest.mark.parametrize(("name", "builder"), NETWORKS.items())
def test_published_networks_are_described_without_memory(name, builder, golden):
    assert published_shapes(builder) == golden(name).shapes


@pytest.mark.parametrize("name", ["lama_big", "lama_fourier_9blocks"])
def test_the_builder_reads_the_number_of_blocks_from_the_keys(name, golden):
    with torch.device("meta"):
        network = generator(golden(name).shapes)
    assert list(network.state_dict()) == list(golden(name).shapes)


@pytest.mark.parametrize(("width", "downsampling", "blocks"), [(8, 3, 2), (8, 2, 1), (4, 4, 3)])
def test_the_builder_reads_width_and_halvings_from_shapes(width, downsampling, blocks):
    made = type(generator({}))(4, 3, ngf=width, n_downsampling=downsampling, n_blocks=blocks)
    shapes = shapes_of(made.state_dict())
    assert shapes_of(generator(shapes).state_dict()) == shapes


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel.architectures.LaMa.__arch.LaMa", None)
    with pytest.raises(MissingError, match=r"pip install 'inpaint-lens\[lama\]'"):
        generator({})


def test_the_discriminators_builder_reads_widths_and_layers_from_shapes():
    shapes = shapes_of(LaMaDiscriminator((4, 6, 8, 8), channels=4).state_dict())
    assert shapes_of(lama_discriminator.discriminator(shapes).state_dict()) == shapes


@torch.no_grad()
def test_judging_repeats_and_pictures_of_a_batch_do_not_influence_one_another():
    torch.manual_seed(0)
    network = LaMaDiscriminator((4, 6, 8)).eval()
    pictures = torch.rand(3, 3, 24, 40)
    scores, _ = network(pictures)
    assert torch.equal(scores, network(pictures)[0])
    assert torch.allclose(scores[1:2], network(pictures[1:2])[0], atol=1e-6)

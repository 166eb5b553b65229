import sys

import numpy as np
import pytest
import torch
from inpaint_lens.backends.architectures import published_shapes
from inpaint_lens.backends.mat import CONVENTION
from inpaint_lens.backends.nets.mat import WithoutDropout, generator
from inpaint_lens.imaging.errors import MissingError
from torch.nn import functional as F

BUILDER = "inpaint_lens.backends.nets.mat:generator"


@torch.no_grad()
def test_the_generator_gives_both_stages_of_the_reference(golden, cases):
    network = golden("mat_512").fill(generator(golden("mat_512").shapes))
    latent = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 512)).astype(np.float32))
    for case in cases("mat_512"):
        image, known = CONVENTION.pack(case.image, case.mask)
        styles = network.mapping(latent, torch.zeros(1, 0))
        with WithoutDropout():
            output, coarse = network.synthesis(image, known, styles, noise_mode="const", return_stg1=True)
        case.check(output=output, stage1=coarse)


def test_the_published_network_is_described_without_memory(golden):
    assert published_shapes(BUILDER) == golden("mat_512").shapes


def test_weights_without_noise_make_a_network_without_noise(golden):
    shapes = {key: shape for key, shape in golden("mat_512").shapes.items() if "noise_" not in key}
    with torch.device("meta"):
        network = generator(shapes)
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes
    assert len(shapes) == 465


def test_dropout_is_off_inside_the_context_only():
    ones, random = torch.ones(64), torch.get_rng_state()
    with WithoutDropout():
        assert torch.equal(F.dropout(ones, training=True), ones)
        assert torch.equal(ones + 1, torch.full((64,), 2.0))
    assert torch.equal(torch.get_rng_state(), random)
    assert (F.dropout(ones, training=True) == 0).any()


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches.architectures.MAT.__arch.MAT", None)
    with pytest.raises(MissingError, match=r"pip install 'inpaint-lens\[mat\]'"):
        generator({})

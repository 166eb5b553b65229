import pytest
import torch
from inpaint_lens.backends.nets.dual_path import Attention, DecodingBlock, ResidualModule, ResidualPath, generation_path
from inpaint_lens.backends.nets.spectral_norm import SpectralNorm
from torch import nn
from torch.nn import functional as F


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_an_encoder_has_seven_residual_modules_of_which_five_halve():
    blocks = list(ResidualPath(4).encoder.blocks)
    assert len(blocks) == 7
    assert [block.halve for block in blocks if isinstance(block, ResidualModule)] == [True] * 5 + [False] * 2


def test_every_convolution_but_the_query_is_spectrally_normalised():
    path = ResidualPath(4)
    plain = [name for name, one in path.named_modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]
    assert plain == ["generator.attention.query"]
    assert sum(isinstance(one, SpectralNorm) for one in path.modules()) == 3 * 7 + 3 * 5 + 3 + 1


def test_a_decoding_block_adds_a_transposed_convolution_of_its_input():
    block = DecodingBlock(3, 2).eval()
    features = torch.rand(1, 3, 5, 4)
    inner = F.leaky_relu(F.instance_norm(features), 0.1)
    inner = F.leaky_relu(F.instance_norm(block.conv1(inner)), 0.1)
    wanted = block.conv2(inner) + block.bypass(features)
    assert wanted.shape == (1, 2, 10, 8)
    assert torch.allclose(block(features), wanted, atol=1e-6)


def test_attention_of_equal_places_gathers_their_mean():
    attention = Attention(4)
    nn.init.zeros_(attention.query.weight)
    nn.init.ones_(attention.gamma)
    nn.init.ones_(attention.alpha)
    joined = []
    attention.join.register_forward_pre_hook(lambda _module, inputs: joined.append(inputs[0]))
    features, encoded, known = torch.rand(1, 4, 3, 3), torch.rand(1, 4, 3, 3), torch.zeros(1, 1, 3, 3)
    attention(features, encoded, known)
    assert torch.allclose(joined[0][:, :4], features + features.mean((2, 3), keepdim=True))
    assert torch.allclose(joined[0][:, 4:], encoded.mean((2, 3), keepdim=True).expand_as(encoded))


def test_hidden_pixels_have_no_effect():
    path, hidden = ResidualPath(4).eval(), torch.zeros(1, 1, 64, 64)
    hidden[..., 20:44, 10:30] = 1
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(path(image, hidden), path(image * (1 - hidden) + 5 * hidden, hidden))


def test_no_two_keys_hold_the_same_tensor():
    state = ResidualPath(4).state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)


def test_the_width_follows_from_the_shapes():
    shapes = {key: tuple(value.shape) for key, value in ResidualPath(8).state_dict().items()}
    with torch.device("meta"):
        assert {key: tuple(value.shape) for key, value in generation_path(shapes).state_dict().items()} == shapes
        assert sum(one.numel() for one in generation_path({}).parameters()) == pytest.approx(4.06e6, rel=0.01)

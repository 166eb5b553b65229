import numpy as np
import pytest
import torch
from inpaint_lens.backends.architectures import published_shapes, shapes_of
from inpaint_lens.backends.nets.picnet import Encoder, Generator, encoder, generator, scaled_known
from inpaint_lens.backends.nets.picnet_blocks import ShortLongAttention
from inpaint_lens.backends.nets.picnet_discriminator import Discriminator, discriminator

PACKAGE = "inpaint_lens.backends.nets"
NETWORKS = {
    "picnet_encoder": f"{PACKAGE}.picnet:encoder",
    "picnet_generator": f"{PACKAGE}.picnet:generator",
    "picnet_discriminator": f"{PACKAGE}.picnet_discriminator:discriminator",
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def known_part(case):
    return (1 - case.mask) * (case.image * 2 - 1)


def golden_noise(mean):
    return torch.from_numpy(np.random.default_rng(1).standard_normal(tuple(mean.shape)).astype(np.float32))


def narrow_encoder():
    return Encoder(widths=(4, 8, 8), latent=6, inference=2).eval()


def narrow_generator():
    return Generator(widths=(8, 12, 6), features=8, latent=6, scales=2, attending=0).eval()


@torch.no_grad()
def test_the_encoder_gives_the_distribution_and_features_of_the_reference(golden, cases):
    network = golden("picnet_encoder").fill(encoder({}))
    for case in cases("picnet_encoder"):
        (mean, sigma), features = network(known_part(case))
        averages = {f"f{index}_mean_hw": feature.mean((2, 3)) for index, feature in enumerate(features)}
        case.check(output=mean, sigma=sigma, f2=features[2][:, :8], f4=features[4][:, :32], **averages)
        if "net_input" in case.expected:
            case.check(net_input=known_part(case))


@torch.no_grad()
def test_both_paths_of_the_encoder_give_what_the_reference_gives(golden, cases):
    network = golden("picnet_encoder_two_paths").fill(encoder({}))
    for case in cases("picnet_encoder_two_paths"):
        missing = case.mask * (case.image * 2 - 1)
        (p_mean, p_sigma), (q_mean, q_sigma), features = network.two_paths(known_part(case), missing)
        case.check(output=p_mean, p_sigma=p_sigma, q_mu=q_mean, q_sigma=q_sigma, f4=features[4][:, :32])


@torch.no_grad()
def test_the_generator_gives_the_pictures_and_the_attention_of_the_reference(golden, cases):
    encode = golden("picnet_encoder").fill(encoder({}))
    network = golden("picnet_generator").fill(generator({}))
    attentions: list[torch.Tensor] = []
    network.attn1.register_forward_hook(lambda _module, _inputs, outputs: attentions.append(outputs[1]))
    for case in cases("picnet_generator"):
        (mean, sigma), features = encode(known_part(case))
        sample = mean + sigma * golden_noise(mean)
        known = scaled_known(1 - case.mask, features[2])
        pictures = network(sample, features[4], features[2], known)
        case.check(z=sample, scaled_valid_mask=known, attention_row0=attentions[-1][:, :1])
        case.check(output=pictures[3], scale0=pictures[0], scale1=pictures[1], scale2=pictures[2])
        if "composite" in case.expected:
            case.check(composite=case.mask * pictures[3] + (1 - case.mask) * known_part(case))


@torch.no_grad()
def test_the_discriminator_gives_the_scores_of_the_reference(golden, cases):
    network = golden("picnet_discriminator").fill(discriminator({}))
    for case in cases("picnet_discriminator"):
        case.check(output=network(case.image * 2 - 1))


@pytest.mark.parametrize(("name", "builder"), NETWORKS.items())
def test_published_networks_are_described_without_memory(name, builder, golden):
    assert published_shapes(builder) == golden(name).shapes


@pytest.mark.parametrize(
    ("network", "build"),
    [
        (narrow_encoder(), encoder),
        (narrow_generator(), generator),
        (Discriminator((4, 8, 12), attending=1), discriminator),
    ],
)
def test_builders_read_widths_and_depths_from_shapes(network, build):
    shapes = shapes_of(network.state_dict())
    assert shapes_of(build(shapes).state_dict()) == shapes


@torch.no_grad()
def test_each_convolution_is_held_once_under_its_two_names(golden):
    network = encoder({})
    for row in golden("picnet_encoder").manifest:
        if row.get("alias_of"):
            state = network.state_dict(keep_vars=True)
            assert state[row["key"]] is state[row["alias_of"]]
            break
    assert network.get_submodule("prior.model.1") is network.get_submodule("prior.conv1")


@torch.no_grad()
def test_calls_repeat_and_pictures_of_a_batch_do_not_influence_one_another():
    seeded = torch.Generator().manual_seed(0)
    encode, network = narrow_encoder(), narrow_generator()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pictures = torch.rand(3, 3, 16, 24, generator=seeded) * 2 - 1
    known = torch.ones(3, 1, 4, 6)
    known[1, :, 1:3, 2:4] = 0

    def fill(which):
        (mean, sigma), features = encode(pictures[which])
        return network(mean + sigma, features[2], features[1], known[which])[-1]

    together = fill(slice(None))
    assert together.shape == pictures.shape
    assert torch.allclose(together[1:2], fill(slice(1, 2)), atol=1e-6)
    assert torch.equal(together, fill(slice(None)))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@torch.no_grad()
def test_the_encoders_paths_agree_on_what_is_known():
    network = narrow_encoder()
    known, missing = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    _, prior, features = network.two_paths(known, missing)
    alone, own = network(known)
    assert torch.allclose(prior[0], alone[0], atol=1e-6)
    assert torch.allclose(prior[1], alone[1], atol=1e-6)
    assert torch.allclose(features[-1][:2], own[-1], atol=1e-6)
    assert (prior[1] > 0).all()


@torch.no_grad()
def test_attention_weights_are_a_mean_over_sources_and_known_places_keep_the_encoders_features():
    attention = ShortLongAttention(8).eval()
    attention.gamma.fill_(0.7)
    attention.alpha.fill_(0.4)
    seen: list[torch.Tensor] = []
    attention.model.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    features, encoded = torch.rand(1, 8, 4, 5), torch.rand(1, 8, 4, 5)
    known = torch.ones(1, 1, 4, 5)
    known[..., 1:3, 2:4] = 0
    _, weights = attention(features, encoded, known)
    assert torch.allclose(weights.sum(-1), torch.ones(1, 20))
    short, long = seen[0].chunk(2, 1)
    spread = torch.einsum("nts,ncs->nct", weights, features.flatten(2)).view_as(features)
    assert torch.allclose(short, features + 0.7 * spread, atol=1e-6)
    gathered = torch.einsum("nts,ncs->nct", weights, encoded.flatten(2)).view_as(features)
    assert torch.allclose(long, torch.where(known > 0, encoded, 0.4 * gathered), atol=1e-6)

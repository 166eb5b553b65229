import numpy as np
import pytest
import torch
from inpaint_lens.backends.nets.picnet import Encoder, Generator
from inpaint_lens.backends.picnet import PicNet, from_state_dicts, seeded_noise
from inpaint_lens.backends.protocol import BackendInfo, Setting
from inpaint_lens.backends.registry import own_random_state
from inpaint_lens.imaging.errors import Cancelled, InputError, WeightsError
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.size_rule import SizeRule

INFO = BackendInfo(
    name="picnet",
    title="PICNet",
    loader="inpaint_lens.backends.picnet:load",
    licence="CC-BY-NC-4.0",
    commercial_use=False,
    size_rule=SizeRule(minimum=64, multiple_of=32, largest=256),
    differentiable=True,
    stochastic=True,
    many_seeds=True,
    weights=("picnet-encoder", "picnet-generator"),
    networks=("inpaint_lens.backends.nets.picnet:encoder", "inpaint_lens.backends.nets.picnet:generator"),
    settings=(Setting("spread", 1.0, "how far fills stray from the mean one", low=0, high=2),),
)


def states():
    with own_random_state():
        torch.manual_seed(0)
        encoder = Encoder(widths=(4, 8, 8, 8, 8), latent=8, inference=1)
        generator = Generator(widths=(8, 8, 8, 6, 4), features=8, latent=8)
        torch.nn.init.constant_(generator.get_parameter("attn1.gamma"), 0.5)
        torch.nn.init.constant_(generator.get_parameter("attn1.alpha"), 0.5)
        return [encoder.state_dict(), generator.state_dict()]


@pytest.fixture
def backend() -> PicNet:
    return from_state_dicts(INFO, states(), "cpu")


@torch.no_grad()
def test_the_encoder_sees_the_known_part_and_grey_in_the_hole(backend, image, hole):
    seen: list[tuple[torch.Tensor, ...]] = []
    backend.network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs))
    backend(image, hole, seed=4)
    picture, known, noise = seen[0]
    assert torch.allclose(picture, (2 * image - 1) * (1 - hole))
    assert torch.equal(known, 1 - hole)
    assert noise.shape == (1, 8, 2, 2)


@torch.no_grad()
def test_the_sample_is_the_mean_and_a_share_of_the_deviation(backend, image, hole):
    samples: list[torch.Tensor] = []
    backend.network.generator.register_forward_pre_hook(lambda _module, inputs: samples.append(inputs[0]))
    (mean, sigma), _ = backend.network.encoder((2 * image - 1) * (1 - hole))
    for spread in (0.0, 0.5, 2.0):
        backend(image, hole, seed=3, settings={"spread": spread})
        noise = torch.randn(8, 2, 2, generator=torch.Generator().manual_seed(3))
        assert torch.allclose(samples[-1], mean + spread * sigma * noise, atol=1e-6)


@torch.no_grad()
def test_seeds_give_different_fills_and_the_same_seed_the_same_bytes(backend, image, hole):
    first, again, other = (backend(image, hole, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    means = [backend(image, hole, seed=seed, settings={"spread": 0.0}) for seed in (1, 2)]
    assert torch.equal(*means)


@torch.no_grad()
def test_the_seed_says_it_all_and_global_random_numbers_stay(backend, image, hole):
    torch.manual_seed(0)
    first = backend(image, hole, seed=1)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))
    assert torch.equal(first, backend(image, hole, seed=1))


@torch.no_grad()
def test_one_seed_gives_all_pictures_of_a_batch_the_same_noise_and_many_give_each_its_own(backend, image, hole):
    images, holes = torch.cat([image, image, image.flip(-1)]), hole.expand(3, -1, -1, -1)
    together = backend(images, holes, seed=5)
    assert torch.allclose(together[0], together[1], atol=1e-6)
    assert torch.allclose(together[2:], backend(images[2:], hole, seed=5), atol=1e-6)
    many = backend(images, holes, seed=[5, 6, 7])
    for index, seed in enumerate((5, 6, 7)):
        one = slice(index, index + 1)
        assert torch.allclose(many[one], backend(images[one], hole, seed=seed), atol=1e-6)
    assert not torch.allclose(many[0], many[1], atol=1e-4)


def test_noise_is_standard_normal():
    noise = seeded_noise(range(20), 20, (16, 8, 8))
    assert abs(noise.mean().item()) < 0.02
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    assert np.unique(noise[:, 0, 0, 0]).size == 20


def test_as_many_seeds_as_pictures_are_asked_for(backend, image, hole):
    with pytest.raises(InputError, match="2 seeds for 1 pictures"):
        backend(image, hole, seed=[1, 2])


@torch.no_grad()
def test_what_is_hidden_has_no_effect(backend, image, hole, exclude):
    hidden = torch.maximum(hole, exclude)
    other = torch.where(hidden > 0, 1 - image, image)
    assert torch.equal(backend(image, hole, exclude=exclude), backend(other, hole, exclude=exclude))
    assert not torch.equal(backend(image, hole, exclude=exclude), backend(image, hole))


def test_gradients_reach_what_is_known_and_nothing_that_is_hidden(backend, image, hole, exclude):
    image.requires_grad_()
    (backend(image, hole, exclude=exclude, seed=2) * hole).sum().backward()
    assert image.grad is not None
    hidden = (torch.maximum(hole, exclude) > 0).expand_as(image)
    assert not image.grad[hidden].any()
    assert image.grad[~hidden].abs().sum() > 0


def test_gradients_agree_with_finite_differences(backend, image, hole):
    backend.network.double()
    image, hole = image.double(), hole.double()
    image.requires_grad_()
    (backend(image, hole, seed=2) * hole).sum().backward()
    assert image.grad is not None
    step = 1e-5
    with torch.no_grad():
        for place in ((0, 0, 15, 30), (0, 1, 33, 21), (0, 2, 50, 60)):
            change = torch.zeros_like(image)
            change[place] = step
            more, less = (backend(image + sign * change, hole, seed=2) * hole for sign in (1, -1))
            slope = (more - less).sum() / (2 * step)
            assert slope.item() == pytest.approx(image.grad[place].item(), rel=1e-4, abs=1e-9)


@torch.no_grad()
def test_sizes_that_the_rule_allows_come_back_in_the_same_size(backend):
    for size in ((64, 64), (96, 64), (64, 160)):
        hole = torch.zeros(1, 1, *size)
        hole[..., 10:30, 20:50] = 1
        output = backend(torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)), hole)
        assert output.shape == (1, 3, *size)
        assert output.min() >= 0
        assert output.max() <= 1


def test_a_cancelled_token_stops_the_fill(backend, image, hole):
    shares: list[float] = []
    backend(image, hole, monitor=Monitor(lambda _, share: shares.append(share)))
    assert len(shares) > 50
    monitor = Monitor()
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        backend(image, hole, monitor=monitor)


def test_wrong_settings_and_wrong_weights_are_told_in_a_sentence(backend, image, hole):
    with pytest.raises(InputError, match="spread"):
        backend(image, hole, settings={"spread": 3.0})
    with pytest.raises(WeightsError, match="picnet-encoder do not fit"):
        from_state_dicts(INFO, states()[::-1], "cpu")
    encoder, generator = states()
    generator.popitem()
    with pytest.raises(WeightsError, match="picnet-generator do not fit: 1 of"):
        from_state_dicts(INFO, [encoder, generator], "cpu")

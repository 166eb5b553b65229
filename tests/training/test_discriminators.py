import pytest
import torch
from inpaint_lens.training.discriminators import PatchDiscriminator


def make(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PatchDiscriminator(width=4, **settings)


def test_scores_are_patches_and_features_come_from_every_layer():
    scores, features = make()(torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64))
    assert scores.shape == (2, 1, 6, 6)
    assert [tuple(one.shape[1:]) for one in features] == [(4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 7, 7)]


@pytest.mark.parametrize("layers", [1, 3])
def test_a_score_sees_a_patch_and_nothing_else(layers):
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).requires_grad_()
    scores, _ = make(layers=layers, normalise=False)(image, torch.zeros(1, 1, 96, 96))
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert image.grad is not None
    seen = image.grad.abs().sum((0, 1)).sum(0).nonzero().flatten()
    assert len(seen) == {1: 16, 3: 70}[layers]


def test_layers_have_the_norm_one():
    network = make()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for _ in range(60):
            network(torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))
    for layer in [*network.hidden, network.score]:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        assert largest == pytest.approx(1, rel=0.02)


def test_the_hole_is_seen():
    network, image = make().eval(), torch.rand(1, 3, 32, 32)
    assert not torch.equal(network(image, torch.zeros(1, 1, 32, 32))[0], network(image, torch.ones(1, 1, 32, 32))[0])

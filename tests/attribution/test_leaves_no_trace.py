import random

import numpy as np
import pytest
import torch
from inpaint_lens.attribution import METHODS, explain
from inpaint_lens.attribution.guard import modules_in
from torch import nn

ANY_MODEL = [name for name, method in METHODS.items() if not method.asks_sources]


class Fill(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Conv2d(4, 6, 5, padding=2), nn.BatchNorm2d(6), nn.Dropout(0.2)
        self.last = nn.Conv2d(6, 3, 5, padding=2)
        self.first.weight.requires_grad_(False)

    def forward(self, image, hole):
        return self.last(self.drop(torch.tanh(self.norm(self.first(torch.cat([image, hole], 1))))))


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Fill().eval()


@pytest.mark.parametrize("method", ANY_MODEL)
def test_parameters_keep_their_flags_and_get_no_gradients(model, image, hole, method):
    before = [p.requires_grad for p in model.parameters()]
    explain(model, image, hole, method=method)
    assert [p.requires_grad for p in model.parameters()] == before
    assert all(p.grad is None for p in model.parameters())


def test_parameters_are_frozen_meanwhile_and_freed_after_an_error(model, image, hole):
    def failing(image, hole):
        assert not any(p.requires_grad for p in model.parameters())
        raise KeyError("broken")

    before = [p.requires_grad for p in model.parameters()]
    with pytest.raises(KeyError):
        explain(failing, image, hole)
    assert [p.requires_grad for p in model.parameters()] == before


@pytest.mark.parametrize("training", [True, False])
def test_mode_of_the_model_is_not_touched(model, image, hole, training):
    model.train(training)
    modes = []
    explain(lambda i, h: (modes.append(model.training), model(i, h))[1], image, hole, steps=3)
    assert model.training is training and set(modes) == {training}


@pytest.mark.parametrize("method", ANY_MODEL)
def test_global_random_state_is_not_touched(model, image, hole, method):
    before = torch.random.get_rng_state(), str(np.random.get_state()), random.getstate()
    explain(model.train(), image, hole, method=method, batch=1)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (str(np.random.get_state()), random.getstate()) == before[1:]


@pytest.mark.parametrize("method", ANY_MODEL)
def test_arrays_of_the_caller_are_not_touched_even_by_a_model_that_writes_into_its_input(model, image, hole, method):
    def careless(picture, mask):
        result = model(picture, mask)
        with torch.no_grad():
            picture.zero_()
            mask.zero_()
        return result

    before = image.clone(), hole.clone()
    found = explain(careless, image, hole, method="occlusion")
    assert torch.equal(image, before[0]) and torch.equal(hole, before[1])
    assert found.contributions.tobytes() == explain(model, image, hole, method="occlusion").contributions.tobytes()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", ANY_MODEL)
def test_gradients_are_had_even_where_the_caller_switched_them_off(model, image, hole, context, method):
    expected = explain(model, image, hole, method=method).contributions
    with context():
        assert explain(model, image.clone(), hole, method=method).contributions.tobytes() == expected.tobytes()


def test_networks_are_found_in_closures_attributes_and_bound_methods(model):
    class Backend:
        def __init__(self):
            self.net = model

        def __call__(self, image, hole):
            return self.net(image, hole)

    backend = Backend()
    for wrapped in (model, backend, model.forward, lambda i, h: model(i, h), lambda i, h: backend(i, h)):
        assert model in modules_in(wrapped)

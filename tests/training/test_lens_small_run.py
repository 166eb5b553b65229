import argparse

import pytest
import torch
from inpaint_lens.training import lens_small
from inpaint_lens.training.lens_small import Run
from safetensors.torch import load_file
from torch import nn


class NoPerceptual(nn.Module):
    def __init__(self, _weights):
        super().__init__()

    def forward(self, output, target):
        return (output - target).square().mean()


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.setattr(lens_small, "PerceptualVgg", NoPerceptual)
    return argparse.Namespace(seed=0, device="cpu", vgg=None, out=tmp_path, perceptual=1.0)


def batch():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 4, 4, generator=generator)
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., 10:20, 10:20] = 1
    return nn.functional.interpolate(image, size=(32, 32)), hole


def test_the_loss_falls(options):
    run = Run(options)
    losses = [run.step(*batch(), 1e-3)[0] for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_a_run_goes_on_from_its_checkpoint(options):
    first = Run(options)
    for _ in range(2):
        first.step(*batch(), 1e-3)
    first.save()
    straight = first.step(*batch(), 1e-3)
    second = Run(options)
    assert second.progress.step == 2
    assert second.step(*batch(), 1e-3) == straight


def test_the_saved_weights_are_the_running_average_in_half_precision(options, tmp_path):
    run = Run(options)
    run.step(*batch(), 1e-2)
    run.save()
    saved = load_file(tmp_path / "lens_small.safetensors")
    averaged = run.average.module.state_dict()
    assert all(value.dtype == torch.float16 for value in saved.values())
    assert torch.equal(saved["to_half.weight"], averaged["to_half.weight"].half())

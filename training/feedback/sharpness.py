"""How sharp a picture is, measured without any model, for the second model cannot judge its own influence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST = 1e-8


def grey(image: Tensor) -> Tensor:
    """`[N, 3, H, W]` to `[N, 1, H, W]`, the mean of the channels."""
    return image.mean(1, keepdim=True)


def laplacian_variance(image: Tensor) -> Tensor:
    """`[N]`: variance of the Laplacian (Pech-Pacheco et al. 2000, section 2.3) of `[N, 3, H, W]`."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).to(image)
    return F.conv2d(grey(image), kernel[None, None]).flatten(1).var(1)


def gradient_energy(image: Tensor) -> Tensor:
    """`[N]`: mean squared difference of neighbours of `[N, 3, H, W]`."""
    plain = grey(image)
    across, down = plain.diff(dim=3).square().mean((1, 2, 3)), plain.diff(dim=2).square().mean((1, 2, 3))
    return across + down


def sharpness(image: Tensor, truth: Tensor) -> Tensor:
    """`[N]`: gradient energy relative to that of the truth; 1 = as sharp, above 1 = too much detail."""
    return gradient_energy(image) / gradient_energy(truth).clamp_min(LEAST)


def true_detail(image: Tensor, truth: Tensor) -> Tensor:
    """`[N]`: how much of the truth's detail is there, the projection of the gradients onto those of the truth.

    1 = all of it; detail that is not in the truth, such as noise or a pattern, adds nothing.
    """
    total, energy = torch.zeros(len(image)).to(image), torch.zeros(len(image)).to(image)
    for dimension in (2, 3):
        own, wanted = grey(image).diff(dim=dimension), grey(truth).diff(dim=dimension)
        total = total + (own * wanted).sum((1, 2, 3))
        energy = energy + wanted.square().sum((1, 2, 3))
    return total / energy.clamp_min(LEAST)


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """`[N]`: peak signal-to-noise ratio in dB, of pictures in [0, 1]."""
    squared = (image.clamp(0, 1) - truth).square().mean((1, 2, 3))
    return -10 * squared.clamp_min(1e-10).log10()


def measured(image: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Numbers of restored pictures, each the mean over them."""
    return {
        "mae": (image.clamp(0, 1) - truth).abs().mean(),
        "psnr": psnr(image, truth).mean(),
        "sharpness": sharpness(image.clamp(0, 1), truth).mean(),
        "detail": true_detail(image.clamp(0, 1), truth).mean(),
        "laplacian": (laplacian_variance(image.clamp(0, 1)) / laplacian_variance(truth).clamp_min(LEAST)).mean(),
    }

"""Losses as small functions and modules."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F


def hole_l1(output: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute error over the pixels of the hole."""
    return ((output - target).abs() * hole).sum() / (3 * hole.sum()).clamp_min(1)


class PerceptualVgg(nn.Module):
    """LPIPS distance on VGG16 features (Zhang et al. 2018, eq. 1) as a training loss.

    Args:
        weights: safetensors file with torchvision's VGG16 convolutions and the LPIPS heads.
        layers: how many of the five feature levels to use.
    """

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    SLICES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))

    def __init__(self, weights: Path, layers: int = 3) -> None:
        super().__init__()
        state = {key: value.float() for key, value in load_file(weights).items()}
        self.slices = nn.ModuleList()
        for level, indices in enumerate(self.SLICES[:layers]):
            self.slices.append(nn.ModuleList(self._convolution(state, index) for index in indices))
            self.register_buffer(f"head{level}", state[f"lin{level}.model.1.weight"])
        self.register_buffer("mean", torch.tensor(self.MEAN)[None, :, None, None])
        self.register_buffer("std", torch.tensor(self.STD)[None, :, None, None])
        self.requires_grad_(False)

    @staticmethod
    def _convolution(state: dict[str, Tensor], index: int) -> nn.Conv2d:
        weight = state[f"features.{index}.weight"]
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        convolution.weight.data, convolution.bias.data = weight, state[f"features.{index}.bias"]  # pyright: ignore
        return convolution

    def features(self, image: Tensor) -> list[Tensor]:
        """Feature maps of an image `[N, 3, H, W]` in [0, 1], each normalised over its channels."""
        x, levels = (image - self.get_buffer("mean")) / self.get_buffer("std"), []
        for level, convolutions in enumerate(self.slices):
            x = F.max_pool2d(x, 2) if level else x
            for convolution in convolutions:  # pyright: ignore[reportGeneralTypeIssues]
                x = F.relu(convolution(x))
            levels.append(F.normalize(x.float(), dim=1, eps=1e-6))
        return levels

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Distance of two pictures `[N, 3, H, W]` in [0, 1], a scalar; gradients flow to `output` only."""
        with torch.no_grad():
            wanted = self.features(target)
        total = output.new_zeros(())
        for level, (a, b) in enumerate(zip(self.features(output), wanted, strict=True)):
            total = total + ((a - b) ** 2 * self.get_buffer(f"head{level}")).sum(1).mean()
        return total

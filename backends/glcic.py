"""GLCIC: the completion network of globally and locally consistent image completion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..weights_registry.formats import load_weights
from .architectures import fitted
from .network import NetworkBackend
from .protocol import BackendInfo

CELEBA_MEAN = (0.5063, 0.4258, 0.3832)
"""Mean colour of CelebA, which the published weights were trained on; red, green, blue in [0, 1]."""


class MeanFilled(nn.Module):
    """The network as it was trained: hidden pixels show the mean colour of the training set.

    Args:
        network: takes picture and mask as four channels, 1 = hole.
        mean: that colour; red, green, blue in [0, 1].
    """

    mean: Tensor

    def __init__(self, network: nn.Module, mean: tuple[float, float, float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [0, 1] and `[N, 1, H, W]`, 1 = hidden, to `[N, 3, H, W]` in (0, 1)."""
        filled = image * (1 - hidden) + self.mean * hidden
        return self.network(torch.cat([filled, hidden], 1))


def load(info: BackendInfo, device: str) -> NetworkBackend:
    """GLCIC with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(
    info: BackendInfo, state: dict[str, Tensor], device: str, *, mean: tuple[float, float, float] = CELEBA_MEAN
) -> NetworkBackend:
    """GLCIC with given weights; its output is not blended with the picture.

    Args:
        info: of the backend.
        state: parameters of the completion network by key.
        device: where it runs.
        mean: mean colour of the pictures that the weights were trained on, red, green, blue in [0, 1] (`mpv` in the
            configuration that comes with weights of this kind).

    Raises:
        WeightsError: these are not the weights of this network.
    """
    network = fitted(info.networks[0], state, info.weights[0])
    return NetworkBackend(info, MeanFilled(network, mean), device)

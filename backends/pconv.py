"""The U-Net of partial convolutions as a backend."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..imaging.size_rule import SizeRule
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .network import NetworkBackend
from .protocol import BackendInfo

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]."""


class Normalised(nn.Module):
    """The network behind the conventions of backends: colours in [0, 1], one mask, 1 = hidden."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [0, 1] and `[N, 1, H, W]` to `[N, 3, H, W]`, about [0, 1]."""
        valid = (1 - hidden).expand_as(image)
        output, _ = self.network((image - self.mean) / self.std * valid, valid)
        return output * self.std + self.mean


def load(info: BackendInfo, device: str) -> NetworkBackend:
    """The U-Net with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> NetworkBackend:
    """The U-Net with given weights; its depth, and with it the sizes it accepts, follow from them.

    Raises:
        WeightsError: these are not the weights of this network.
    """
    network = fitted(info.networks[0], state, info.weights[0])
    step = 2 ** sum(name.startswith("enc_") for name, _ in network.named_children())
    rule = SizeRule(minimum=step, multiple_of=step, largest=info.size_rule.largest)
    return NetworkBackend(replace(info, size_rule=rule), Normalised(network), device)

"""MI-GAN in torch: the network alone, differentiable, where the ONNX pipeline of the same weights is not."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..imaging.size_rule import SizeRule
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .nets.migan import MIGAN
from .network import Convention, NetworkBackend
from .protocol import BackendInfo

CONVENTION = Convention(
    image_range=(-1.0, 1.0),
    output_range=(-1.0, 1.0),
    known=0.5,
    hole=-0.5,
    hole_fill=0.5,
    packing="mask-image",
)


def load(info: BackendInfo, device: str) -> NetworkBackend:
    """MI-GAN with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is no MI-GAN.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> NetworkBackend:
    """MI-GAN with given weights; its size, 256 or 512, is that of the weights.

    Raises:
        WeightsError: these are not the weights of MI-GAN's generator for inference.
    """
    network = fitted(info.networks[0], state, info.weights[0])
    assert isinstance(network, MIGAN)
    return NetworkBackend(replace(info, size_rule=SizeRule(fixed=network.resolution)), network, device, CONVENTION)

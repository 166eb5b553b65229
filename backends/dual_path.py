"""The generation path of the dual-path residual network as a backend."""

from __future__ import annotations

from torch import Tensor

from ..weights_registry.formats import load_weights
from .architectures import fitted
from .network import Convention, NetworkBackend
from .protocol import BackendInfo

CONVENTION = Convention(image_range=(-1.0, 1.0), output_range=(-1.0, 1.0), hole_fill=0.5)


def load(info: BackendInfo, device: str) -> NetworkBackend:
    """The generation path with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> NetworkBackend:
    """The generation path with given weights, its width as they show.

    Raises:
        WeightsError: these are not its weights.
    """
    return NetworkBackend(info, fitted(info.networks[0], state, info.weights[0]), device, CONVENTION)

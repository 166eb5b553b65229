"""LaMa in torch, with as many blocks as its weights have; differentiable."""

from __future__ import annotations

from torch import Tensor

from ..imaging.errors import WeightsError
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .network import NetworkBackend
from .protocol import BackendInfo

BUILDER = "inpaint_lens.backends.nets.lama:generator"
GENERATOR_KEY = "model.1.bn_l.running_mean"
"""A key that every export of LaMa has, after a prefix that differs between them."""


def load(info: BackendInfo, device: str) -> NetworkBackend:
    """LaMa with the weights of the registry (image and mask in [0, 1], 1 = hole).

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is no LaMa.
    """
    name = info.weights[0]
    return from_state_dict(info, load_weights(name), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> NetworkBackend:
    """LaMa with given weights; the prefix of the generator's keys may be any.

    Raises:
        WeightsError: these are not the weights of a LaMa.
    """
    prefix = next((key.removesuffix(GENERATOR_KEY) for key in state if key.endswith(GENERATOR_KEY)), None)
    if prefix is None:
        raise WeightsError(
            f"The weights for {info.name} are not of a LaMa (no key ends in '{GENERATOR_KEY}'): fetch them again with "
            f"`inpaint-lens download {' '.join(info.weights)}`."
        )
    generator = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(f"{prefix}model.")}
    return NetworkBackend(info, fitted(BUILDER, generator, info.weights[0]), device)

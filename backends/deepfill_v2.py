"""DeepFill v2 as a backend: gated convolutions, contextual attention and, where the weights know them, drawn lines.

Three networks go by this name: the authors' own, converted from TensorFlow (`deepfill-v2`), the same one trained anew
in PyTorch (`deepfill-v2-pt`), and a simplified one without attention (`deepfill-v2-zhaoyuzhi`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

from torch import Tensor, nn

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .network import Convention, NetworkBackend
from .protocol import BackendInfo, Value

GREY_HOLE = Convention(image_range=(-1.0, 1.0), output_range=(-1.0, 1.0), hole_fill=0.5)
WHITE_HOLE = Convention(image_range=(-1.0, 1.0), output_range=(-1.0, 1.0), hole_fill=1.0)


class DeepFillV2Backend:
    """The network, steered by lines and by the setting `fuse`; differentiable.

    Lines reach it through a sixth input channel, which weights have or lack. Neighbouring patches are fused unless the
    setting says otherwise: the authors' weights were trained so, though the port that they were converted for left it
    off.
    """

    def __init__(self, info: BackendInfo, network: nn.Module, device: str) -> None:
        self.info = info
        self.device = device
        self._network = NetworkBackend(info, network, device, GREY_HOLE)

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        guide: Tensor | None = None,
        settings: Mapping[str, Value] | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; `seed` has no effect.

        Args:
            guide: `[N, 1, H, W]` in {0, 1}, 1 = a line; only lines inside the hole matter.
            settings: `fuse`, where the info names it.

        Raises:
            InputError: lines are given but the weights have no channel for them.
        """
        if guide is not None and not self._network.module.with_sketch:
            raise InputError(
                f"The weights of {self.info.name} were trained without a sketch channel: give weights with six input "
                "channels by --weights, or take --backend edgeconnect, which has one for edges."
            )
        lines = None if guide is None else (guide * hole).to(self.device)
        fuse = bool((settings or {}).get("fuse", True))
        steered = copy(self._network)
        steered.module = _Steered(steered.module, lines, fuse)
        return steered(image, hole, exclude=exclude, monitor=monitor)


class _Steered(nn.Module):
    """The network with what one call says beyond picture and hole."""

    def __init__(self, network: nn.Module, lines: Tensor | None, fuse: bool) -> None:
        super().__init__()
        self.network, self.lines, self.fuse = network, lines, fuse

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.network(image, mask, self.lines, self.fuse)


def load(info: BackendInfo, device: str) -> DeepFillV2Backend:
    """One of the two networks with attention, with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> DeepFillV2Backend:
    """One of the two networks with attention, with given weights.

    Raises:
        WeightsError: these are not its weights.
    """
    return DeepFillV2Backend(info, fitted(info.networks[0], state, info.weights[0]), device)


def load_zhaoyuzhi(info: BackendInfo, device: str) -> NetworkBackend:
    """The simplified network with the weights of the registry.

    Raises:
        MissingError: the weights are not here.
        WeightsError: the file is of another network.
    """
    return zhaoyuzhi_from_state_dict(info, load_weights(info.weights[0]), device)


def zhaoyuzhi_from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> NetworkBackend:
    """The simplified network with given weights.

    Raises:
        WeightsError: these are not its weights, for instance those for grey pictures.
    """
    return NetworkBackend(info, fitted(info.networks[0], state, info.weights[0]), device, WHITE_HOLE)

"""Torch networks as backends: ranges, polarity and packing as data, one code path."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..imaging.monitor import Monitor
from .protocol import BackendInfo

_monitor: ContextVar[Monitor | None] = ContextVar("monitor", default=None)


@dataclass(frozen=True)
class Convention:
    """How a network wants its input and gives its output.

    Attributes:
        image_range: values of black and white in the input.
        output_range: values of black and white in the output.
        known: value of the mask where the picture is known.
        hole: value of the mask inside the hole.
        hole_fill: what hidden pixels are set to, in [0, 1] before scaling to `image_range`.
        packing: two inputs, or one with the channels image, mask or mask, image.
    """

    image_range: tuple[float, float] = (0.0, 1.0)
    output_range: tuple[float, float] = (0.0, 1.0)
    known: float = 0.0
    hole: float = 1.0
    hole_fill: float = 0.0
    packing: Literal["separate", "image-mask", "mask-image"] = "separate"

    def pack(self, image: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """Network inputs from an image `[N, 3, H, W]` in [0, 1] and a mask `[N, 1, H, W]`, 1 = hidden."""
        low, high = self.image_range
        image = image * (1 - hidden) + self.hole_fill * hidden
        image = image * (high - low) + low
        mask = hidden * (self.hole - self.known) + self.known
        if self.packing == "separate":
            return image, mask
        return (torch.cat([image, mask] if self.packing == "image-mask" else [mask, image], 1),)

    def unpack(self, output: Tensor) -> Tensor:
        """Network output to [0, 1]; not clamped, so that gradients survive."""
        low, high = self.output_range
        return (output - low) / (high - low)


def hidden_pixels(hole: Tensor, exclude: Tensor | None) -> Tensor:
    """What a model may not see: the hole and what is excluded."""
    return hole if exclude is None else torch.maximum(hole, exclude)


class NetworkBackend:
    """A torch network as a backend; differentiable.

    Its layers look at the monitor before they run, so a one-pass network too reports progress and can be stopped.
    """

    def __init__(self, info: BackendInfo, module: nn.Module, device: str, convention: Convention | None = None) -> None:
        self.info = info
        self.device = device
        self.convention = convention or Convention()
        self.module = module.eval().requires_grad_(False).to(device)
        leaves = [m for m in self.module.modules() if not any(m.children())]
        for index, leaf in enumerate(leaves):
            leaf.register_forward_pre_hook(_checker(index / len(leaves)))

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; `seed` has no effect."""
        place = image.device
        token = _monitor.set(monitor)
        try:
            inputs = self.convention.pack(image, hidden_pixels(hole, exclude))
            output = self.module(*(x.to(self.device) for x in inputs))
        finally:
            _monitor.reset(token)
        return self.convention.unpack(output).to(place)


def _checker(share: float):
    def check(_module: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        if monitor := _monitor.get():
            monitor.report("filling", share)

    return check

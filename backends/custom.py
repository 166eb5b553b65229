"""Somebody's own network or function as a backend, without changing it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from ..imaging.size_rule import SizeRule
from .network import Convention, hidden_pixels
from .protocol import BackendInfo

Function = Callable[..., Tensor]


class CustomBackend:
    """A torch module or any callable that takes what `convention` packs and returns `[N, 3, H, W]`.

    The module's mode, parameters and device stay as they are.

    Args:
        function: called with image and mask, or with one packed tensor.
        convention: ranges, polarity, packing.
        multiple_of: heights and widths that it accepts are multiples of this.
        differentiable: False for a function whose output has no gradient.

    A function that draws from torch's random numbers draws the same for the same seed; the caller's state is kept.
    """

    def __init__(
        self,
        function: Function,
        convention: Convention | None = None,
        multiple_of: int = 8,
        differentiable: bool = True,
    ) -> None:
        self.function = function
        self.convention = convention or Convention()
        parameter = next(function.parameters(), None) if isinstance(function, nn.Module) else None
        self.place = torch.device("cpu") if parameter is None else parameter.device
        self.device = str(self.place)
        self.info = BackendInfo(
            name=getattr(function, "__name__", type(function).__name__),
            title="a network of your own",
            loader="",
            licence="unknown",
            commercial_use=False,
            size_rule=SizeRule(multiple_of=multiple_of),
            differentiable=differentiable,
            learned=isinstance(function, nn.Module),
        )

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`.

        Raises:
            InputError: the function returned something else than an image of the input's size.
        """
        if monitor:
            monitor.check()
        inputs = self.convention.pack(image, hidden_pixels(hole, exclude))
        with torch.random.fork_rng(devices=[self.place] if self.place.type == "cuda" else []):
            torch.default_generator.manual_seed(seed)
            if self.place.type == "cuda":
                with torch.cuda.device(self.place):
                    torch.cuda.manual_seed(seed)
            output = self.function(*(x.to(self.place) for x in inputs))
        shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        if shape != list(image.shape):
            raise InputError(
                f"{self.info.name} returned {shape}; expected a tensor {list(image.shape)} (one RGB picture for each "
                "picture given)."
            )
        return self.convention.unpack(output).to(image.device)

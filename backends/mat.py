"""MAT in torch: one fill for each seed, the same in every call; differentiable. Its weights are non-commercial."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..imaging.monitor import Monitor
from ..imaging.size_rule import SizeRule
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .nets.mat import LATENT, WithoutDropout
from .network import Convention, NetworkBackend
from .protocol import BackendInfo

CONVENTION = Convention(image_range=(-1.0, 1.0), output_range=(-1.0, 1.0), known=1.0, hole=0.0, hole_fill=0.5)
PACKAGED = "model."
"""Before the keys of files that spandrel saved."""

_seed: ContextVar[int] = ContextVar("seed", default=0)


class MATNetwork(nn.Module):
    """MAT's generator with everything decided that it would draw: the latent vector follows from the seed."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        noisy = any(name.endswith("noise_strength") for name, _ in generator.named_parameters())
        self.noise_mode = "const" if noisy else "none"

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        """The fill with the known pixels pasted in, which the network does itself, about [-1, 1].

        Args:
            image: `[N, 3, R, R]` in [-1, 1].
            known: `[N, 1, R, R]` in {0, 1}, 0 = hole.
        """
        drawn = np.random.default_rng(_seed.get() % 2**64).standard_normal((1, LATENT))
        latent = torch.from_numpy(drawn).to(image).expand(len(image), -1)
        with WithoutDropout():
            return self.generator(image, known, latent, latent[:, :0], noise_mode=self.noise_mode)


class MATBackend(NetworkBackend):
    """MAT as a backend; every picture of a batch is filled with the latent vector of the seed."""

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; outside of the hole and of what is excluded the output is the picture itself."""
        token = _seed.set(seed)
        try:
            return super().__call__(image, hole, exclude=exclude, seed=seed, monitor=monitor)
        finally:
            _seed.reset(token)


def load(info: BackendInfo, device: str) -> MATBackend:
    """MAT with the weights of the registry, in full or half precision, with or without the noise of the original.

    Raises:
        MissingError: the weights or spandrel_extra_arches are not here.
        WeightsError: the file is no MAT.
    """
    return from_state_dict(info, load_weights(info.weights[0]), device)


def from_state_dict(info: BackendInfo, state: dict[str, Tensor], device: str) -> MATBackend:
    """MAT with given weights, which run in full precision; its size is that of the weights.

    Raises:
        MissingError: spandrel_extra_arches is not installed.
        WeightsError: these are not the weights of a MAT.
    """
    plain = {key.removeprefix(PACKAGED): value for key, value in state.items()}
    generator = fitted(info.networks[0], plain, info.weights[0])
    sized = replace(info, size_rule=SizeRule(fixed=int(generator.img_resolution)))  # pyright: ignore[reportArgumentType]
    return MATBackend(sized, MATNetwork(generator), device, CONVENTION)

"""Pluralistic image completion as a backend: another fill for each seed (Zheng, Cham and Cai 2019, CVPR)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from torch import Tensor, nn

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .nets.picnet import Encoder, Generator, scaled_known
from .network import Convention, NetworkBackend
from .protocol import BackendInfo, Value
from .settings import checked


class Completion(nn.Module):
    """Encoder and generator as one network."""

    def __init__(self, encoder: Encoder, generator: Generator) -> None:
        super().__init__()
        self.encoder = encoder
        self.generator = generator

    def forward(self, image: Tensor, known: Tensor, noise: Tensor) -> Tensor:
        """A filled picture `[N, 3, H, W]` in (-1, 1), the known part repainted as well.

        Args:
            image: `[N, 3, H, W]` in [-1, 1], 0 where it is hidden.
            known: `[N, 1, H, W]`, 1 = known, 0 = hidden.
            noise: of `noise_shape`: how many standard deviations the sample is from the mean.
        """
        (mean, sigma), features = self.encoder(image)
        attended = features[-2 - self.generator.attending]
        sample = mean + sigma * noise
        return self.generator(sample, features[-1], attended, scaled_known(known, attended))[-1]

    def noise_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the noise for a picture of that size."""
        factor = 2 ** (1 + len(self.encoder.halvings))
        return self.encoder.latent, height // factor, width // factor


@dataclass(frozen=True)
class WithNoise(Convention):
    """A convention with noise as the third input."""

    noise: Tensor = field(default_factory=lambda: torch.zeros(1))

    def pack(self, image: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """Image, mask and noise."""
        return *super().pack(image, hidden), self.noise.to(image)


class PicNet:
    """Draws one of the many pictures that the hole could show; differentiable for a given seed."""

    def __init__(self, info: BackendInfo, network: Completion, device: str) -> None:
        self.info = info
        self.device = device
        self.network = network
        self.convention = WithNoise((-1.0, 1.0), (-1.0, 1.0), known=1.0, hole=0.0, hole_fill=0.5)
        self.stage = NetworkBackend(info, network, device, self.convention)

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int | Sequence[int] = 0,
        monitor: Monitor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """See `Backend.__call__`.

        Args:
            image, hole, exclude, monitor: as in the protocol.
            seed: of the noise. One number: the same noise for every picture of the batch; a sequence: one for each.
            settings: `spread`, a factor on the standard deviation of what is drawn; 0 = the mean, whatever the seed.

        Returns:
            float32 `[N, 3, H, W]` in [0, 1], the known part repainted as well.

        Raises:
            InputError: not as many seeds as pictures.
        """
        spread = float(checked(self.info, settings or {})["spread"])
        noise = spread * seeded_noise(seed, len(image), self.network.noise_shape(*image.shape[-2:]))
        drawn = copy.copy(self.stage)
        drawn.convention = replace(self.convention, noise=noise)
        return drawn(image, hole, exclude=exclude, monitor=monitor)


def seeded_noise(seed: int | Sequence[int], count: int, shape: tuple[int, int, int]) -> Tensor:
    """Standard normal noise `[count, *shape]` on the CPU, the same on every machine for a seed.

    Args:
        seed: one for all, or one for each.
        count: number of pictures.
        shape: of the noise of one picture.

    Raises:
        InputError: not as many seeds as pictures.
    """
    if isinstance(seed, Sequence) and len(seed) != count:
        raise InputError(f"There are {len(seed)} seeds for {count} pictures: give one seed for each, or one for all.")
    seeds = seed if isinstance(seed, Sequence) else [seed]
    drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(number)) for number in seeds]
    return torch.stack(drawn).expand(count, *shape)


def load(info: BackendInfo, device: str) -> PicNet:
    """Pluralistic image completion with the weights of the registry.

    Raises:
        MissingError: weights are not here.
        WeightsError: a file is of another network.
    """
    return from_state_dicts(info, [load_weights(name) for name in info.weights], device)


def from_state_dicts(info: BackendInfo, states: Sequence[Mapping[str, Tensor]], device: str) -> PicNet:
    """Pluralistic image completion with given weights, of the encoder first, then of the generator.

    Raises:
        WeightsError: these are not the weights of these networks.
    """
    encoder, generator = (
        fitted(builder, state, name) for builder, state, name in zip(info.networks, states, info.weights, strict=True)
    )
    return PicNet(info, Completion(cast(Encoder, encoder), cast(Generator, generator)), device)

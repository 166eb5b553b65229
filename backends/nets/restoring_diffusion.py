"""A conditional DDPM that restores: the network of diffusers sees the faulty picture beside the noisy one.

Ho et al. 2020, Denoising Diffusion Probabilistic Models; conditioned by concatenation as in SR3 (Saharia et al. 2021,
section 2). Sampling takes fewer steps than training by DDIM (Song et al. 2021, eq. 12 with eta = 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...imaging.errors import MissingError

STEPS = 1000
"""Levels of noise."""
SAMPLING_STEPS = 20


class RestoringDiffusion(nn.Module):
    """Predicts the noise of a noisy picture from it and the faulty picture.

    Args:
        channels: of each level; multiples of 8, each level halves the resolution.
        layers: residual blocks of a level.

    Raises:
        MissingError: diffusers is not installed.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 32), layers: int = 1) -> None:
        super().__init__()
        try:
            from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        except ImportError as error:
            raise MissingError("Diffusion needs a package: pip install 'inpaint-lens[diffusion]'") from error
        self.unet = _unet(channels, layers)
        self.multiple_of = 2 ** (len(channels) - 1)
        self.schedule = DDIMScheduler(num_train_timesteps=STEPS, clip_sample=True)

    def forward(self, first: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """The predicted noise `[N, 3, H, W]`.

        Args:
            first: the faulty picture, `[N, 3, H, W]` in [0, 1].
            noisy: the good picture in [-1, 1] with noise, `[N, 3, H, W]`.
            time: level of the noise, `[N]` in 0 ... `STEPS` - 1.
        """
        return self.unet(torch.cat([noisy, first * 2 - 1], 1), time).sample

    def kept_share(self, time: Tensor) -> Tensor:
        """`[N, 1, 1, 1]`: the product of all alphas up to `time` (Ho et al. 2020, eq. 4)."""
        return self.schedule.alphas_cumprod.to(time.device)[time].reshape(-1, 1, 1, 1)

    @torch.no_grad()
    def restore(self, first: Tensor, steps: int = SAMPLING_STEPS, seed: int = 0) -> Tensor:
        """The restored picture, `[N, 3, H, W]` in [0, 1].

        Args:
            first: the faulty picture, `[N, 3, H, W]` in [0, 1], of any size.
            steps: of sampling.
            seed: of the noise that it starts from; the global random state is not touched.
        """
        height, width = first.shape[-2:]
        # Padding to whole cells of the lowest resolution keeps the halves equal on the way up.
        below, right = -height % self.multiple_of, -width % self.multiple_of
        padded = F.pad(first, (0, right, 0, below), mode="replicate")
        noise = torch.randn(padded.shape[1:], generator=torch.Generator().manual_seed(seed))
        noisy = noise.to(first).expand_as(padded)
        self.schedule.set_timesteps(steps)
        for time in self.schedule.timesteps:
            predicted = self(padded, noisy, time.to(first.device).expand(len(first)))
            # The type of the result depends on an argument.
            noisy = cast(Any, self.schedule.step(predicted, int(time), noisy)).prev_sample
        return ((noisy + 1) / 2).clamp(0, 1)[..., :height, :width]


def _unet(channels: Sequence[int], layers: int) -> nn.Module:
    from diffusers.models.unets.unet_2d import UNet2DModel

    return UNet2DModel(
        in_channels=6,
        out_channels=3,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        norm_num_groups=8,
        down_block_types=("DownBlock2D",) * len(channels),
        up_block_types=("UpBlock2D",) * len(channels),
        add_attention=False,
    )

"""Losses of two networks that play against each other, and penalties on a discriminator's gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Game:
    """What discriminator and generator minimise, given raw scores of any shape, high = real.

    Attributes:
        discriminator: of the scores of real pictures and those of made ones.
        generator: of the scores of made pictures.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def vanilla_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), D the logistic function of the score (Goodfellow et al. 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def vanilla_generator(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1); its gradient vanishes where the discriminator is sure."""
    return -F.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-log D(G(z)) (Goodfellow et al. 2014, end of section 3)."""
    return F.softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Half the squared distance to 1 and to 0 (Mao et al. 2017, eq. 2 with a = 0, b = 1)."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def least_squares_generator(fake: Tensor) -> Tensor:
    """Half the squared distance to 1 (Mao et al. 2017, eq. 2 with c = 1)."""
    return 0.5 * (fake - 1).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Miyato et al. 2018, eq. 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """D(G(z)) - D(x) (Gulrajani et al. 2017, eq. 3 without the penalty)."""
    return fake.mean() - real.mean()


def negative_score(fake: Tensor) -> Tensor:
    """-D(G(z)), of hinge (Miyato et al. 2018, eq. 17) and Wasserstein games (Gulrajani et al. 2017)."""
    return -fake.mean()


GAMES = {
    "vanilla": Game(vanilla_discriminator, vanilla_generator),
    "non_saturating": Game(vanilla_discriminator, non_saturating_generator),
    "least_squares": Game(least_squares_discriminator, least_squares_generator),
    "hinge": Game(hinge_discriminator, negative_score),
    "wasserstein": Game(wasserstein_discriminator, negative_score),
}
"""All games by name."""


def r1_penalty(scores: Tensor, real: Tensor) -> Tensor:
    """Squared length of the gradient at real pictures, over two (R1 of Mescheder et al. 2018, eq. 9 with gamma = 1).

    Args:
        scores: of `real`, `[N, ...]`; those of one picture are summed.
        real: `[N, ...]`, which must require a gradient.

    Returns:
        The mean over pictures, a scalar that can be differentiated.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(1).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    mask: Tensor | None = None,
    share: Tensor | None = None,
) -> Tensor:
    """(|gradient| - 1)² between real and made pictures (Gulrajani et al. 2017, eq. 3, without lambda).

    Args:
        critic: from pictures `[N, ...]` to scores `[N, ...]`; those of one picture are averaged.
        real: `[N, ...]`.
        fake: like `real`.
        mask: gradients count where it is 1, as in the hole only (Yu et al. 2018, eq. 4).
        share: `[N]` in [0, 1], how much of the real picture each mixture has; drawn if it is not given.

    Returns:
        The mean over pictures, a scalar that can be differentiated.
    """
    if share is None:
        share = torch.rand(len(real), device=real.device)
    share = share.to(real).view(-1, *(1,) * (real.dim() - 1))
    between = (share * real.detach() + (1 - share) * fake.detach()).requires_grad_()
    scores = critic(between)
    (gradient,) = torch.autograd.grad(scores.reshape(len(scores), -1).mean(1).sum(), between, create_graph=True)
    if mask is not None:
        gradient = gradient * mask
    # The root has no derivative at 0, where a critic that is flat somewhere would give NaN.
    length = (gradient.flatten(1).square().sum(1) + 1e-12).sqrt()
    return (length - 1).square().mean()

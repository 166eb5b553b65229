"""The chain of RePaint in numbers: noise levels, one step back, one step forward, and the way through them.

After Lugmayr et al. 2022, RePaint: Inpainting using Denoising Diffusion Probabilistic Models. Levels count the steps of
the chain: level 0 is a picture, the last level is noise. `kept[k]` is the share of the picture's variance that is left
at level k, which the paper writes as alpha bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from torch import Tensor

Prediction = Literal["epsilon", "sample", "v_prediction"]


@dataclass(frozen=True)
class Chain:
    """A chain of noise levels, shortened from the one that a network was trained on.

    Attributes:
        kept: alpha bar of each level, the first is 1.
        times: for each level from the second on, the time step that the network knows it by.
    """

    kept: tuple[float, ...]
    times: tuple[int, ...]

    @classmethod
    def shortened(cls, kept: Sequence[float], steps: int) -> Chain:
        """The chain through `steps` evenly spaced time steps, the first and the last included.

        As Nichol & Dhariwal 2021, Improved Denoising Diffusion Probabilistic Models, section 4, do it.

        Args:
            kept: alpha bar of every time step of training.
            steps: from 2 to the length of `kept`.
        """
        times = tuple(round(index * (len(kept) - 1) / (steps - 1)) for index in range(steps))
        return cls((1.0, *(float(kept[time]) for time in times)), times)

    @property
    def steps(self) -> int:
        """The last level."""
        return len(self.times)

    def noised(self, picture: Tensor, level: int, noise: Tensor) -> Tensor:
        """A picture at a noise level, given the noise (eq. 8a; line 5 of algorithm 1).

        The paper's line 5 scales the noise by the variance; its equation 8a, of which the line is an instance, by the
        standard deviation, as is done here. Both index alpha bar by the step that leads to the level.
        """
        return sqrt(self.kept[level]) * picture + sqrt(1 - self.kept[level]) * noise

    def back(
        self,
        x: Tensor,
        output: Tensor,
        level: int,
        noise: Tensor,
        *,
        eta: float = 1.0,
        clip: float | None = None,
        prediction: Prediction = "epsilon",
    ) -> Tensor:
        """One step back, to `level - 1` (eq. 8b; line 7 of algorithm 1).

        Written as Song et al. 2021, Denoising Diffusion Implicit Models, eq. 12, which for eta = 1 is the step of the
        paper, its variance that of the posterior.

        Args:
            x: at `level`.
            output: of the network for `x`.
            level: from 1.
            noise: of the shape of `x`.
            eta: how much of the posterior's noise is added.
            clip: the picture that the network foresees is kept within this distance of 0; None = as it is.
            prediction: what the output means.
        """
        here, there = self.kept[level], self.kept[level - 1]
        picture = _foreseen(x, output, here, prediction)
        if clip is not None:
            picture = picture.clamp(-clip, clip)
        epsilon = (x - sqrt(here) * picture) / sqrt(1 - here)
        variance = eta**2 * (1 - there) / (1 - here) * (1 - here / there)
        return sqrt(there) * picture + sqrt(1 - there - variance) * epsilon + sqrt(variance) * noise

    def forward(self, x: Tensor, level: int, noise: Tensor) -> Tensor:
        """One step into the noise, from `level - 1` to `level` (eq. 1; line 10 of algorithm 1)."""
        share = self.kept[level] / self.kept[level - 1]
        return sqrt(share) * x + sqrt(1 - share) * noise


def _foreseen(x: Tensor, output: Tensor, kept: float, prediction: Prediction) -> Tensor:
    """The picture that an output of the network amounts to."""
    if prediction == "sample":
        return output
    if prediction == "v_prediction":
        return sqrt(kept) * x - sqrt(1 - kept) * output
    return (x - sqrt(1 - kept) * output) / sqrt(kept)


def way(steps: int, jump_length: int, resamples: int) -> list[int]:
    """The levels in the order in which they are gone through, from noise to picture.

    From every `jump_length`-th level, the first of them level 1, the way leads `resamples - 1` times `jump_length`
    levels up again (section 4.2 and appendix of the paper).
    """
    left = dict.fromkeys(range(1, steps - jump_length + 1, jump_length), resamples - 1)
    levels = [steps]
    while levels[-1] > 0:
        level = levels[-1]
        if left.get(level, 0) > 0:
            left[level] -= 1
            levels.extend(range(level + 1, level + jump_length + 1))
        else:
            levels.append(level - 1)
    return levels

"""From where each filled pixel was copied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Provenance:
    """The sources of every filled pixel.

    Pixels are named by their index into the flat picture, `row * width + column`.

    Attributes:
        size: height and width of the picture.
        targets: int64 `[n]`, the filled pixels in reading order.
        sources: int64 `[n, K]`, the known pixels that each was made of, the weightiest first.
        weights: float32 `[n, K]`, at least 0, the share of each source; each row sums to 1. Where a pixel has fewer
            than K sources the others have the weight 0 and repeat the first.
    """

    size: tuple[int, int]
    targets: NDArray[np.int64]
    sources: NDArray[np.int64]
    weights: NDArray[np.float32]

    def copied(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The filled pixels `[n, C]` that these sources give from a picture `[H, W, C]`."""
        flat = values.reshape(self.size[0] * self.size[1], -1)
        result = np.zeros((len(self.targets), flat.shape[1]), np.float32)
        for rank in range(self.sources.shape[1]):
            result += self.weights[:, rank, None] * flat[self.sources[:, rank]]
        return result

    def filled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the picture `[H, W, C]` with every target made of its sources."""
        result = values.copy()
        result.reshape(self.size[0] * self.size[1], -1)[self.targets] = self.copied(values)
        return result

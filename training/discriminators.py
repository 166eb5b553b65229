"""Networks that tell made pictures from real ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """A score for each patch (Isola et al. 2017, section 3.2.2), spectrally normalised (Miyato et al. 2018).

    Args:
        channels: of the input, 4 for a picture with its hole.
        width: channels of the first layer; they double to at most eight times this.
        layers: convolutions of stride 2. Three see patches of 70 pixels.
        normalise: without spectral normalisation if False, as a gradient penalty wants it.
    """

    def __init__(self, channels: int = 4, width: int = 64, layers: int = 3, normalise: bool = True) -> None:
        super().__init__()
        widths = [width * min(8, 2**level) for level in range(layers + 1)]
        strides = [2] * layers + [1]
        wrap = spectral_norm if normalise else lambda layer: layer
        self.hidden = nn.ModuleList(
            wrap(nn.Conv2d(into, out, 4, stride, padding=1))
            for into, out, stride in zip([channels, *widths], widths, strides, strict=False)
        )
        self.score = wrap(nn.Conv2d(widths[-1], 1, 4, 1, padding=1))

    def forward(self, image: Tensor, hole: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores, high = real, and the features of each hidden layer.

        Args:
            image: `[N, 3, H, W]` in [0, 1].
            hole: `[N, 1, H, W]`, which the discriminator sees as well.

        Returns:
            Scores `[N, 1, h, w]` and features `[N, C, h, w]`, the first layer's first.
        """
        x, features = torch.cat([2 * image - 1, hole], 1), []
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features

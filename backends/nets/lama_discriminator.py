"""The discriminator that LaMa was trained against: Suvorov et al. (WACV 2022), after Wang et al., pix2pixHD (2018).

A patch discriminator that also gives its features, for the feature matching loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

KERNEL, PADDING, SLOPE = 4, 2, 0.2
WIDTHS = (64, 128, 256, 512, 512)


class LaMaDiscriminator(nn.Module):
    """Patch discriminator with batch norm in all layers but the first and the last.

    Args:
        widths: channels after each layer but the last; all layers but the last two halve the picture.
        channels: channels of the picture.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, channels: int = 3) -> None:
        super().__init__()
        self.layers = len(widths) + 1
        before = (channels, *widths)
        for index, width in enumerate(widths):
            stride = 1 if index == len(widths) - 1 else 2
            convolution = nn.Conv2d(before[index], width, KERNEL, stride, PADDING)
            norm = [nn.BatchNorm2d(width)] if index else []
            self.add_module(f"model{index}", nn.Sequential(convolution, *norm, nn.LeakyReLU(SLOPE)))
        self.add_module(f"model{len(widths)}", nn.Sequential(nn.Conv2d(widths[-1], 1, KERNEL, 1, PADDING)))

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge whole pictures; no mask is given.

        Args:
            image: `[N, 3, H, W]` in [0, 1].

        Returns:
            Score of each patch `[N, 1, h, w]`, not squashed, and the features of all layers before.
        """
        features = [image]
        for index in range(self.layers):
            features.append(self.get_submodule(f"model{index}")(features[-1]))
        return features[-1], features[1:-1]


def discriminator(shapes: Mapping[str, tuple[int, ...]]) -> LaMaDiscriminator:
    """The discriminator whose layers and widths the shapes show; the published one for an empty mapping."""
    if not shapes:
        return LaMaDiscriminator()
    count = sum(key.endswith(".0.weight") for key in shapes)
    kernels = [shapes[f"model{index}.0.weight"] for index in range(count)]
    return LaMaDiscriminator([kernel[0] for kernel in kernels[:-1]], kernels[0][1])

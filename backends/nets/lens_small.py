"""`LensSmall`: the small network that ships with the package.

Three published ideas in one fully convolutional network:

- a push-pull pyramid (Gortler et al. 1996, section 3.3) gives a smooth first fill, linear in the picture, that
  the network only has to correct;
- residual blocks with a spectral branch (fast Fourier convolution, Chi et al. 2020; LaMa, Suvorov et al. 2022)
  see the whole window;
- attention between cells of 8 x 8 pixels carries the *residual detail* of known patches into the hole
  (contextual residual aggregation, Yi et al. 2020), so textures are copied instead of invented.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL_PX = 8
"""Side of one bottleneck cell; heights and widths must be multiples of it."""
PATCH_PX = 16
"""Side of the overlapping patches that attention copies."""
STRIDE_CELLS = 4
"""Attention looks at every fourth cell in both directions."""


def push_pull(known: Tensor, hole: Tensor) -> Tensor:
    """Fill the hole smoothly: average known pixels to ever coarser levels, then interpolate back down.

    Args:
        known: `[N, 3, H, W]`, zero inside the hole.
        hole: `[N, 1, H, W]` in {0, 1}, 1 = hole.

    Returns:
        `[N, 3, H, W]`, equal to `known` outside of the hole and linear in it everywhere.
    """
    colour, weight = known, 1 - hole
    levels = []
    while True:
        levels.append((colour, weight))
        if max(colour.shape[-2:]) == 1:
            break
        size = (weight.shape[-2] % 2, weight.shape[-1] % 2)
        padding = (0, size[1], 0, size[0])
        total = F.avg_pool2d(F.pad(weight, padding), 2)
        colour = F.avg_pool2d(F.pad(colour * weight, padding), 2) / total.clamp_min(1e-6)
        weight = (total * 4).clamp_max(1)
    filled = levels[-1][0]
    for colour, weight in reversed(levels[:-1]):
        coarse = F.interpolate(filled, size=colour.shape[-2:], mode="bilinear", align_corners=False)
        filled = colour * weight + coarse * (1 - weight)
    return filled


class Spectral(nn.Module):
    """Global branch: 1 x 1 convolutions on the picture's Fourier coefficients (Chi et al. 2020, eq. 5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.mix = nn.Conv2d(2 * inner, 2 * inner, 1)
        self.expand = nn.Conv2d(inner, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        reduced = F.silu(self.reduce(features)).float()
        spectrum = torch.fft.rfft2(reduced, norm="ortho")
        mixed = self.mix(torch.cat([spectrum.real, spectrum.imag], 1)).float()
        real, imaginary = F.silu(mixed).chunk(2, 1)
        back = torch.fft.irfft2(torch.complex(real, imaginary), s=features.shape[-2:], norm="ortho")
        return self.expand(reduced + back)


class Block(nn.Module):
    """Residual block: a local 3 x 3 convolution and the spectral branch side by side, then a 3 x 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(channels, channels, 3, padding=1)
        self.spectral = Spectral(channels)
        self.norm = nn.BatchNorm2d(channels)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.2))

    def forward(self, features: Tensor) -> Tensor:
        inner = F.silu(self.norm(self.local(features) + self.spectral(features)))
        return features + self.scale * self.out(inner)


class DetailCopy(nn.Module):
    """Attention from cells to known cells; what it moves is the detail that a coarse blur leaves over.

    Yi et al. 2020, eq. 1 to 3, with three changes against visible repetition: cells are matched by their 3 x 3
    neighbourhoods, patches overlap and are blended by a window, and a cell looks only at cells that lie a multiple of
    `STRIDE_CELLS` away, so that neighbours, which look for the same, copy neighbours and not all one patch.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.log_temperature = nn.Parameter(torch.tensor(2.5))

    def forward(self, features: Tensor, filled: Tensor, hole: Tensor) -> Tensor:
        """Detail `[N, 3, H, W]` for every pixel, gathered from known patches of `filled`."""
        coarse = F.interpolate(
            F.avg_pool2d(filled, CELL_PX), size=filled.shape[-2:], mode="bilinear", align_corners=False
        )
        detail = (filled - coarse) * (1 - hole)
        margin = (PATCH_PX - CELL_PX) // 2
        unknown = F.avg_pool2d(F.pad(hole, (margin,) * 4), PATCH_PX, CELL_PX)
        patches = F.unfold(detail, PATCH_PX, padding=margin, stride=CELL_PX).unflatten(2, features.shape[-2:])
        query, key = self._descriptors(self.query(features)), self._descriptors(self.key(features))
        scores = query.transpose(1, 2) @ key * self.log_temperature.exp()
        # Cells that fill up the grid count as unknown.
        scores = scores - 100.0 * (1 - _by_phase(1 - unknown))
        gathered = _by_phase(patches) @ scores.softmax(-1).transpose(1, 2)
        return self._blend(_from_phases(gathered, patches.shape[-2:]).flatten(2), filled)

    @staticmethod
    def _descriptors(cells: Tensor) -> Tensor:
        around = F.unfold(cells.float(), 3, padding=1).unflatten(2, cells.shape[-2:])
        return _by_phase(F.normalize(around, dim=1))

    @staticmethod
    def _blend(patches: Tensor, like: Tensor) -> Tensor:
        margin = (PATCH_PX - CELL_PX) // 2
        ramp = torch.arange(PATCH_PX, device=like.device, dtype=like.dtype)
        ramp = torch.minimum(ramp + 0.5, PATCH_PX - 0.5 - ramp) / CELL_PX
        window = torch.outer(ramp, ramp).flatten().repeat(3)[None, :, None]
        size = like.shape[-2:]
        total = F.fold(patches * window, size, PATCH_PX, padding=margin, stride=CELL_PX)
        weight = F.fold(window.expand(1, -1, patches.shape[-1]), size, PATCH_PX, padding=margin, stride=CELL_PX)
        return total / weight


def _by_phase(cells: Tensor) -> Tensor:
    """`[N, C, h, w]` to `[N * S * S, C, cells]`: cells whose positions are equal modulo S come together."""
    down, across = -cells.shape[-2] % STRIDE_CELLS, -cells.shape[-1] % STRIDE_CELLS
    cells = F.pad(cells, (0, across, 0, down))
    cells = cells.unflatten(3, (-1, STRIDE_CELLS)).unflatten(2, (-1, STRIDE_CELLS))
    return cells.permute(0, 3, 5, 1, 2, 4).flatten(4).flatten(0, 2)


def _from_phases(groups: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `_by_phase` for a grid of `size` cells."""
    rows, columns = -(-size[0] // STRIDE_CELLS), -(-size[1] // STRIDE_CELLS)
    cells = groups.unflatten(2, (rows, columns)).unflatten(0, (-1, STRIDE_CELLS, STRIDE_CELLS))
    cells = cells.permute(0, 3, 4, 1, 5, 2).flatten(4).flatten(2, 3)
    return cells[..., : size[0], : size[1]]


class Up(nn.Module):
    """Bilinear enlargement by two and a convolution over it and the encoder's features: no checkerboard."""

    def __init__(self, channels: int, skip: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels + skip, out, 3, padding=1)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        large = F.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return F.silu(self.conv(torch.cat([large, skip.to(large.dtype)], 1)))


class LensSmall(nn.Module):
    """Fill a hole; 3.5 million parameters by default.

    Args:
        channels: width of the bottleneck, at 1/8 of the picture's size.
        blocks: number of residual blocks there.
    """

    def __init__(self, channels: int = 160, blocks: int = 6) -> None:
        super().__init__()
        self.to_half = nn.Conv2d(4, 32, 5, stride=2, padding=2)
        self.to_quarter = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.to_eighth = nn.Conv2d(64, channels, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.copy = DetailCopy(channels)
        self.up_quarter = Up(channels, 64, 64)
        self.up_half = Up(64, 32, 32)
        self.up_full = Up(32, 7, 32)
        self.refine = nn.Conv2d(32, 32, 3, padding=1)
        self.out = nn.Conv2d(32, 4, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Raw output of the network, not clamped and not pasted into the picture.

        Args:
            image: `[N, 3, H, W]` in [0, 1]; pixels inside the hole are ignored. H and W are multiples of 8.
            hole: `[N, 1, H, W]` in {0, 1}, 1 = hole.

        Returns:
            `[N, 3, H, W]`, about [0, 1].
        """
        smooth = push_pull(image * (1 - hole), hole)
        stem = torch.cat([smooth - 0.5, hole], 1)
        half = F.silu(self.to_half(stem))
        quarter = F.silu(self.to_quarter(half))
        features = F.silu(self.to_eighth(quarter))
        for block in self.blocks:
            features = block(features)
        detail = self.copy(features, smooth, hole)
        up = self.up_half(self.up_quarter(features, quarter), half)
        up = self.up_full(up, torch.cat([stem, detail], 1))
        change = self.out(F.silu(self.refine(up))).float()
        return smooth + change[:, :3] + torch.sigmoid(change[:, 3:]) * detail

"""`LensSmall`: the small network that ships with the package.

Three published ideas in one fully convolutional network:

- a push-pull pyramid (Gortler et al. 1996, section 3.3) gives a smooth first fill, linear in the picture, that
  the network only has to correct;
- residual blocks with a spectral branch (fast Fourier convolution, Chi et al. 2020; LaMa, Suvorov et al. 2022)
  see the whole window;
- attention carries the *residual detail* of known patches into the hole (contextual residual aggregation, Yi et al.
  2020), so textures are copied instead of invented.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK_PX = 16
"""Side of the blocks that detail is copied to; heights and widths must be multiples of it."""
PATCH_PX = 32
"""Side of the overlapping patches that are copied."""
MARGIN_PX = (PATCH_PX - BLOCK_PX) // 2
ENOUGH_COVER = 0.9
"""Offsets that bring this share of the hole onto known blocks are as good as any; below it they lose."""
COVER_REWARD = 500.0
"""Far above what a match can win, so that a hole is copied in one piece where the picture has one."""
UNKNOWN_PENALTY = 1e4
"""Taken off the score of a source by the share of it that is unknown: more than any match is worth."""


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
        """`[N, C, h, w]` to the same shape."""
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
        """`[N, C, h, w]` to the same shape."""
        inner = F.silu(self.norm(self.local(features) + self.spectral(features)))
        return features + self.scale * self.out(inner)


class DetailCopy(nn.Module):
    """Attention from blocks to known blocks; what it moves is the detail that a coarse blur leaves over.

    Yi et al. 2020, eq. 1 to 3. Where a hole gives no reason to prefer one source, plain attention copies one patch
    everywhere; so the scores here belong to *offsets* between target and source, pooled over the whole hole (the
    dominant offsets of He and Sun 2012), and neighbours copy neighbours.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, width, 2, stride=2)
        self.key = nn.Conv2d(channels, width, 2, stride=2)
        self.log_match = nn.Parameter(torch.tensor(5.0))

    def forward(self, features: Tensor, filled: Tensor, hole: Tensor) -> Tensor:
        """Detail `[N, 3, H, W]` for every pixel, gathered from known patches of `filled`."""
        coarse = F.avg_pool2d(filled, BLOCK_PX)
        coarse = F.interpolate(coarse, size=filled.shape[-2:], mode="bilinear", align_corners=False)
        detail = (filled - coarse) * (1 - hole)
        unknown = F.avg_pool2d(F.pad(hole, (MARGIN_PX,) * 4), PATCH_PX, BLOCK_PX)
        patches = F.unfold(detail, PATCH_PX, padding=MARGIN_PX, stride=BLOCK_PX)
        query = F.normalize(self.query(features).float(), dim=1)
        key = F.normalize(self.key(features).float(), dim=1)
        scores = self._offset_scores(
            query, key, F.max_pool2d(hole, BLOCK_PX), unknown
        ) - UNKNOWN_PENALTY * unknown.flatten(2)
        weights = scores.softmax(-1)
        # Shares too small for full precision change nothing but slow the product down up to a hundred times.
        weights = weights.masked_fill(weights < 1e-20, 0)
        return _overlap_add(patches @ weights.transpose(1, 2), filled.shape[-2:])

    def _offset_scores(self, query: Tensor, key: Tensor, wanted: Tensor, unknown: Tensor) -> Tensor:
        """`[N, L, L]`: for each target and source block, how good their offset is for the hole as a whole."""
        height, width = query.shape[-2:]
        wanted = F.max_pool2d(wanted, 3, 1, 1)
        known = (1 - unknown) ** 4
        match = _correlate(query * wanted, key * known, (2 * height, 2 * width))
        cover = _correlate(wanted, known, (2 * height, 2 * width))
        total = wanted.sum((1, 2, 3))[:, None, None].clamp_min(1)
        enough = (cover / (ENOUGH_COVER * total)).clamp_max(1)
        by_offset = self.log_match.exp() * match / (cover + 0.05 * total) + COVER_REWARD * enough
        rows, columns = torch.arange(height, device=query.device), torch.arange(width, device=query.device)
        down = (rows[None, :] - rows[:, None]) % (2 * height)
        across = (columns[None, :] - columns[:, None]) % (2 * width)
        index = down[:, None, :, None] * (2 * width) + across[None, :, None, :]
        return by_offset.flatten(1)[:, index.flatten()].unflatten(1, (height * width, height * width))


def _correlate(target: Tensor, source: Tensor, size: tuple[int, int]) -> Tensor:
    """`[N, *size]`: for each offset modulo size, the sum over channels and q of target(q) * source(q + offset)."""
    spectrum = torch.fft.rfft2(target, s=size).conj() * torch.fft.rfft2(source, s=size)
    return torch.fft.irfft2(spectrum.sum(1), s=size)


def _overlap_add(patches: Tensor, size: torch.Size) -> Tensor:
    """Overlapping patches `[N, 3 * P * P, L]` blended by a window that falls to their borders: `[N, 3, *size]`."""
    ramp = torch.arange(PATCH_PX, device=patches.device, dtype=patches.dtype)
    ramp = torch.minimum(ramp + 0.5, PATCH_PX - 0.5 - ramp) / BLOCK_PX
    window = torch.outer(ramp, ramp).flatten().repeat(3)[None, :, None]
    total = F.fold(patches * window, size, PATCH_PX, padding=MARGIN_PX, stride=BLOCK_PX)
    weight = window.expand(1, -1, patches.shape[-1])
    return total / F.fold(weight, size, PATCH_PX, padding=MARGIN_PX, stride=BLOCK_PX)


class Up(nn.Module):
    """Bilinear enlargement by two and a convolution over it and the encoder's features: no checkerboard."""

    def __init__(self, channels: int, skip: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels + skip, out, 3, padding=1)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """Features `[N, C, h, w]` enlarged to the size of `skip` and joined with it."""
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
            image: `[N, 3, H, W]` in [0, 1]; pixels inside the hole are ignored. H and W are multiples of 16.
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


def generator(shapes: Mapping[str, tuple[int, ...]]) -> LensSmall:
    """The network that weights of these shapes belong to; the published one for an empty mapping."""
    if not shapes:
        return LensSmall()
    blocks = {key.split(".")[1] for key in shapes if key.startswith("blocks.")}
    return LensSmall(channels=shapes["to_eighth.weight"][0], blocks=len(blocks))

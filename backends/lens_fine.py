"""`lens-fine`: what is where comes from `lens-small`, what it is made of is copied from the picture.

The network's fill has the right shades at the right places but is soft; patches of the picture are sharp but may show
the wrong thing. So patches are searched for under the guidance of the network: two patches are alike if their colours
and textures are (Wexler et al. 2007), and if the blurred picture under the one is like the blurred fill of the network
under the other (the two terms of Hertzmann et al. 2001, Image Analogies, section 3.1). In the result the fine detail is
that of the copies, and the shades are the mean of those of the copies and of the network:

    fill = copies + 1/2 G * (network - copies)

with a Gaussian G. Once the sources are found, the copies are a linear function of the known pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from . import lens_small
from .exemplar.field import Field, nearest
from .exemplar.provenance import Provenance
from .exemplar.pyramid import Float, Level, pyramid
from .exemplar.synthesis import SOURCES_AT_THE_END, SOURCES_ON_THE_WAY, finer
from .exemplar.voting import votes
from .network import NetworkBackend, hidden_pixels
from .protocol import BackendInfo
from .registry import info as facts_of

GUIDE_SIGMA_PX = 4.0
"""The network guides with what a Gaussian of this sigma leaves of its fill; finer it is too soft to be compared."""
GUIDE_WEIGHT, FINEST_GUIDE_WEIGHT = 1.0, 0.5
"""How much the guide counts against colour; on the finest level its softness would favour soft patches."""
SHADES_SIGMA_PX = 3.0
"""What a Gaussian of this sigma leaves of a picture are its shades."""
NETWORK_SHARE = 0.5
"""The network's share of the shades: there its errors and those of the copies differ, and partly cancel."""
PATCH_PX = 7
ROUNDS = 2
"""Rounds of each search for alike patches."""
FIRST_ROUNDS = 5
"""Rounds of the first search, which starts at random."""
COARSE_TURNS, FINE_TURNS = 6, 2
"""How often search and voting alternate on the coarsest level and on the finest; guided they settle soon."""
LOCALITY = 10.0
"""Patches from one end of the picture to the other must be eleven times as alike as those near by."""
PAINTED = 5
"""Channels that votes change, colour and texture; the guide after them stays."""


class LensFine:
    """The network's structure with copied texture.

    Args:
        info: facts about the backend.
        network: the backend that guides.
    """

    def __init__(self, info: BackendInfo, network: NetworkBackend) -> None:
        self.info = info
        self.device = network.device
        self.network = network
        self._held: HeldSources | None = None

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; outside of the hole the result is the image.

        Gradients flow through the network and through the copied pixels, not through the choice of what is copied.

        Raises:
            InputError: no whole patch of known pixels is left to copy from.
            Cancelled: the caller asked to stop.
        """
        monitor = monitor or Monitor()
        if self._held is not None:
            found = self._held(seed, monitor.part(0, 0.5))
            drawn = self.network(image, hole, exclude=exclude, monitor=monitor.part(0.5, 1))
            return combined(image, hole, drawn, found * len(image) if len(found) == 1 else found)
        results = []
        # One by one: rounding depends on the batch, and the least of it can change which patch is the most alike.
        for index in range(len(image)):
            part = monitor.part(index / len(image), (index + 1) / len(image))
            one = slice(index, index + 1)
            kept = None if exclude is None else exclude[one]
            drawn = self.network(image[one], hole[one], exclude=kept, monitor=part.part(0, 0.2))
            found = sources(image[one], hole[one], kept, drawn, seed, part.part(0.2, 1))
            results.append(combined(image[one], hole[one], drawn, [found]))
        return torch.cat(results)

    def held(self, image: Tensor, hole: Tensor, *, exclude: Tensor | None = None) -> LensFine:
        """This backend with the sources of one picture, whatever picture it is then called with.

        Between two pictures the best sources jump, and with them the output; held, it changes smoothly.

        Args:
            image: `[N, 3, H, W]`, as many pictures as in the calls, or one for all.
            hole, exclude: as in the calls.
        """
        fixed = copy.copy(self)
        fixed._held = HeldSources(self.network, image.detach(), hole, exclude)
        return fixed


@dataclass(eq=False)
class HeldSources:
    """The sources of the fills of some pictures, found once for each seed.

    Attributes:
        network: the backend that guides.
        image, hole, exclude: as in the protocol.
        found: by seed, the sources for each picture.
    """

    network: NetworkBackend
    image: Tensor
    hole: Tensor
    exclude: Tensor | None
    found: dict[int, list[Provenance]] = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, seed: int, monitor: Monitor) -> list[Provenance]:
        """The sources with that seed; searched for at the first call."""
        if seed not in self.found:
            self.found[seed] = [self._one(index, seed, monitor) for index in range(len(self.image))]
        return self.found[seed]

    def _one(self, index: int, seed: int, monitor: Monitor) -> Provenance:
        one = slice(index, index + 1)
        image, hole = self.image[one], self.hole[one]
        exclude = None if self.exclude is None else self.exclude[one]
        drawn = self.network(image, hole, exclude=exclude, monitor=Monitor(token=monitor.token))
        return sources(image, hole, exclude, drawn, seed, monitor)


def combined(image: Tensor, hole: Tensor, drawn: Tensor, found: Sequence[Provenance]) -> Tensor:
    """Copies whose coarse shades are drawn towards the network's; linear in `image` and in `drawn`.

    Args:
        image: `[N, 3, H, W]`.
        hole: `[N, 1, H, W]` in {0, 1}, 1 = filled.
        drawn: `[N, 3, H, W]`, what the network makes of the image.
        found: from where each picture's fill is copied.

    Returns:
        `[N, 3, H, W]`, equal to `image` outside of the hole.
    """
    copies = torch.stack([_copied(one, places) for one, places in zip(image, found, strict=True)])
    return copies + hole * NETWORK_SHARE * blurred(hole * (drawn - copies), SHADES_SIGMA_PX)


def blurred(images: Tensor, sigma_px: float) -> Tensor:
    """Images `[N, C, H, W]` after a Gaussian, mirrored at the border; sides are above three sigmas."""
    radius = int(3 * sigma_px)
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    taps = torch.exp(-(offsets**2) / (2 * sigma_px**2)).to(images.dtype)
    taps = taps / taps.sum()
    padded = F.pad(images, (radius,) * 4, mode="reflect").flatten(0, 1)[:, None]
    result = F.conv2d(F.conv2d(padded, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
    return result[:, 0].unflatten(0, images.shape[:2])


def _copied(image: Tensor, places: Provenance) -> Tensor:
    """The picture `[3, H, W]` with every target made of its sources; gradients flow to the sources."""
    flat = image.flatten(1)
    targets, origins, shares = (
        torch.from_numpy(values).to(image.device) for values in (places.targets, places.sources, places.weights)
    )
    mixed = (flat[:, origins] * shares.to(image.dtype)).sum(-1)
    return flat.index_copy(1, targets, mixed).view_as(image)


@torch.no_grad()
def sources(
    image: Tensor, hole: Tensor, exclude: Tensor | None, drawn: Tensor, seed: int, monitor: Monitor
) -> Provenance:
    """From where the fill of one picture is copied, coarse to fine, guided by the network's fill.

    Args:
        image: `[1, 3, H, W]` in [0, 1].
        hole: `[1, 1, H, W]` in {0, 1}, 1 = to fill.
        exclude: like `hole`, 1 = never a source and never compared with; None = nothing.
        drawn: `[1, 3, H, W]`, the network's fill.
        seed: the same seed gives the same sources.
        monitor: progress; cancels between rounds.

    Raises:
        InputError: no whole patch of known pixels is left to copy from.
        Cancelled: the caller asked to stop.
    """
    hidden = hidden_pixels(hole, exclude)
    likely = torch.where(hidden > 0, drawn, image)
    known, inside, unknown, likely, guide = (
        _array(one) for one in (image * (1 - hidden), hole, hidden, likely, blurred(likely, GUIDE_SIGMA_PX))
    )
    levels = pyramid(known, inside[..., 0] > 0, unknown[..., 0] > 0, PATCH_PX)
    if not levels[0].sources.any():
        raise InputError(
            f"No patch of {PATCH_PX} x {PATCH_PX} pixels is left to copy from: make the mask or the excluded part "
            "smaller, or take --backend lens-small."
        )
    return _settled(_guided(levels, likely, guide), seed, monitor)


def _array(images: Tensor) -> Float:
    """The first of `[N, C, H, W]` as `[H, W, C]`."""
    return np.ascontiguousarray(images[0].detach().float().cpu().permute(1, 2, 0).numpy())


def _guided(levels: list[Level], likely: Float, guide: Float) -> list[Level]:
    """The levels with the guide as further channels, and the coarsest one painted with the network's colours.

    Args:
        levels: from the finest to the coarsest.
        likely: `[H, W, 3]`, the picture with the network's fill.
        guide: `[H, W, 3]`, the same, blurred.
    """
    nothing = np.zeros(guide.shape[:2], bool)
    shown = [Level(np.concatenate([likely, guide], 2), nothing, nothing, PATCH_PX)]
    while len(shown) < len(levels):
        shown.append(shown[-1].halved())
    last, hidden = levels[-1].features, levels[-1].hidden
    nearest_known = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    texture = last[tuple(np.asarray(nearest_known))][..., 3:]
    painted = np.concatenate([shown[-1].features[..., :3], texture], 2)
    last[hidden] = painted[hidden]
    weights = [FINEST_GUIDE_WEIGHT] + [GUIDE_WEIGHT] * (len(levels) - 1)
    return [
        replace(level, features=np.concatenate([level.features, weight * guides.features[..., 3:]], 2))
        for level, guides, weight in zip(levels, shown, weights, strict=True)
    ]


def _settled(levels: list[Level], seed: int, monitor: Monitor) -> Provenance:
    """Search and vote in turns, from the coarsest level to the finest."""
    found: Field | None = None
    effort = np.cumsum([0.0] + [0.25**depth for depth in reversed(range(len(levels)))])
    for step, depth in enumerate(reversed(range(len(levels)))):
        level = levels[depth]
        if found is not None:
            found = finer(found, level)
            _paint(level, found)
        turns = round(FINE_TURNS + (COARSE_TURNS - FINE_TURNS) * depth / max(1, len(levels) - 1))
        part = monitor.part(effort[step] / effort[-1], effort[step + 1] / effort[-1])
        for turn in range(turns):
            if turn and found is not None:
                _paint(level, found)
            number = seed + 1000 * (depth + 1) + turn
            found = _search(level, found, number, part.part(turn / turns, (turn + 1) / turns))
    assert found is not None
    return _voted(levels[0], found, SOURCES_AT_THE_END)


def _search(level: Level, start: Field | None, seed: int, monitor: Monitor) -> Field:
    return nearest(
        level.features,
        level.targets,
        level.sources,
        patch=PATCH_PX,
        rounds=FIRST_ROUNDS if start is None else ROUNDS,
        start=start,
        weights=level.weights(),
        locality=LOCALITY,
        seed=seed,
        monitor=monitor,
    )


def _voted(level: Level, found: Field, keep: int) -> Provenance:
    """What the patches over each pixel of the hole say, `keep` sources for each."""
    size = level.hole.shape[0], level.hole.shape[1]
    places, shares = votes(found, level.hole, level.confidence(), patch=PATCH_PX, keep=keep)
    return Provenance(size, np.flatnonzero(level.hole), places, shares)


def _paint(level: Level, found: Field) -> None:
    """Fill colour and texture of the hole, in place, with what the patches vote for."""
    painted = _voted(level, found, SOURCES_ON_THE_WAY).copied(level.features)
    level.features[level.hole, :PAINTED] = painted[:, :PAINTED]


def load(info: BackendInfo, device: str) -> LensFine:
    """`lens-fine` with the weights of `lens-small`, or those that stand in for them.

    Raises:
        WeightsError: they are missing or do not fit, which means that the installation is damaged.
    """
    return LensFine(info, lens_small.load(facts_of("lens-small"), device))

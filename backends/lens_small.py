"""The embedded backend `lens-small`: a small network says what is where, and texture is copied from the picture.

The weights are inside the package, nothing is downloaded. The network's fill has the right shades but is soft; patches
that are searched for under its guidance (`exemplar.guided`) are sharp. In the result the fine detail is that of the
copies, and the shades are between those of the copies and of the network:

    fill = copies + 0.6 G * (network - copies)

with a Gaussian G. Once the sources are found, the copies are a linear function of the known pixels, so gradients flow
through both parts.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..imaging.errors import WeightsError
from ..imaging.monitor import Monitor
from ..weights_registry.formats import load_state_dict
from ..weights_registry.stand_in import standing
from .architectures import fitted
from .exemplar.guided import sources
from .exemplar.provenance import Provenance
from .nets.lens_small import LensSmall
from .network import NetworkBackend, hidden_pixels
from .protocol import BackendInfo

BUILDER = "inpaint_lens.backends.nets.lens_small:generator"
WEIGHTS = Path(__file__).parent / "weights" / "lens_small.safetensors"
NETWORK_PX = 320
"""A longer side is reduced for the network, which was trained at 128 to 256 px and only says what is where."""
SHADES_SIGMA_PX = 2.5
"""What a Gaussian of this sigma leaves of a picture are its shades."""
NETWORK_SHARE = 0.6
"""The network's share of the shades: there its errors and those of the copies differ, and partly cancel."""


class GuidedCopies:
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

        Where no whole patch is known, as under a fine grid, it is the network's fill alone.

        Raises:
            Cancelled: the caller asked to stop.
        """
        monitor = monitor or Monitor()
        if self._held is not None:
            found = self._held(seed, monitor.part(0, 0.5))
            drawn = self.drawn(image, hole, exclude, monitor.part(0.5, 1))
            return combined(image, hole, drawn, found * len(image) if len(found) == 1 else found)
        results = []
        # One by one: rounding depends on the batch, and the least of it can change which patch is the most alike.
        for index in range(len(image)):
            part = monitor.part(index / len(image), (index + 1) / len(image))
            one = slice(index, index + 1)
            kept = None if exclude is None else exclude[one]
            drawn = self.drawn(image[one], hole[one], kept, part.part(0, 0.3))
            found = guided_by(image[one], hole[one], kept, drawn, seed, part.part(0.3, 1))
            results.append(combined(image[one], hole[one], drawn, [found]))
        return torch.cat(results)

    def held(self, image: Tensor, hole: Tensor, *, exclude: Tensor | None = None) -> GuidedCopies:
        """This backend with the sources of one picture, whatever picture it is then called with.

        Between two pictures the best sources jump, and with them the output; held, it changes smoothly.

        Args:
            image: `[N, 3, H, W]`, as many pictures as in the calls, or one for all.
            hole, exclude: as in the calls.
        """
        fixed = copy.copy(self)
        fixed._held = HeldSources(self, image.detach(), hole, exclude)
        return fixed

    def drawn(self, image: Tensor, hole: Tensor, exclude: Tensor | None, monitor: Monitor) -> Tensor:
        """What the network makes of the picture `[N, 3, H, W]`; one larger than `NETWORK_PX` is reduced for it."""
        hidden = hidden_pixels(hole, exclude)
        scale = 2 ** max(0, int(np.ceil(np.log2(max(image.shape[-2:]) / NETWORK_PX))))
        if scale == 1:
            return self.network(image, hidden, monitor=monitor)
        known = F.avg_pool2d(1 - hidden, scale)
        small = F.avg_pool2d(image * (1 - hidden), scale) / known.clamp_min(1 / scale**2)
        drawn = self.network(small, (known == 0).to(image.dtype), monitor=monitor)
        return F.interpolate(drawn, size=image.shape[-2:], mode="bilinear", align_corners=False)


@dataclass(eq=False)
class HeldSources:
    """The sources of the fills of some pictures, found once for each seed.

    Attributes:
        backend: what fills.
        image, hole, exclude: as in the protocol.
        found: by seed, the sources for each picture.
    """

    backend: GuidedCopies
    image: Tensor
    hole: Tensor
    exclude: Tensor | None
    found: dict[int, list[Provenance | None]] = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, seed: int, monitor: Monitor) -> list[Provenance | None]:
        """The sources with that seed; searched for at the first call."""
        if seed not in self.found:
            self.found[seed] = [self._one(index, seed, monitor) for index in range(len(self.image))]
        return self.found[seed]

    def _one(self, index: int, seed: int, monitor: Monitor) -> Provenance | None:
        one = slice(index, index + 1)
        image, hole = self.image[one], self.hole[one]
        exclude = None if self.exclude is None else self.exclude[one]
        drawn = self.backend.drawn(image, hole, exclude, Monitor(token=monitor.token))
        return guided_by(image, hole, exclude, drawn, seed, monitor)


def combined(image: Tensor, hole: Tensor, drawn: Tensor, found: Sequence[Provenance | None]) -> Tensor:
    """Copies whose coarse shades are drawn towards the network's; linear in `image` and in `drawn`.

    Args:
        image: `[N, 3, H, W]`, H and W even.
        hole: `[N, 1, H, W]` in {0, 1}, 1 = filled.
        drawn: `[N, 3, H, W]`, what the network makes of the image.
        found: from where each picture's fill is copied; None = nothing is, it is what the network draws.

    Returns:
        `[N, 3, H, W]`, equal to `image` outside of the hole.
    """
    copies = torch.stack(
        [
            _copied(one, places) if places else torch.where(inside > 0, network, one)
            for one, inside, network, places in zip(image, hole, drawn, found, strict=True)
        ]
    )
    return copies + hole * NETWORK_SHARE * blurred(hole * (drawn - copies), SHADES_SIGMA_PX)


def blurred(images: Tensor, sigma_px: float) -> Tensor:
    """Images `[N, C, H, W]` after a Gaussian, mirrored at the border; made at half the size, which is faster.

    H and W are even, and above six sigmas.
    """
    halved, radius = sigma_px / 2, int(1.5 * sigma_px)
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    taps = torch.exp(-(offsets**2) / (2 * halved**2)).to(images.dtype)
    taps = taps / taps.sum()
    padded = F.pad(F.avg_pool2d(images, 2), (radius,) * 4, mode="reflect").flatten(0, 1)[:, None]
    result = F.conv2d(F.conv2d(padded, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
    result = result[:, 0].unflatten(0, images.shape[:2])
    return F.interpolate(result, size=images.shape[-2:], mode="bilinear", align_corners=False)


def _copied(image: Tensor, places: Provenance) -> Tensor:
    """The picture `[3, H, W]` with every target made of its sources; gradients flow to the sources."""
    flat = image.flatten(1)
    targets, origins, shares = (
        torch.from_numpy(values).to(image.device) for values in (places.targets, places.sources, places.weights)
    )
    mixed = (flat[:, origins] * shares.to(image.dtype)).sum(-1)
    return flat.index_copy(1, targets, mixed).view_as(image)


@torch.no_grad()
def guided_by(
    image: Tensor, hole: Tensor, exclude: Tensor | None, drawn: Tensor, seed: int, monitor: Monitor
) -> Provenance | None:
    """From where the fill of one picture `[1, 3, H, W]` is copied under the guidance of the network's fill `drawn`.

    Raises:
        Cancelled: the caller asked to stop.
    """
    hidden = hidden_pixels(hole, exclude)
    known, guide = (_array(one) for one in (image * (1 - hidden), torch.where(hidden > 0, drawn, image)))
    inside, barred = (one[0, 0].cpu().numpy() > 0 for one in (hole, hidden - hole))
    return sources(known, inside, barred, guide, seed=seed, monitor=monitor)


def _array(images: Tensor) -> NDArray[np.float32]:
    """The first of `[N, C, H, W]` as `[H, W, C]`."""
    return np.ascontiguousarray(images[0].detach().float().cpu().permute(1, 2, 0).numpy())


def load(info: BackendInfo, device: str) -> GuidedCopies:
    """`lens-small` with the weights of the package, or those that stand in for them.

    Raises:
        WeightsError: the file is missing or does not fit, which means that the installation is damaged.
    """
    return GuidedCopies(info, NetworkBackend(info, _network(info), device))


def _network(info: BackendInfo) -> nn.Module:
    own = standing().get(info.name)
    if own is not None:
        return fitted(BUILDER, load_state_dict(own), info.name)
    network = LensSmall()
    try:
        state = {key: value.float() for key, value in load_file(WEIGHTS).items()}
        lacking, surplus = network.load_state_dict(state, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError("The weights of lens-small are damaged: install inpaint-lens again.") from error
    if surplus or any(not key.endswith("num_batches_tracked") for key in lacking):
        raise WeightsError("The weights of lens-small are of another version: install inpaint-lens again.")
    return network

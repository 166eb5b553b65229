"""EdgeConnect as a backend: edges are continued into the hole, by a network or by a person, and coloured after.

Nazeri et al. 2019 (ICCV workshops) and the patent application CN 110689495 A. The edges of the known part are those of
Canny 1986. They are a step function of the picture, so gradients do not flow through them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..imaging.monitor import Monitor
from .architectures import fitted, own_weights
from .nets.spectral_norm import with_right_vectors
from .network import Convention, NetworkBackend, hidden_pixels
from .protocol import BackendInfo, Value
from .settings import checked

GREY = (0.2125, 0.7154, 0.0721)
"""Shares of red, green and blue in the grey picture (ITU-R BT.709, as scikit-image rounds it)."""

KnownEdges = Callable[[Tensor, Tensor, float], Tensor]
"""Image `[N, 3, H, W]`, hidden pixels `[N, 1, H, W]` and sigma in px to the edges of what is known, `[N, 1, H, W]`."""


@dataclass(frozen=True)
class EdgeInput(Convention):
    """How the edge generator takes a grey picture and its edges: white and without edges where they are hidden."""

    def pack(self, image: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """`[N, 2, H, W]`, grey in [0, 1] and edges, and the mask, to `[N, 3, H, W]`."""
        grey, edges = image.split(1, 1)
        return (torch.cat([grey * (1 - hidden) + hidden, edges * (1 - hidden), hidden], 1),)


@dataclass(frozen=True)
class CompletionInput(Convention):
    """How the completion network takes a picture and the edges of the whole of it: white where it is hidden."""

    def pack(self, image: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """`[N, 4, H, W]`, RGB in [0, 1] and edges, and the mask, to `[N, 4, H, W]`."""
        colours, edges = image.split((3, 1), 1)
        return (torch.cat([colours * (1 - hidden) + hidden, edges], 1),)


class EdgeConnect:
    """Edge generator and completion network, one after the other; differentiable but for the known edges."""

    def __init__(self, info: BackendInfo, edges: nn.Module, completion: nn.Module, device: str) -> None:
        self.info = info
        self.device = device
        self.edge_stage = NetworkBackend(info, edges, device, EdgeInput())
        self.completion_stage = NetworkBackend(info, completion, device, CompletionInput())
        self._known_edges: KnownEdges = canny_edges

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
        guide: Tensor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; `seed` has no effect.

        Args:
            image, hole, exclude, seed, monitor: as in the protocol.
            guide: `[N, 1, H, W]` in {0, 1}, 1 = a line. Lines outside of the hole have no effect; a picture without a
                line in its hole is filled as if no guide were given.
            settings: `sigma`, px, of the smoothing before edges are looked for; `edges`, whether drawn lines replace
                those of the generator ("drawn") or join them ("both").

        Returns:
            float32 `[N, 3, H, W]` in [0, 1], the known part repainted as well.
        """
        edges = self._composed(image, hole, exclude, guide, settings, monitor and monitor.part(0, 0.5))
        painting = monitor and monitor.part(0.5, 1)
        return self.completion_stage(torch.cat([image, edges], 1), hole, exclude=exclude, monitor=painting)

    def edge_map(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        guide: Tensor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """The edges that the fill is painted along: 0 or 1 where the picture is known, [0, 1] in the hole.

        Args:
            image, hole, exclude, guide, settings: as for a call.

        Returns:
            float32 `[N, 1, H, W]`.
        """
        return self._composed(image, hole, exclude, guide, settings, None)

    def held(self, image: Tensor, hole: Tensor, *, exclude: Tensor | None = None) -> EdgeConnect:
        """This backend with the known edges of one picture, whatever picture it is then called with.

        Between two pictures the edges would jump, and with them the output; held, it changes smoothly.

        Args:
            image: `[N, 3, H, W]`, as many pictures as in the calls, or one for all.
            hole, exclude: as in the calls.
        """
        fixed = copy.copy(self)
        fixed._known_edges = HeldEdges(image.detach(), hidden_pixels(hole, exclude))
        return fixed

    def _composed(
        self,
        image: Tensor,
        hole: Tensor,
        exclude: Tensor | None,
        guide: Tensor | None,
        settings: Mapping[str, Value] | None,
        monitor: Monitor | None,
    ) -> Tensor:
        """Known edges outside, drawn or generated ones inside of what is hidden (section 3.2 of the paper)."""
        chosen = checked(self.info, settings or {})
        hidden = hidden_pixels(hole, exclude)
        known = self._known_edges(image, hidden, float(chosen["sigma"])) * (1 - hidden)
        lines = torch.zeros_like(hole) if guide is None else guide.to(hole) * hole
        drawn = lines.amax((1, 2, 3), keepdim=True)
        if chosen["edges"] == "drawn" and drawn.all():
            return known + lines
        likely = self.edge_stage(torch.cat([grey(image), known], 1), hidden, monitor=monitor)
        likely = torch.maximum(likely, lines)
        return known + hidden * (torch.where(drawn > 0, lines, likely) if chosen["edges"] == "drawn" else likely)


class HeldEdges:
    """Known edges of one picture, found once for each sigma.

    Args:
        image: `[N, 3, H, W]` in [0, 1].
        hidden: `[N, 1, H, W]` in {0, 1}, 1 = hidden.
    """

    def __init__(self, image: Tensor, hidden: Tensor) -> None:
        self.image, self.hidden = image, hidden
        self.found: dict[float, Tensor] = {}

    def __call__(self, image: Tensor, hidden: Tensor, sigma: float) -> Tensor:
        """The edges of the held picture, one map for each picture given; what that shows does not matter."""
        if sigma not in self.found:
            self.found[sigma] = canny_edges(self.image, self.hidden, sigma)
        return self.found[sigma].to(image).expand(len(image), -1, -1, -1)


def grey(image: Tensor) -> Tensor:
    """RGB `[N, 3, H, W]` to grey `[N, 1, H, W]`, in the same range."""
    return (image * image.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def canny_edges(image: Tensor, hidden: Tensor, sigma: float) -> Tensor:
    """Canny's edges of the known part of pictures.

    Args:
        image: `[N, 3, H, W]` in [0, 1].
        hidden: `[N, 1, H, W]` in {0, 1}; these pixels have no effect, and none of them nor their neighbours is an edge.
        sigma: standard deviation of the Gaussian smoothing, px; 0 = none.

    Returns:
        `[N, 1, H, W]` in {0, 1}, on the device of `image`, without gradient.
    """
    from skimage.feature import canny

    pictures = grey(image.detach().cpu().double())[:, 0].numpy()
    masks = (hidden.expand(len(image), -1, -1, -1)[:, 0] < 0.5).cpu().numpy()
    found = [canny(picture, sigma=sigma, mask=mask) for picture, mask in zip(pictures, masks, strict=True)]
    return torch.from_numpy(np.stack(found)[:, None]).to(image)


def load(info: BackendInfo, device: str) -> EdgeConnect:
    """EdgeConnect with the weights of the registry.

    Raises:
        MissingError: weights are not here.
        WeightsError: a file is of another network.
    """
    return from_state_dicts(info, [own_weights(name) for name in info.weights], device)


def from_state_dicts(info: BackendInfo, states: Sequence[Mapping[str, Tensor]], device: str) -> EdgeConnect:
    """EdgeConnect with given weights, of the edge generator first, then of the completion network.

    Raises:
        WeightsError: these are not the weights of these networks.
    """
    edges, completion = (
        fitted(builder, with_right_vectors(state), name)
        for builder, state, name in zip(info.networks, states, info.weights, strict=True)
    )
    return EdgeConnect(info, edges, completion, device)

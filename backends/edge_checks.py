"""EdgeConnect with checks: several edge maps are tried, and the discriminators say which of them to believe.

The patent application CN 110689495 A checks the edge map before it is painted along (its step 2) and the painted
picture (step 4), and gives what passed both (step 5). The checks are the discriminators of Nazeri et al. 2019: D1 sees
the grey picture and the edges (section 3.1), D2 the picture (section 3.2). D1 wants all of the grey picture, so it is
asked after the picture is painted, with the grey of the fill.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..imaging.monitor import Monitor
from ..weights_registry.formats import load_weights
from .architectures import fitted
from .edgeconnect import EdgeConnect, from_state_dicts, grey
from .nets.spectral_norm import with_right_vectors
from .network import hidden_pixels
from .protocol import BackendInfo, Value
from .settings import checked

log = logging.getLogger(__name__)

SIGMAS = (1.0, 0.5, 1.5)
"""Smoothings that are tried, as multiples of the setting `sigma`."""
THRESHOLDS = (0.5, 0.3)
"""Likelihoods from which a generated pixel is taken for an edge."""
SPECK_PX = 5
"""Edges in the hole with fewer pixels, joined to nothing known, are no contours."""


@dataclass(frozen=True)
class Trial:
    """One candidate for one picture.

    Attributes:
        sigma: smoothing before the known edges were looked for, px.
        threshold: likelihood from which a generated pixel was taken for an edge.
        edges: tidied, `[1, 1, H, W]` in {0, 1}.
        fill: `[1, 3, H, W]` in [0, 1], the known part repainted as well.
        edge_score: mean of D1 over patches that touch the hole, 0 = made, 1 = real.
        picture_score: likewise of D2.
        accepted: both scores are at least what was asked for.
    """

    sigma: float
    threshold: float
    edges: Tensor
    fill: Tensor
    edge_score: float
    picture_score: float
    accepted: bool

    def report(self) -> dict[str, Any]:
        """Plain values for a report."""
        kept = ("sigma", "threshold", "edge_score", "picture_score", "accepted")
        return {name: getattr(self, name) for name in kept}


class CheckedEdgeConnect:
    """EdgeConnect that tries several edge maps and drops those that its discriminators do not believe.

    Differentiable through the completion network; which edges are taken is a step function of the picture.

    Args:
        info: names the setting `least` beside those of EdgeConnect.
        plain: what paints.
        judges: the discriminators of edges and of pictures.
    """

    def __init__(self, info: BackendInfo, plain: EdgeConnect, judges: Sequence[nn.Module]) -> None:
        self.info, self.plain, self.device = info, plain, plain.device
        self.judges = [judge.eval().requires_grad_(False).to(plain.device) for judge in judges]
        self._edges: Tensor | None = None

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
        """See `EdgeConnect.__call__`; the fill is the most credible one."""
        edges = self._edges
        if edges is None:
            found = monitor and monitor.part(0, 0.8)
            tried = self.trials(image, hole, exclude=exclude, guide=guide, settings=settings, monitor=found)
            edges = torch.cat([best(of_one).edges for of_one in tried])
        painted = torch.cat([image, edges.to(image).expand(len(image), -1, -1, -1)], 1)
        return self.plain.completion_stage(painted, hole, exclude=exclude, monitor=monitor and monitor.part(0.8, 1))

    def held(self, image: Tensor, hole: Tensor, *, exclude: Tensor | None = None) -> CheckedEdgeConnect:
        """This backend with the edges that are chosen for one picture, whatever picture it is then called with."""
        fixed = copy.copy(self)
        tried = self.trials(image.detach(), hole, exclude=exclude)
        fixed._edges = torch.cat([best(of_one).edges for of_one in tried])
        return fixed

    @torch.no_grad()
    def trials(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        guide: Tensor | None = None,
        settings: Mapping[str, Value] | None = None,
        monitor: Monitor | None = None,
    ) -> list[list[Trial]]:
        """All candidates of each picture, in the order in which they were tried.

        Args:
            image, hole, exclude, guide, settings, monitor: as for a call.
        """
        chosen = checked(self.info, settings or {})
        least, sigma = float(chosen.pop("least")), float(chosen["sigma"])
        kinds = [(sigma * factor, threshold) for factor in SIGMAS for threshold in THRESHOLDS]
        found: list[list[Trial]] = [[] for _ in image]
        hidden = hidden_pixels(hole, exclude)
        for index, (smoothing, threshold) in enumerate(kinds):
            if monitor:
                monitor.report("checking edges", index / len(kinds))
            options = {**chosen, "sigma": min(5.0, smoothing)}
            likely = self.plain.edge_map(image, hole, exclude=exclude, guide=guide, settings=options)
            drawn = torch.zeros_like(hole) if guide is None else guide.to(hole) * hole
            edges = torch.maximum(tidied(likely, hidden, threshold), drawn)
            fills = self.plain.completion_stage(torch.cat([image, edges], 1), hole, exclude=exclude)
            scores = self._scores(image * (1 - hidden) + fills * hidden, edges, hole)
            for item, (of_edges, of_picture) in enumerate(zip(*scores, strict=True)):
                passed = min(of_edges, of_picture) >= least
                maps = edges[item : item + 1], fills[item : item + 1]
                found[item].append(Trial(options["sigma"], threshold, *maps, of_edges, of_picture, passed))
        return found

    def checks(self, image: Tensor, hole: Tensor, **options: Any) -> list[list[dict[str, Any]]]:
        """For a report: smoothing, threshold, scores and acceptance of all candidates of each picture.

        Args:
            image, hole, options: as for `trials`.
        """
        return [[trial.report() for trial in of_one] for of_one in self.trials(image, hole, **options)]

    def _scores(self, picture: Tensor, edges: Tensor, hole: Tensor) -> tuple[list[float], list[float]]:
        """What the discriminators say of each composite: of its edges, and of itself."""
        picture, edges, hole = (x.to(self.device) for x in (picture, edges, hole))
        shown = torch.cat([grey(picture), edges], 1), picture
        of_edges, of_pictures = (in_hole(judge(seen)[0], hole) for judge, seen in zip(self.judges, shown, strict=True))
        return of_edges.tolist(), of_pictures.tolist()


def in_hole(scores: Tensor, hole: Tensor) -> Tensor:
    """Mean score of the patches that touch the hole, for each picture.

    Args:
        scores: `[N, 1, h, w]`.
        hole: `[N, 1, H, W]`, 1 = hole.

    Returns:
        `[N]`; the mean of all patches where the hole lies between them.
    """
    touched = (F.adaptive_max_pool2d(hole, (scores.shape[-2], scores.shape[-1])) > 0).to(scores)
    touched = torch.where(touched.amax((1, 2, 3), keepdim=True) > 0, touched, 1.0)
    return (scores * touched).sum((1, 2, 3)) / touched.sum((1, 2, 3))


def best(trials: Sequence[Trial]) -> Trial:
    """The accepted trial of the highest scores; of those that were rejected if none was accepted, which is logged."""
    accepted = [trial for trial in trials if trial.accepted]
    if not accepted:
        log.warning("None of %d edge maps was credible: the most credible one is taken.", len(trials))
    return max(accepted or trials, key=lambda trial: trial.edge_score * trial.picture_score)


def tidied(edges: Tensor, hole: Tensor, threshold: float) -> Tensor:
    """Contours one pixel wide from likelihoods, without specks; edges of the known part are as they were.

    Args:
        edges: `[N, 1, H, W]` in [0, 1].
        hole: `[N, 1, H, W]`, 1 = hole.
        threshold: likelihood from which a pixel of the hole is an edge.

    Returns:
        `[N, 1, H, W]` in {0, 1}, on the device of `edges`, without gradient.
    """
    from skimage.measure import label
    from skimage.morphology import skeletonize

    maps = []
    for likely, inside in zip(edges[:, 0].detach().cpu().numpy(), hole[:, 0].cpu().numpy() > 0.5, strict=True):
        known = (likely > 0.5) & ~inside
        thin = skeletonize((likely >= threshold) & inside) & inside
        parts = np.asarray(label(thin | known, connectivity=2))
        sizes = np.bincount(parts.ravel())
        anchored = np.isin(parts, parts[known]) & (parts > 0)
        maps.append(known | (thin & (anchored | (sizes[parts] >= SPECK_PX))))
    return torch.from_numpy(np.stack(maps)[:, None]).to(edges)


def load(info: BackendInfo, device: str) -> CheckedEdgeConnect:
    """EdgeConnect and its discriminators with the weights of the registry.

    Raises:
        MissingError: weights are not here.
        WeightsError: a file is of another network.
    """
    return checked_from_state_dicts(info, [load_weights(name) for name in info.weights], device)


def checked_from_state_dicts(
    info: BackendInfo, states: Sequence[Mapping[str, Tensor]], device: str
) -> CheckedEdgeConnect:
    """EdgeConnect with given weights: edge generator, completion network, discriminators of edges and of pictures.

    Raises:
        WeightsError: these are not the weights of these networks.
    """
    painters, judging = states[:2], zip(info.networks[2:], states[2:], info.weights[2:], strict=True)
    judges = [fitted(builder, with_right_vectors(state), name) for builder, state, name in judging]
    plain_info = _plain(info)
    return CheckedEdgeConnect(info, from_state_dicts(plain_info, painters, device), judges)


def _plain(info: BackendInfo) -> BackendInfo:
    """What EdgeConnect alone is told of itself."""
    settings = tuple(setting for setting in info.settings if setting.name != "least")
    return replace(info, weights=info.weights[:2], networks=info.networks[:2], settings=settings)

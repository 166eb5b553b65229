"""EdgeConnect with checks: several edge maps are tried, and the discriminators say which of them to believe.

The patent application CN 110689495 A checks the edge map before it is painted along (its step 2) and the painted
picture (step 4), and gives what passed both (step 5). The checks are the discriminators of Nazeri et al. 2019: D1 sees
the grey picture and the edges (section 3.1), D2 the picture (section 3.2). D1 wants all of the grey picture, so it is
asked after the picture is painted, with the grey of the fill.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..imaging.errors import WeightsError
from ..imaging.monitor import Monitor
from .architectures import fitted, own_weights
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
KEPT = 256
"""Calls whose choice of edges is remembered, so that explaining or reporting a fill does not check it again."""
CHANNELS = (2, 3)
"""Of what the discriminators of edges and of pictures see."""


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


@dataclass(frozen=True)
class Choice:
    """What became of the candidates of one call.

    Attributes:
        reports: of all candidates of each picture; `chosen` says which one is the fill.
        packed: bits of the chosen edges.
        shape: of the chosen edges, `[N, 1, H, W]`.
    """

    reports: list[list[dict[str, Any]]]
    packed: NDArray[np.uint8]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, trials: Sequence[Sequence[Trial]]) -> Choice:
        """The best candidate of each picture."""
        taken = [best(of_one) for of_one in trials]
        reports = [
            [{**trial.report(), "chosen": trial is one} for trial in of_one]
            for of_one, one in zip(trials, taken, strict=True)
        ]
        edges = torch.cat([one.edges for one in taken]).cpu().numpy() > 0.5
        return cls(reports, np.packbits(edges), edges.shape)

    def edges(self, like: Tensor) -> Tensor:
        """The chosen edges in {0, 1}, of the type and on the device of `like`."""
        bits = np.unpackbits(self.packed, count=int(np.prod(self.shape)))
        return torch.from_numpy(bits.reshape(self.shape)).to(like)


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
        self._held: tuple[Tensor, Tensor, Tensor | None] | None = None
        self._choices: OrderedDict[str, Choice] = OrderedDict()
        self._lock = Lock()

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
        shown, mask, excluded = self._held or (image, hole, exclude)
        lines = None if guide is None else guide[: len(shown)]
        choice = self._choice(shown, mask, excluded, lines, settings, monitor and monitor.part(0, 0.8))
        painted = torch.cat([image, choice.edges(image).expand(len(image), -1, -1, -1)], 1)
        return self.plain.completion_stage(painted, hole, exclude=exclude, monitor=monitor and monitor.part(0.8, 1))

    def held(self, image: Tensor, hole: Tensor, *, exclude: Tensor | None = None) -> CheckedEdgeConnect:
        """This backend with the edges that are chosen for one picture, whatever picture it is then called with.

        Args:
            image: `[N, 3, H, W]`, as many pictures as in the calls, or one for all.
            hole, exclude: as in the calls. A guide and settings are those of the call.
        """
        fixed = copy.copy(self)
        fixed._held = image.detach(), hole, exclude
        return fixed

    def checks(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        guide: Tensor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> list[list[dict[str, Any]]]:
        """For a report: smoothing, threshold, scores, acceptance and choice of all candidates of each picture.

        What was filled lately is not judged anew.

        Args:
            image, hole, exclude, guide, settings: as for a call.
        """
        return self._choice(image, hole, exclude, guide, settings, None).reports

    def _choice(
        self,
        image: Tensor,
        hole: Tensor,
        exclude: Tensor | None,
        guide: Tensor | None,
        settings: Mapping[str, Value] | None,
        monitor: Monitor | None,
    ) -> Choice:
        """The choice for these arguments, made once."""
        key = _digest((image, hole, exclude, guide), checked(self.info, settings or {}))
        with self._lock:
            found = self._choices.get(key)
        if found is None:
            tried = self.trials(image, hole, exclude=exclude, guide=guide, settings=settings, monitor=monitor)
            found = Choice.of(tried)
            with self._lock:
                self._choices[key] = found
                while len(self._choices) > KEPT:
                    self._choices.popitem(last=False)
        return found

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
        found: list[list[Trial]] = [[] for _ in image]
        hidden = hidden_pixels(hole, exclude)
        drawn = torch.zeros_like(hole) if guide is None else guide.to(hole) * hole
        for number, factor in enumerate(SIGMAS):
            options = {**chosen, "sigma": min(5.0, sigma * factor)}
            likely = self.plain.edge_map(image, hole, exclude=exclude, guide=guide, settings=options)
            for index, threshold in enumerate(THRESHOLDS):
                if monitor:
                    monitor.report("checking edges", (number + index / len(THRESHOLDS)) / len(SIGMAS))
                edges = torch.maximum(tidied(likely, hidden, threshold), drawn)
                fills = self.plain.completion_stage(torch.cat([image, edges], 1), hole, exclude=exclude)
                scores = self._scores(image * (1 - hidden) + fills * hidden, edges, hole)
                for item, (of_edges, of_picture) in enumerate(zip(*scores, strict=True)):
                    passed = min(of_edges, of_picture) >= least
                    maps = edges[item : item + 1], fills[item : item + 1]
                    found[item].append(Trial(options["sigma"], threshold, *maps, of_edges, of_picture, passed))
        return found

    def _scores(self, picture: Tensor, edges: Tensor, hole: Tensor) -> tuple[list[float], list[float]]:
        """What the discriminators say of each composite: of its edges, and of itself."""
        picture, edges, hole = (x.to(self.device) for x in (picture, edges, hole))
        shown = torch.cat([grey(picture), edges], 1), picture
        of_edges, of_pictures = (in_hole(judge(seen)[0], hole) for judge, seen in zip(self.judges, shown, strict=True))
        return of_edges.tolist(), of_pictures.tolist()


def _digest(tensors: Sequence[Tensor | None], settings: Mapping[str, Value]) -> str:
    """What tells the arguments of calls apart."""
    summed = hashlib.sha256(repr(sorted(settings.items())).encode())
    for tensor in tensors:
        summed.update(repr(None if tensor is None else (tensor.shape, tensor.dtype)).encode())
        if tensor is not None:
            summed.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return summed.hexdigest()


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
    return checked_from_state_dicts(info, [own_weights(name) for name in info.weights], device)


def checked_from_state_dicts(
    info: BackendInfo, states: Sequence[Mapping[str, Tensor]], device: str
) -> CheckedEdgeConnect:
    """EdgeConnect with given weights: edge generator, completion network, discriminators of edges and of pictures.

    Raises:
        WeightsError: these are not the weights of these networks.
    """
    judging = zip(info.networks[2:], states[2:], info.weights[2:], CHANNELS, strict=True)
    judges = [_judge(*one) for one in judging]
    return CheckedEdgeConnect(info, from_state_dicts(_plain(info), states[:2], device), judges)


def _judge(builder: str, state: Mapping[str, Tensor], name: str, channels: int) -> nn.Module:
    """A discriminator of what has so many channels."""
    judge = fitted(builder, with_right_vectors(state), name)
    found = next(judge.parameters()).shape[1]
    if found != channels:
        raise WeightsError(
            f"The weights for {name} judge {found} channels, expected {channels}: give edges and pictures their own."
        )
    return judge


def _plain(info: BackendInfo) -> BackendInfo:
    """What EdgeConnect alone is told of itself."""
    settings = tuple(setting for setting in info.settings if setting.name != "least")
    return replace(info, weights=info.weights[:2], networks=info.networks[:2], settings=settings)

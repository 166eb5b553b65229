"""Whether an explanation is true to the model: take away what it names first, and see how fast the fill is lost.

Deletion and insertion curves (Petsiuk et al. 2018), with the blurred baseline of the path in place of grey: a picture
without a pixel is the picture with that pixel blurred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .baseline import find_baseline
from .batching import Batch, batch_size
from .evaluator import Evaluator, Model
from .guard import careful

POINTS = 12
"""Points of a curve, both ends included. They lie close together at the start, where a good order does its work."""


@dataclass(frozen=True)
class Curve:
    """How much of the fill is there, against the share of the known pixels that are taken away or put back.

    Attributes:
        share: `[K]`, 0 to 1, rising.
        likeness: `[K]`, 1 = the fill of the picture, 0 = as far from it as the fill of the blurred picture.
    """

    share: np.ndarray
    likeness: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve; small is good for a deletion curve, large for an insertion curve."""
        return float(np.trapezoid(self.likeness, self.share))


@dataclass(frozen=True)
class Faithfulness:
    """Both curves of one order of pixels."""

    deletion: Curve
    insertion: Curve


def faithfulness(
    model: Model,
    image: Tensor,
    hole: Tensor,
    target: np.ndarray,
    maps: Mapping[str, np.ndarray],
    *,
    points: int = POINTS,
    threshold_percent: float = 10.0,
    batch: Batch = "auto",
    seed: int = 0,
    monitor: Monitor | None = None,
) -> dict[str, Faithfulness]:
    """Deletion and insertion curves for several maps of the same fill.

    Args:
        model: as for `explain`.
        image: float32 `[1, 3, H, W]` in [0, 1].
        hole: `[1, 1, H, W]` in {0, 1}.
        target: bool `[H, W]`, where fills are compared.
        maps: `[H, W]` each, larger = earlier; see `controls` for orders to compare with.
        points: of each curve, at least 3.
        threshold_percent: degree of blurriness of the baseline.
        batch: pictures per call of the model.
        seed: for models that draw random numbers.
        monitor: progress and cancelling.

    Raises:
        InputError: blurring the picture does not change the fill, so nothing could be lost.
    """
    monitor = monitor or Monitor()
    known = (hole < 0.5).float()
    shares = np.linspace(0, 1, points) ** 2
    found = {}
    with careful(model, image.device):
        visible = image * known
        blurred = find_baseline(visible, known, threshold_percent).image
        ends = Evaluator(model, 1 - known, _no_objective, batch=batch_size(batch, image), seed=seed)
        whole, lost = ends.fills(torch.cat([visible, blurred]), torch.zeros_like(known).expand(2, -1, -1, -1)).split(1)
        distance = _distance(lost, whole, target)[0]
        if distance <= 0:
            raise InputError("Blurring the picture does not change this fill, so there is nothing to lose from it.")
        for index, (name, values) in enumerate(maps.items()):
            part = monitor.part(index / len(maps), (index + 1) / len(maps))
            order = _steps(np.where(known[0, 0].cpu().numpy() > 0, values, -np.inf), shares)
            curves = []
            for first, second in ((blurred, visible), (visible, blurred)):
                ask = Evaluator(model, 1 - known, _no_objective, batch=ends.batch, seed=seed, monitor=part)
                images = [torch.where(torch.from_numpy(taken).to(image.device), first, second) for taken in order]
                fills = ask.fills(torch.cat(images), torch.zeros_like(known).expand(points, -1, -1, -1))
                curves.append(Curve(shares, 1 - _distance(fills, whole, target) / distance))
            found[name] = Faithfulness(*curves)
    return found


def controls(hole: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Orders that no explanation is needed for: the pixels nearest to the hole `[H, W]` first, and by lot."""
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return {"nearest first": -np.asarray(distance), "by lot": np.random.default_rng(seed).random(hole.shape)}


def _no_objective(output: Tensor) -> Tensor:
    return output.new_zeros(len(output))


def _steps(values: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    """Which pixels come first at each share of the known ones; those of value -inf never do. Bool `[H, W]` each."""
    flat = values.ravel()
    order = np.argsort(-flat, kind="stable")
    count = int(np.isfinite(flat).sum())
    masks = []
    for share in shares:
        mask = np.zeros(flat.size, bool)
        mask[order[: round(float(share) * count)]] = True
        masks.append(mask.reshape(values.shape))
    return masks


def _distance(fills: Tensor, whole: Tensor, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference to the fill of the whole picture, over the target, for each fill."""
    inside = torch.from_numpy(target).to(fills.device)
    return (fills - whole)[:, :, inside].double().abs().mean((1, 2)).cpu().numpy()

"""How far the fills as a whole are from the originals as a whole: FID and KID, through torchmetrics.

Both compare features of the Inception network, whose weights come with none of the packages: give the file
`weights-inception-2015-12-05-6726825d.pth` of torch-fidelity's release 0.2.0, or the same as safetensors.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..backends.registry import own_random_state
from ..imaging.errors import InputError, MissingError, WeightsError
from ..weights_registry.formats import load_state_dict

FEATURES = 2048
KID_SUBSET = 1000
KID_SUBSETS = 100
LEAST_PICTURES = 2


@dataclass(frozen=True)
class Distances:
    """Distances between two sets of pictures; 0 for the same distribution.

    Attributes:
        fid: Fréchet Inception distance (Heusel et al. 2017, equation 6). Biased upwards for few pictures.
        kid: kernel Inception distance, unbiased (Binkowski et al. 2018, section 4).
        kid_deviation: standard deviation of `kid` over random subsets; 0 where there are too few pictures for more
            than one.
        count: pictures in the smaller set.
    """

    fid: float
    kid: float
    kid_deviation: float
    count: int


class Inception:
    """The network of FID: pictures to features.

    Args:
        weights: see the module.
        device: where to compute.

    Raises:
        MissingError: torch-fidelity or the file is not here.
        WeightsError: the file is of another network, or cannot be read.
    """

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        if not weights.is_file():
            raise MissingError(f"The Inception weights {weights} are not there; check the path, or leave them out.")
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: F401
            from torchmetrics.image.fid import NoTrainInceptionV3
        except ImportError as error:
            raise MissingError("FID and KID need a package: pip install 'inpaint-lens[metrics]'") from error
        state = load_state_dict(weights)
        # torch-fidelity unpickles whatever the file holds; it gets one that holds nothing but the tensors read above.
        with tempfile.TemporaryDirectory() as folder, own_random_state():
            tensors = Path(folder, "inception.pth")
            torch.save(state, tensors)
            try:
                self._network = NoTrainInceptionV3("inception-v3-compat", [str(FEATURES)], str(tensors))
            except RuntimeError as error:
                raise WeightsError(
                    f"{weights} does not hold the Inception network of torch-fidelity: take the file "
                    "weights-inception-2015-12-05-6726825d.pth."
                ) from error
        self._device = device
        self._network.to(device)

    def features(self, pictures: Iterable[NDArray[np.uint8]]) -> Tensor:
        """Features of uint8 RGB pictures `[H, W, 3]`: float64 `[N, 2048]`, on the CPU."""
        rows = []
        with torch.no_grad():
            for picture in pictures:
                image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(self._device)
                rows.append(self._network(image)[0].double().cpu())
        return torch.stack(rows) if rows else torch.empty(0, FEATURES, dtype=torch.float64)


def distances(fills: Tensor, originals: Tensor, seed: int = 0) -> Distances:
    """FID and KID between two sets of features.

    Args:
        fills: `[N, D]` float64.
        originals: `[M, D]` float64.
        seed: of the random subsets of KID.

    Raises:
        InputError: fewer than two pictures in a set.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    count = min(len(fills), len(originals))
    if count < LEAST_PICTURES:
        raise InputError(f"FID and KID need at least {LEAST_PICTURES} pictures, not {count}: give a larger --limit.")
    given = _Given(fills.shape[1])
    subsets = KID_SUBSETS if count > KID_SUBSET else 1
    with warnings.catch_warnings(), own_random_state():
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        torch.manual_seed(seed)
        fid = FrechetInceptionDistance(feature=given).set_dtype(torch.float64)
        kid = KernelInceptionDistance(feature=given, subsets=subsets, subset_size=min(count, KID_SUBSET))
        for metric in (fid, kid):
            metric.update(originals, real=True)
            metric.update(fills, real=False)
        mean, deviation = kid.compute()
        return Distances(float(fid.compute()), float(mean), float(deviation), count)


class _Given(nn.Module):
    """In place of the network: torchmetrics gets the features, so that each picture is looked at once."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.num_features = length

    def forward(self, features: Tensor) -> Tensor:
        return features

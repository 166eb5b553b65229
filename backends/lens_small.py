"""The embedded backend `lens-small`: weights inside the package, nothing to download."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..imaging.errors import WeightsError
from ..weights_registry.formats import load_state_dict
from ..weights_registry.stand_in import standing
from .architectures import fitted
from .nets.lens_small import LensSmall
from .network import NetworkBackend
from .protocol import BackendInfo

BUILDER = "inpaint_lens.backends.nets.lens_small:generator"
WEIGHTS = Path(__file__).parent / "weights" / "lens_small.safetensors"


def load(info: BackendInfo, device: str) -> NetworkBackend:
    """`lens-small` with the weights of the package.

    Raises:
        WeightsError: the file is missing or does not fit, which means that the installation is damaged.
    """
    own = standing().get(info.name)
    if own is not None:
        return NetworkBackend(info, fitted(BUILDER, load_state_dict(own), info.name), device)
    network = LensSmall()
    try:
        state = {key: value.float() for key, value in load_file(WEIGHTS).items()}
        lacking, surplus = network.load_state_dict(state, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError("The weights of lens-small are damaged: install inpaint-lens again.") from error
    if surplus or any(not key.endswith("num_batches_tracked") for key in lacking):
        raise WeightsError("The weights of lens-small are of another version: install inpaint-lens again.")
    return NetworkBackend(info, network, device)

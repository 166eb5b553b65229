"""MAT: Li et al., MAT: Mask-Aware Transformer for Large Hole Image Inpainting (CVPR 2022).

The layers are those of the package spandrel_extra_arches, whose licence for MAT is non-commercial. Here is what its own
loader lacks: the fixed noise of the published weights, and a result that does not change from call to call.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ...imaging.errors import MissingError

RESOLUTION, LATENT = 512, 512


class WithoutDropout(TorchFunctionMode):
    """Inside this context, in this thread only, dropout gives back what it is given.

    MAT draws a random mask in its style manipulation module (the paper's section 3.4) with dropout that evaluation
    does not turn off. Without it the mask has its mean, 0.5, everywhere.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return args[0] if func is F.dropout else func(*args, **(kwargs or {}))


def generator(shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """The generator of MAT; 61.6 million parameters.

    It is called with the picture `[N, 3, R, R]` in [-1, 1], the mask `[N, 1, R, R]`, 1 = known, 0 = hole, the latent
    vectors `[N, 512]`, labels `[N, 0]` and `noise_mode`, and returns `[N, 3, R, R]`, about [-1, 1], the known pixels of
    the picture already pasted in.

    Args:
        shapes: by key; the resolution and whether there is noise are read from the keys. Empty = the published
            network: 512 x 512 with noise. Its re-exports have none.

    Raises:
        MissingError: spandrel_extra_arches is not installed.
    """
    network = _library()
    sides = [re.match(r"synthesis\.enc\.EncConv_Block_(\d+)x", key) for key in shapes]
    resolution = max(int(side[1]) for side in sides if side) if shapes else RESOLUTION
    noise = not shapes or any(key.endswith("noise_strength") for key in shapes)
    with torch.device("cpu"):  # the package reads values of tensors while it builds the network
        made = network(LATENT, 0, LATENT, resolution, 3, synthesis_kwargs={"use_noise": noise})
    # The package lays some weights out by channels; with a plain layout the mask is drawn in the published order.
    return made.to(memory_format=torch.contiguous_format).to(torch.get_default_device())


def _library() -> Callable[..., nn.Module]:
    """The network's class in spandrel_extra_arches."""
    try:
        with warnings.catch_warnings():
            # The package compiles another network when it is imported, and torch advises against the way it does.
            warnings.simplefilter("ignore", FutureWarning)
            # Public is only a MAT of 512 x 512 without noise that draws its latent vector when it is made.
            from spandrel_extra_arches.architectures.MAT.__arch.MAT import Generator
    except ImportError as error:
        raise MissingError("MAT needs a package: pip install 'inpaint-lens[mat]'") from error
    return Generator

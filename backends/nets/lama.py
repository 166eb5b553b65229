"""LaMa: Suvorov et al., Resolution-robust Large Mask Inpainting with Fourier Convolutions (WACV 2022).

The layers are spandrel's; here is what its own loader lacks: any number of blocks, widths and halvings, and the raw
output instead of the picture with the fill pasted in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import nn

from ...imaging.errors import MissingError

DOWNSAMPLING, BLOCKS = 3, 18


def generator(shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """The generator (fast Fourier convolutions in residual blocks, the paper's section 2.1) that the shapes show.

    It is called with the picture `[N, 3, H, W]` in [0, 1], black inside the hole, and the mask `[N, 1, H, W]`, 1 =
    hole, and returns `[N, 3, H, W]` in [0, 1]. H and W are multiples of 8 (of 2 to the number of halvings).

    Args:
        shapes: by key; empty = Big LaMa, which has 18 blocks.

    Raises:
        MissingError: spandrel is not installed.
    """
    try:
        # Public is only a LaMa of fixed depth that pastes its fill into the picture.
        from spandrel.architectures.LaMa.__arch.LaMa import FFCResNetGenerator
    except ImportError as error:
        raise MissingError("LaMa needs a package: pip install 'inpaint-lens[lama]'") from error
    if not shapes:
        return FFCResNetGenerator(4, 3, n_downsampling=DOWNSAMPLING, n_blocks=BLOCKS)
    first = shapes["model.1.ffc.convl2l.weight"]
    downsampling = sum(bool(re.fullmatch(r"model\.\d+\.ffc\.convl2l\.weight", key)) for key in shapes) - 1
    indices = [int(key.split(".")[1]) for key in shapes if re.match(r"model\.\d+\.conv1\.", key)]
    # The blocks come after the padding, the first convolution and the halvings.
    blocks = max(indices) - downsampling - 1
    last = max(int(key.split(".")[1]) for key in shapes)
    return FFCResNetGenerator(
        first[1], shapes[f"model.{last}.weight"][0], ngf=first[0], n_downsampling=downsampling, n_blocks=blocks
    )

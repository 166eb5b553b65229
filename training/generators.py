"""Networks that fill holes, by name, as training makes them: fresh, from an image and a hole to an image in [0, 1]."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from ..backends.network import Convention
from ..imaging.errors import InputError, WeightsError

PLAIN = Convention()


@dataclass(frozen=True)
class GeneratorKind:
    """How a network is made and called.

    Attributes:
        where: `module:class`; the arguments of the class are the settings of the network.
        multiple_of: sides of pictures must be multiples of this many pixels.
        convention: how it wants its input and gives its output.
    """

    where: str
    multiple_of: int = 1
    convention: Convention = PLAIN


NETS = "inpaint_lens.backends.nets."
GENERATORS = {
    "lens-small": GeneratorKind(f"{NETS}lens_small:LensSmall", multiple_of=16),
}
"""All generators by name."""


class Inpainter(nn.Module):
    """A network behind the convention that it was published with.

    Args:
        network: what the weights are of.
        convention: its ranges, polarity and packing.
    """

    def __init__(self, network: nn.Module, convention: Convention) -> None:
        super().__init__()
        self.network = network
        self.convention = convention

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Raw output `[N, 3, H, W]`, about [0, 1]; the image, `[N, 3, H, W]` in [0, 1], is hidden in the hole."""
        return self.convention.unpack(self.network(*self.convention.pack(image, hole)))


def make_generator(name: str, settings: Mapping[str, Any], side: int) -> Inpainter:
    """A generator with fresh weights.

    Args:
        name: in `GENERATORS`.
        settings: arguments of its class.
        side: of the pictures that it will get, in pixels.

    Raises:
        InputError: no such generator or setting, a value that it refuses, or a side that does not suit it.
    """
    if name not in GENERATORS:
        near = difflib.get_close_matches(name, GENERATORS, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"take one of {', '.join(GENERATORS)}."
        raise InputError(f"[recipe.generator] name: there is no network '{name}': {hint}")
    kind = GENERATORS[name]
    if side % kind.multiple_of:
        raise InputError(f"[data] side is {side}: {name} takes multiples of {kind.multiple_of}.")
    module, _, maker = kind.where.partition(":")
    network = getattr(import_module(module), maker)
    known = inspect.signature(network).parameters
    for key in settings:
        if key not in known:
            raise InputError(f"[recipe.generator] {name} has no setting '{key}': take some of {', '.join(known)}.")
    try:
        return Inpainter(network(**settings), kind.convention)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"[recipe.generator] {name} cannot be made with these settings: {error}") from error


def load_exactly(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Set all weights of a network; counters of batches may be missing.

    Raises:
        WeightsError: keys or shapes are of another network; the sentence names the first.
    """
    own = network.state_dict()
    state = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")} | dict(state)
    lacking = [key for key in own if key not in state]
    surplus = [key for key in state if key not in own]
    wrong = [key for key in own if key in state and own[key].shape != state[key].shape]
    fault = ""
    if lacking or surplus:
        which = f"'{lacking[0]}' is missing" if lacking else f"'{surplus[0]}' is too much"
        fault = f"{len(lacking) + len(surplus)} keys differ, first: {which}"
    elif wrong:
        key = wrong[0]
        fault = f"'{key}' has the shape {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
    if fault:
        raise WeightsError(f"{name} is of another network than the configuration makes: {fault}.")
    network.load_state_dict(state)

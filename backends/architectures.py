"""Networks of ours by their keys: build the one that a state dict is of, or say what else it looks like.

A builder is a function of a module in `nets/`: called with the shapes of a state dict, `{key: shape}`, it returns the
network with the hyper-parameters that follow from them; called with an empty mapping it returns the published network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from ..imaging.errors import InputError, MissingError, WeightsError
from ..weights_registry.formats import load_state_dict, load_weights
from .registry import backends, info

Shapes = Mapping[str, tuple[int, ...]]
Builder = Callable[[Shapes], nn.Module]

NETS = "inpaint_lens.backends.nets."
DISCRIMINATORS: tuple[tuple[str, str], ...] = (
    ("the global critic of DeepFill v1", f"{NETS}deepfill_v1:global_critic"),
    ("the local critic of DeepFill v1", f"{NETS}deepfill_v1:local_critic"),
    ("the discriminator of DeepFill v2", f"{NETS}deepfill_v2_discriminators:deepfill_v2_discriminator"),
    (
        "the simplified discriminator of DeepFill v2",
        f"{NETS}deepfill_v2_discriminators:deepfill_v2_zhaoyuzhi_discriminator",
    ),
    ("the discriminator of Context Encoder", f"{NETS}context_encoder:context_encoder_discriminator"),
    ("the discriminator of GLCIC for faces", f"{NETS}glcic:glcic_discriminator_celeba"),
    ("the discriminator of GLCIC for Places2", f"{NETS}glcic:glcic_discriminator_places2"),
    ("the discriminator of LaMa", f"{NETS}lama_discriminator:discriminator"),
    ("the discriminator of AOT-GAN", f"{NETS}aot_gan:discriminator"),
    ("the discriminator of edges of EdgeConnect", f"{NETS}edgeconnect:edge_discriminator"),
    ("the discriminator of pictures of EdgeConnect", f"{NETS}edgeconnect:rgb_discriminator"),
    ("the discriminator of Pluralistic image completion", f"{NETS}picnet_discriminator:discriminator"),
)
"""Title and builder of networks that training needs and that fill nothing, so that their weights are recognised."""
EMBEDDED: tuple[tuple[str, str, str], ...] = (("lens-small", "LensSmall", f"{NETS}lens_small:generator"),)
"""Backend, title and builder of networks whose weights are part of the package and can be replaced by a file."""

LEAST_SHARE = 0.3
"""Weights look like those of a network if they share this much of all their keys."""


@dataclass(frozen=True)
class Architecture:
    """A network that weights can belong to.

    Attributes:
        title: what people call it.
        builder: `module:function`, see above.
        backend: the backend that uses it; empty for a discriminator.
        weights: the catalog entry whose place it can take; empty for a discriminator.
    """

    title: str
    builder: str
    backend: str = ""
    weights: str = ""

    def build(self, shapes: Shapes) -> nn.Module:
        """The network, its weights not yet set."""
        return find_builder(self.builder)(shapes)


def find_builder(where: str) -> Builder:
    """The function that `module:function` names."""
    module, _, function = where.partition(":")
    return getattr(import_module(module), function)


def architectures() -> Iterator[Architecture]:
    """All known networks: the discriminators, then those of the backends, other packages' included.

    A discriminator that a backend uses comes twice, first as one that fills nothing: alone it tells no backend.
    """
    for title, builder in DISCRIMINATORS:
        yield Architecture(title, builder)
    for backend in backends().values():
        for builder, weights in zip(backend.networks, backend.weights, strict=False):
            title = backend.title if len(backend.weights) == 1 else f"{backend.title}: {weights}"
            yield Architecture(title, builder, backend.name, weights)
    for backend, title, builder in EMBEDDED:
        yield Architecture(title, builder, backend, backend)


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of a state dict by key."""
    return {key: tuple(value.shape) for key, value in state.items()}


@cache
def published_shapes(builder: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the published network; nothing is allocated."""
    with torch.device("meta"):
        return shapes_of(find_builder(builder)({}).state_dict())


def identify(state: Mapping[str, Tensor], backend: str | None = None) -> Architecture | None:
    """The architecture whose keys are most like those of `state`; None if none is near.

    Args:
        state: parameters by key.
        backend: look at the networks of this backend only.
    """
    best, share = None, LEAST_SHARE
    keys = set(state)
    for architecture in architectures():
        if backend is not None and architecture.backend != backend:
            continue
        try:
            known = published_shapes(architecture.builder)
        except MissingError:  # a network of an optional package that is not installed
            continue
        both = keys & set(known)
        # Of networks with the same keys the one with more equal sides of tensors is nearer, whatever its width.
        same = sum(_equal_sides(tuple(state[key].shape), known[key]) for key in both) / max(1, len(both))
        found = len(both) / len(keys | set(known)) * (0.9 + 0.1 * same)
        if found > share:
            best, share = architecture, found
    return best


def _equal_sides(shape: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Share of the sides of two tensors that are equal."""
    return sum(map(int.__eq__, shape, other)) / max(1, len(shape), len(other))


def fitted(builder: str, state: Mapping[str, Tensor], name: str) -> nn.Module:
    """The network of `builder` with the weights `state`, in evaluation mode, float32, on the CPU.

    Args:
        builder: `module:function`.
        state: parameters by key, exactly those of the network.
        name: of the weights, for messages.

    Raises:
        WeightsError: keys or shapes are of another network; the message names the likely one.
    """
    from .registry import own_random_state

    try:
        with own_random_state():
            network = find_builder(builder)(shapes_of(state))
    except (KeyError, IndexError, ValueError, ZeroDivisionError, TypeError, RuntimeError):
        # Shapes of another network give hyper-parameters that make no sense.
        raise WeightsError(_misfit(state, published_shapes(builder), name)) from None
    own = network.state_dict()
    # Torch before 0.4.1 saved no such counters, and evaluation needs none.
    state = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")} | dict(state)
    if set(own) != set(state) or any(own[key].shape != value.shape for key, value in state.items()):
        raise WeightsError(_misfit(state, shapes_of(own), name))
    network.load_state_dict(state)
    return network.float().eval()


def own_weights(name: str) -> dict[str, Tensor]:
    """Parameters of a catalog entry as `load_weights`; of a file with several networks of a backend, its own.

    Such a file holds each network under the name of its entry, with a dot between.
    """
    return part_of(load_weights(name), name)


def part_of(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """What lies under the name of a catalog entry; everything where nothing does."""
    inside = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
    return inside or dict(state)


def _misfit(state: Mapping[str, Tensor], wanted: Shapes, name: str) -> str:
    """What is wrong with weights, and whose they may be."""
    lacking = [key for key in wanted if key not in state]
    surplus = [key for key in state if key not in wanted]
    wrong = [key for key in wanted if key in state and tuple(state[key].shape) != wanted[key]]
    if lacking:
        fault = f"{len(lacking)} of {len(wanted)} keys are missing, first '{lacking[0]}'"
    elif surplus:
        fault = f"{len(surplus)} keys too many, first '{surplus[0]}'"
    elif wrong:
        key = wrong[0]
        fault = f"'{key}' has the shape {tuple(state[key].shape)}, expected {tuple(wanted[key])}"
    else:
        fault = "their shapes fit no such network"
    likely = identify(state)
    return f"The weights for {name} do not fit: {fault}. {_advice(likely, name)}"


def _advice(likely: Architecture | None, name: str) -> str:
    if likely is None or (likely.backend and likely.weights == name):
        return "Give the file that belongs to it."
    if not likely.backend:
        users = [backend.name for backend in backends().values() if likely.builder in backend.networks]
        more = f", or the files of all networks of --backend {users[0]}" if users else ""
        judging = f"These look like weights of {likely.title}, which judges fills and makes none"
        return f"{judging}: give the generator's{more}."
    return f"These look like weights of {likely.title}: take --backend {likely.backend}."


def resolve(paths: Sequence[str | Path], backend: str | None = None) -> tuple[str, dict[str, str]]:
    """Which backend weights files are for, and which catalog entry each of them stands in for.

    Args:
        paths: safetensors files or files of tensors saved by torch, of one backend; see `own_weights` for files that
            hold several networks.
        backend: the backend if it is known; files of other formats need it.

    Raises:
        InputError: the files belong to several backends, or to none that is known.
        WeightsError: a file cannot be read, or belongs to another backend.
    """
    files: dict[str, str] = {}
    for path in paths:
        backend, entries = _places(Path(path), backend)
        for entry in entries:
            if entry in files:
                raise InputError(f"{path} and {files[entry]} are both weights of '{entry}': give one of them.")
            files[entry] = str(path)
    if backend is None:
        raise InputError("No weights file is named: give one.")
    return backend, files


def _places(path: Path, backend: str | None) -> tuple[str, tuple[str, ...]]:
    """Backend of one file, and the catalog entries whose place it takes: one for each network in it."""
    if backend is not None and not any(one.backend == backend for one in architectures()):
        if len(info(backend).weights) != 1:
            raise InputError(f"{backend} takes no weights file: leave --weights away, or --backend.")
        return backend, info(backend).weights
    if not path.is_file():
        raise InputError(f"There is no file {path}: check --weights.")
    if path.suffix.lower() == ".onnx":
        raise InputError(f"{path.name} is an ONNX graph, which does not say what it is: name it with --backend.")
    state = load_state_dict(path)
    names = {key.partition(".")[0] for key in state}
    for one in backends().values():
        if len(names) > 1 and names <= set(one.weights) and backend in (None, one.name):
            return one.name, tuple(sorted(names))
    found = identify(state, backend)
    if found is not None and found.backend:
        return found.backend, (found.weights,)
    likely = identify(state)
    if likely is None:
        names = ", ".join(dict.fromkeys(one.backend for one in architectures() if one.backend))
        raise WeightsError(f"{path.name} has the keys of no network that is known here ({names}): check the file.")
    raise WeightsError(f"{path.name} does not fit{f' {backend}' if backend else ''}. {_advice(likely, '')}")

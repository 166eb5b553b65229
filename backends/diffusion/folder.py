"""A folder of a diffusers pipeline: what it is and how large, looked at before anything of it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ...imaging.errors import WeightsError
from ...weights_registry.formats import kind_of

LIBRARIES = ("diffusers", "transformers", "stable_diffusion")
"""Where the classes of a folder's parts may come from; anything else would be code of the folder's own."""
HALF_VARIANT = "fp16"


@dataclass(frozen=True)
class Part:
    """A network of a pipeline.

    Attributes:
        name: of its folder: `unet`, `vae`, `text_encoder`.
        values: how many numbers its weights are.
        largest: how many numbers the largest of its tensors holds.
    """

    name: str
    values: int
    largest: int


@dataclass(frozen=True)
class ModelFolder:
    """A folder of a pipeline that can be loaded.

    Attributes:
        path: where it is.
        kind: the class of pipeline that it names.
        variant: `fp16` where some weights are there in half precision only, else empty.
        parts: its networks.
    """

    path: Path
    kind: str
    variant: str
    parts: tuple[Part, ...]


def open_folder(path: Path, kinds: tuple[str, ...], name: str) -> ModelFolder:
    """What the folder of the backend `name` holds; reads JSON and the headers of safetensors files only.

    Raises:
        WeightsError: it is no folder of a pipeline, is of another kind than `kinds`, is incomplete or damaged, has
            no safetensors, or wants code of its own to be run.
    """
    index = read_index(path, name)
    kind = index.get("_class_name")
    if kind not in kinds:
        raise WeightsError(
            f"{path} holds a {kind} and {name} needs a {' or a '.join(kinds)}: give the folder of such a model."
        )
    named = dict(_components(index, path))
    networks = [part for part in named if (path / part / "config.json").is_file()]
    for part in named:
        if not (path / part).is_dir():
            raise WeightsError(f"{path} lacks the part '{part}' that its model_index.json names: fetch it again.")
    found = {part: sorted(path.joinpath(part).glob("*.safetensors")) for part in networks}
    half_only = any(not _plain(files) and _half(files) for files in found.values())
    parts = tuple(_part(path, part, files, half_only) for part, files in found.items())
    return ModelFolder(path, str(kind), HALF_VARIANT if half_only else "", parts)


def read_index(path: Path, name: str) -> dict[str, Any]:
    """The `model_index.json` of a pipeline's folder; raises `WeightsError` where there is none that can be read."""
    file = path / "model_index.json"
    if not file.is_file():
        raise WeightsError(
            f"{path} is no folder of a diffusers pipeline (it has no model_index.json): give the one that "
            f"save_pretrained wrote, or run `inpaint-lens download {name}`."
        )
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read ({error}): fetch the model again.") from error
    if not isinstance(index, dict):
        raise WeightsError(f"{file} is no description of a pipeline: fetch the model again.")
    return index


def _components(index: dict[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    """Name and class of the parts that are not left out."""
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or len(value) != 2 or None in value:
            continue
        library, kind = map(str, value)
        own_code = (path / name / f"{library}.py").exists() or library not in LIBRARIES
        # Transformers' Auto classes may ask whether to run code that the folder brings along.
        guessing = library == "transformers" and kind.startswith("Auto")
        if own_code or guessing or not name.isidentifier():
            raise WeightsError(
                f"{path} wants {library}.{kind} for its part '{name}', which may run code of its own, so it is "
                "refused: give a model of classes of diffusers and transformers."
            )
        yield name, kind


def _plain(files: list[Path]) -> list[Path]:
    return [file for file in files if file.name.count(".") == 1]


def _half(files: list[Path]) -> list[Path]:
    return [file for file in files if file.name.count(".") > 1 and file.name.split(".")[1].startswith(HALF_VARIANT)]


def _part(path: Path, name: str, files: list[Path], half_only: bool) -> Part:
    taken = (_half(files) if half_only else []) or _plain(files)
    if not taken:
        raise WeightsError(
            f"{path / name} has no weights as safetensors, and others are not loaded since they may run code: give "
            "the model as safetensors."
        )
    sizes = [size for file in taken for size in _tensor_sizes(file)]
    return Part(name, sum(sizes), max(sizes, default=0))


def _tensor_sizes(file: Path) -> list[int]:
    """How many numbers each tensor of a safetensors file holds, from its header."""
    try:
        if kind_of(file) != "safetensors":
            raise ValueError("it begins as no safetensors file does")
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        return [prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} is damaged ({error}): delete it and fetch the model again.") from error

"""What kind of file weights are, and how each kind is loaded without running code that it may carry.

Pickle runs code when it is read, so it is refused, but for torch's own files of tensors, which
`torch.load(weights_only=True)` reads with an unpickler that knows nothing but tensors; `convert` makes safetensors of
the others. TorchScript is a program by design and is loaded only when its checksum is pinned in the catalog.
"""

from __future__ import annotations

import pickle
import shlex
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..imaging.errors import InputError, MissingError, WeightsError
from .settings import HubSettings

if TYPE_CHECKING:
    from torch import Tensor
    from torch.jit import ScriptModule

LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".p")
TENSOR_FORMATS = ("safetensors", "pytorch")
"""Formats that hold tensors and nothing to run, each of which can take the place of the other."""


def kind_of(path: Path) -> str:
    """What a file is by its content: a format of the catalog, `pickle`, or `unknown`; raises `OSError`."""
    with path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith(LEGACY_TORCH):
        return "pytorch"
    # First, since the length of a header may begin like a pickle.
    if len(head) > 9 and int.from_bytes(head[:8], "little") < 1 << 27 and head[8:9] == b"{":
        return "safetensors"
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= pickle.HIGHEST_PROTOCOL:
        return "pickle"
    # An ONNX file is a protobuf that begins with its version, field 1, a small number.
    return "onnx" if len(head) > 2 and head[0] == 0x08 and head[1] < 0x40 else "unknown"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "unknown"
    if any(name.endswith("/constants.pkl") for name in names):
        return "torchscript"
    return "pytorch" if any(name.endswith("/data.pkl") for name in names) else "unknown"


def check_file(path: Path, *expected: str) -> None:
    """Raise `WeightsError` where a file is a pickle, or is plainly of none of the formats `expected`."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise WeightsError(_refusal(path))
    try:
        kind = kind_of(path)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror or error}): check that it is a file of yours."
        ) from error
    if kind == "pickle":
        raise WeightsError(_refusal(path))
    if kind not in (*expected, "unknown") and "diffusers" not in expected:
        raise WeightsError(
            f"{path} holds {kind} where {' or '.join(expected)} is expected: give a file of that format."
        )


def _refusal(path: Path) -> str:
    return (
        f"{path} is a pickle, which can run any code when it is opened, so it is refused: "
        f"take the weights out of it with {_conversion(path)}, which runs nothing."
    )


def _conversion(path: Path) -> str:
    """The command that makes safetensors of a file."""
    return f"`inpaint-lens convert {shlex.quote(str(path))} -o {shlex.quote(str(path.with_suffix('.safetensors')))}`"


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Parameters by name, on the CPU, from safetensors or a file of tensors saved by torch.

    What trainers put around the parameters is taken off; of several networks the one that fills holes is taken (see
    `networks`).

    Args:
        path: a `.safetensors` file or a torch file (`.pt`, `.pth`, `.bin`, `.ckpt`).

    Raises:
        WeightsError: the file is damaged, a pickle of other objects, TorchScript, holds no tensors, or does not show
            which of its networks fills holes.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}: check the path.")
    kind = kind_of(path)
    if kind == "pickle" or path.suffix.lower() in PICKLE_SUFFIXES:
        raise WeightsError(_refusal(path))
    if kind == "torchscript":
        raise WeightsError(
            f"{path} is a TorchScript program: load it by its catalog name, or take the weights out of it with "
            f"{_conversion(path)}."
        )
    from torch import Tensor

    from .networks import chosen, networks

    tensors = kind == "safetensors" or path.suffix.lower() == ".safetensors"
    value = load_safetensors(path) if tensors else _load_torch(path)
    return chosen(networks(value, Tensor), path)[1]


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, as they are there; raises `WeightsError` where it is damaged."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingError(
            "Reading safetensors needs the package safetensors: run `pip install safetensors`."
        ) from error
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged ({error}): delete it and download it again.") from error


def source_of(path: Path) -> str:
    """SHA-256 of the file that `convert` says it made a safetensors file of; empty for any other file."""
    if kind_of(path) != "safetensors":
        return ""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as tensors:
            return (tensors.metadata() or {}).get("source_sha256", "")
    except (SafetensorError, OSError):
        return ""


def _load_torch(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds other pickled objects than tensors, which could run code, so it is refused: "
            f"take the weights out of it with {_conversion(path)}, which runs nothing."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{path} is no file of tensors, or is damaged ({reason}): download it again.") from error


def load_torchscript(name: str, *, device: str = "cpu", settings: HubSettings | None = None) -> ScriptModule:
    """The TorchScript program of a catalog entry, in evaluation mode.

    Args:
        name: a catalog entry of format `torchscript`; its sha256 is checked before anything is run.
        device: where to put it.

    Raises:
        InputError: there is no such entry, or it is of another format.
        MissingError: it was not downloaded.
        WeightsError: the file is not the one that the catalog pins, or cannot be loaded.
    """
    import torch

    from .catalog import entry as catalog_entry
    from .checksum import digest
    from .fetch import require

    settings = settings or HubSettings.from_environment()
    entry = catalog_entry(name, settings)
    if entry.format != "torchscript":
        raise InputError(f"'{name}' is {entry.format}, not TorchScript: load it with load_weights.")
    path = require(name, settings=settings)
    # What may run code is summed afresh: a remembered checksum would trust the file's time of change.
    if digest(path) != entry.files[0].sha256:
        raise WeightsError(
            f"{path} is not the file that the catalog pins: run `inpaint-lens download {name}` to repair it."
        )
    try:
        with warnings.catch_warnings():
            # torch advises another format to whoever exports; who only fills a hole can do nothing about it.
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(path, map_location=device).eval()
    except RuntimeError as error:
        raise WeightsError(f"{path} cannot be loaded as TorchScript ({str(error).partition(chr(10))[0]}).") from error


def load_weights(name: str, *, settings: HubSettings | None = None) -> dict[str, Tensor]:
    """Parameters by name, on the CPU, of a catalog entry of format safetensors, pytorch or torchscript.

    Raises:
        InputError, MissingError, WeightsError: as `load_state_dict` and `load_torchscript`.
    """
    from .catalog import entry as catalog_entry
    from .fetch import require

    settings = settings or HubSettings.from_environment()
    entry = catalog_entry(name, settings)
    if entry.format not in (*TENSOR_FORMATS, "torchscript") or entry.is_folder:
        raise InputError(f"'{name}' is {entry.format}, which is not read as a mapping of tensors.")
    path = require(name, settings=settings)
    if entry.format == "torchscript" and kind_of(path) not in TENSOR_FORMATS:
        return {key: value.detach() for key, value in load_torchscript(name, settings=settings).state_dict().items()}
    return load_state_dict(path)

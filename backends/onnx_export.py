"""Torch networks as ONNX graphs, for programs without PyTorch; each is checked against the network first."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..imaging.errors import InputError, MissingError
from ..imaging.writing import check_target, write_atomically
from .network import NetworkBackend
from .protocol import Backend

OPSET = 20
AGREEMENT = 1e-3
"""By so much the graph's output may differ from the network's, relative to the largest value of that."""


def export(backend: Backend, target: Path, side: int, *, overwrite: bool = False) -> float:
    """Write the network of a backend as an ONNX graph for pictures of one size.

    Args:
        backend: a torch network, or a backend with one (`lens-small`: the network alone, without what is copied).
        target: ends in `.onnx`. Inputs and output of the graph are the network's own, see `NetworkBackend.convention`.
        side: height and width in pixels of the pictures that the graph takes.
        overwrite: replace an existing file.

    Returns:
        The largest difference between what ONNX Runtime and torch make of the same picture, relative to the largest
        value.

    Raises:
        InputError: the backend is no torch network, it does not take that size, its layers have no counterpart in
            ONNX, or the graph fills differently.
        MissingError: a package is not installed.
    """
    target = Path(target)
    if target.suffix.lower() != ".onnx":
        raise InputError(f"'{target.name}' is to be an ONNX graph; let its name end in .onnx.")
    check_target(target, overwrite=overwrite)
    network = getattr(backend, "network", backend)
    if not isinstance(network, NetworkBackend):
        raise InputError(f"{backend.info.name} is no torch network, so it has no graph; take lens-small or lama.")
    rule = backend.info.size_rule
    if rule.fit(side, side) != (side, side):
        raise InputError(f"{backend.info.name} takes no {side} x {side} pixels; try --side {rule.fit(side, side)[0]}.")
    inputs = _inputs(network, side)
    graph = _graph(network, inputs)
    apart = _difference(graph, network, inputs)
    if not apart <= AGREEMENT:
        raise InputError(f"The graph of {backend.info.name} fills differently (by {apart:.2g}), so it was not written.")
    write_atomically(target, lambda path: path.write_bytes(graph), overwrite=overwrite)
    return apart


def _inputs(network: NetworkBackend, side: int) -> tuple[Tensor, ...]:
    """What the network is given for noise with a square hole in the middle."""
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(1, 1, side, side)
    hidden[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    return tuple(one.to(network.device) for one in network.convention.pack(image, hidden))


def _graph(network: NetworkBackend, inputs: tuple[Tensor, ...]) -> bytes:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingError("Writing an ONNX graph needs packages: pip install 'inpaint-lens[onnx]'") from error
    names = ["image", "hole"] if len(inputs) == 2 else ["input"]
    # The exporter tells its steps on standard output and warns of its own parts.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                network.module, inputs, dynamo=True, opset_version=OPSET, input_names=names, output_names=["fill"]
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise InputError(f"{network.info.name} has layers that ONNX has not: {error}".splitlines()[0]) from error
    assert program is not None
    return program.model_proto.SerializeToString()


def _difference(graph: bytes, network: NetworkBackend, inputs: tuple[Tensor, ...]) -> float:
    import onnxruntime as ort

    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feeds = {put.name: one.cpu().numpy() for put, one in zip(session.get_inputs(), inputs, strict=True)}
    made = np.asarray(session.run(None, feeds)[0])
    with torch.no_grad():
        wanted = network.module(*inputs).cpu().numpy()
    return float(np.abs(made - wanted).max() / max(1e-12, np.abs(wanted).max()))

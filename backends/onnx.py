"""ONNX graphs through ONNX Runtime: names, ranges, types and polarity as data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np
import onnxruntime as ort
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
)
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotSupported
from torch import Tensor

from ..imaging.errors import Cancelled, WeightsError
from ..imaging.monitor import Monitor
from ..weights_registry.fetch import require
from .devices import DeviceError
from .network import Convention, hidden_pixels
from .protocol import BackendInfo

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}


@dataclass(frozen=True)
class Graph:
    """What a graph calls its tensors and what it expects in them.

    Attributes:
        inputs: names of the inputs, in the order in which the convention packs them.
        output: name of the output.
        convention: ranges, polarity, packing.
        dtype: `float32` or `uint8`, of all inputs.
    """

    inputs: tuple[str, ...]
    output: str
    convention: Convention
    dtype: str = "float32"


LAMA = Graph(("image", "mask"), "output", Convention(output_range=(0.0, 255.0)))
MIGAN_PIPELINE = Graph(
    ("image", "mask"),
    "result",
    Convention(image_range=(0.0, 255.0), output_range=(0.0, 255.0), known=255.0, hole=0.0),
    dtype="uint8",
)


class OnnxBackend:
    """An ONNX graph as a backend; no gradients."""

    def __init__(self, info: BackendInfo, path: Path, graph: Graph, device: str) -> None:
        self.info, self.device, self.graph = info, device, graph
        self.session = _session(path, device)
        found = {tensor.name for tensor in self.session.get_inputs()}, {t.name for t in self.session.get_outputs()}
        if found[0] != set(graph.inputs) or graph.output not in found[1]:
            raise WeightsError(
                f"{path.name} is another graph than {info.name} needs: it has the inputs {sorted(found[0])} and the "
                f"outputs {sorted(found[1])}, expected {sorted(graph.inputs)} and '{graph.output}'."
            )

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int = 0,
        monitor: Monitor | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; pictures of a batch run one after another, since most graphs are fixed to one."""
        inputs = self.graph.convention.pack(image.detach(), hidden_pixels(hole, exclude))
        outputs = []
        for index in range(len(image)):
            if monitor:
                monitor.report("filling", index / len(image))
            feed = {n: self._array(x[index : index + 1]) for n, x in zip(self.graph.inputs, inputs, strict=True)}
            outputs.append(self._run(feed, monitor))
        output = torch.from_numpy(np.concatenate(outputs)).to(image.device).float()
        return self.graph.convention.unpack(output)

    def _array(self, tensor: Tensor) -> np.ndarray:
        array = tensor.cpu().numpy()
        return np.clip(np.rint(array), 0, 255).astype(np.uint8) if self.graph.dtype == "uint8" else array

    def _run(self, feed: dict[str, np.ndarray], monitor: Monitor | None) -> np.ndarray:
        options = ort.RunOptions()
        try:
            with _stop_when_cancelled(options, monitor):
                (output,) = self.session.run([self.graph.output], feed, options)
        except Fail as error:
            if monitor and monitor.token.cancelled:
                raise Cancelled("Stopped as asked; nothing half-written is left.") from error
            raise
        except InvalidArgument as error:
            raise WeightsError(f"The graph of {self.info.name} does not take this input: {error}") from error
        return np.asarray(output)


@contextmanager
def _stop_when_cancelled(options: ort.RunOptions, monitor: Monitor | None) -> Iterator[None]:
    """End a run from a second thread: ONNX Runtime looks at `terminate` between nodes."""
    if monitor is None:
        yield
        return
    done = Event()

    def watch() -> None:
        while not done.wait(0.1):
            if monitor.token.cancelled:
                options.terminate = True
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _session(path: Path, device: str) -> ort.InferenceSession:
    """A session on exactly that device: ONNX Runtime's own silent step back to the CPU is an error here."""
    kind, _, index = device.partition(":")
    provider = PROVIDERS[kind]
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings = {"device_id": index or "0"} if kind == "cuda" else {}
    try:
        session = ort.InferenceSession(str(path), options, providers=[(provider, settings)])
    except (InvalidProtobuf, InvalidGraph, NotSupported, Fail) as error:
        raise WeightsError(f"{path.name} is no ONNX graph that ONNX Runtime can load: fetch it again.") from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"ONNX Runtime cannot use {kind} here: install onnxruntime-gpu[cuda,cudnn] instead of onnxruntime, or take "
            "--device cpu."
        )
    return session


def usable_providers() -> list[str]:
    """Execution providers that really start on this machine, tried with a one-node graph; the listed ones may not."""
    import onnx
    from onnx import TensorProto, helper

    tensor = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", tensor[:1], tensor[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    usable = []
    for provider in ort.get_available_providers():
        if provider == "AzureExecutionProvider":  # sends pictures to a remote service; it is no device of this machine
            continue
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(onnx.ModelProto.SerializeToString(model), options, providers=[provider])
        if session.get_providers()[0] == provider:
            usable.append(provider)
    return usable


def load_lama(info: BackendInfo, device: str) -> OnnxBackend:
    """LaMa's graph: 512 x 512, image and mask in [0, 1], 1 = hole, output 0 to 255."""
    return OnnxBackend(info, require(info.weights[0]), LAMA, device)


def load_migan(info: BackendInfo, device: str) -> OnnxBackend:
    """MI-GAN's pipeline graph: any size, bytes, 255 = known, 0 = hole."""
    return OnnxBackend(info, require(info.weights[0]), MIGAN_PIPELINE, device)

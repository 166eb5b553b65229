"""ONNX graphs through ONNX Runtime: names, ranges, types and polarity as data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from torch.nn import functional as F

from ..imaging.errors import Cancelled, InputError, MissingError, WeightsError
from ..imaging.monitor import Monitor
from ..imaging.size_rule import SizeRule
from ..weights_registry.fetch import require
from .devices import DeviceError
from .network import Convention, NetworkBackend, hidden_pixels
from .protocol import Backend, BackendInfo

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
TOLERANCE = 1e-3
"""How far a copy of a graph in torch may be from ONNX Runtime, of the value range; rounding alone gives about 1e-5."""
TRIAL_SIZES = ((96, 128), (160, 96))
"""Heights and widths at which a copy is compared, as far as the backend takes any size."""


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
    """An ONNX graph as a backend; gradients only through a copy of the graph in torch."""

    def __init__(self, info: BackendInfo, path: Path, graph: Graph, device: str) -> None:
        self.info, self.device, self.graph, self.path = info, device, graph, path
        self.session = open_session(path, device)
        self._copy: NetworkBackend | None = None
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

    def with_gradients(self, monitor: Monitor | None = None) -> Backend:
        """The graph as a torch network, made at the first call and trusted only if it fills as ONNX Runtime does.

        Raises:
            MissingError: the package onnx is not installed.
            InputError: the graph cannot be copied, or the copy fills differently.
            Cancelled: the caller asked to stop.
        """
        if self._copy is None:
            copy = self._copied()
            difference = self._difference(copy, Monitor(token=monitor.token) if monitor else None)
            if not difference <= TOLERANCE:
                raise InputError(
                    f"The torch copy of {self.info.name} differs from ONNX Runtime by {difference * 255:.3g} of 255 "
                    "levels, so its gradients are not trusted: use occlusion or rise."
                )
            within = f"{difference * 255 + 0.0005:.3f} of 255 levels"  # rounded up
            told = f"a torch copy of its graph, equal to ONNX Runtime within {within}"
            copy.info = replace(self.info, differentiable=True, title=told)
            copy.module, copy.device = copy.module.to(self.device), self.device
            self._copy = copy
        return self._copy

    def _copied(self) -> NetworkBackend:
        """The copy, on the CPU, not yet checked."""
        if self.graph.dtype != "float32":
            raise self._without_gradients("it takes and gives whole bytes, and rounding to them has no gradient")
        try:
            from .onnx_torch import converted
        except ImportError as error:
            raise MissingError("Gradients of an ONNX graph need a package: pip install 'inpaint-lens[onnx]'") from error
        with self._told():
            module = converted(self.path, self.graph.inputs, self.graph.output)
        return NetworkBackend(self.info, module, "cpu", self.graph.convention)

    def _difference(self, copy: NetworkBackend, monitor: Monitor | None) -> float:
        """How far the copy is from the graph on trial pictures, of the value range; NaN if either gives no number.

        Both run on the CPU: GPUs round more coarsely, which would say nothing about the copy.
        """
        graph = self if self.device == "cpu" else OnnxBackend(self.info, self.path, self.graph, "cpu")
        largest = []
        for image, hole in _trials(self.info.size_rule):
            expected = graph(image, hole, monitor=monitor)
            with self._told(), torch.enable_grad():  # only with gradients a step that rounds the picture says so
                found = copy(image.requires_grad_(), hole, monitor=monitor)
                flows, found = found.requires_grad, found.detach()
                largest.append((found - expected).abs().max())
            if not flows:
                raise self._without_gradients("no gradient flows through it from its output to the picture")
        return torch.stack(largest).max().item()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever keeps a copy from working is told in a sentence."""
        from .onnx_torch import NotConvertible

        try:
            yield
        except NotConvertible as error:
            raise self._without_gradients(str(error)) from error
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise self._without_gradients(f"its copy in torch fails ({error})") from error

    def _without_gradients(self, reason: str) -> InputError:
        return InputError(f"{self.info.name} has no gradients, since {reason}: use occlusion or rise.")

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


def _trials(rule: SizeRule) -> Iterator[tuple[Tensor, Tensor]]:
    """Two pictures with holes, of two sizes where the rule allows it."""
    for seed, (height, width) in enumerate(TRIAL_SIZES):
        generator = torch.Generator().manual_seed(seed)
        size = rule.fit(height, width)
        noise = torch.rand(1, 3, *size, generator=generator)
        soft = F.interpolate(torch.rand(1, 3, 6, 6, generator=generator), size, mode="bilinear")
        hole = torch.zeros(1, 1, *size)
        top, left = (side * (1 + seed) // 5 for side in size)
        hole[..., top : top + size[0] // 3, left : left + size[1] // 4] = 1
        yield 0.8 * soft + 0.2 * noise, hole


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


def open_session(path: Path, device: str) -> ort.InferenceSession:
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

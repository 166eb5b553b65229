"""Copies of ONNX graphs in torch: each operator against ONNX Runtime, whole graphs against the networks behind them."""

import warnings
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inpaint_lens.attribution.explanation import explain
from inpaint_lens.backends import onnx_torch
from inpaint_lens.backends.onnx import LAMA, OnnxBackend
from inpaint_lens.backends.onnx_torch import NotConvertible, TorchGraph, converted
from inpaint_lens.backends.protocol import Convertible
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.size_rule import SizeRule
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 32


def values(*shape: int, seed: int = 0) -> np.ndarray:
    """Float32 between -1 and 1."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def one_node(operator: str, inputs: list[np.ndarray | None], attributes: dict[str, Any], opset: int) -> ModelProto:
    """A graph of one node; its first input is the graph's, all others are constants."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    count = len(attributes.get("split", [0])) if operator == "Split" else 1
    node = helper.make_node(operator, names, [f"y{i}" for i in range(count)], **attributes)
    constants = [numpy_helper.from_array(x, name) for x, name in zip(inputs, names, strict=True) if x is not None][1:]
    first = inputs[0]
    assert first is not None
    given = helper.make_tensor_value_info("x0", helper.np_dtype_to_tensor_dtype(first.dtype), first.shape)
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "graph", [given], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def check_node(operator: str, inputs: list[np.ndarray | None], attributes: dict[str, Any], opset: int = 17) -> None:
    """Both give the same, in values, shape and type."""
    model = one_node(operator, inputs, attributes, opset)
    session = ort.InferenceSession(model.SerializeToString())
    expected = session.run(None, {"x0": inputs[0]})
    for index, array in enumerate(np.asarray(one) for one in expected):
        copy = TorchGraph(model, ["x0"], f"y{index}")
        found = copy._one(torch.from_numpy(inputs[0])).numpy()
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        np.testing.assert_allclose(found, array, rtol=1e-5, atol=2e-6)


IMAGE = values(1, 4, 6, 7)
POSITIVE = np.abs(IMAGE) + np.float32(0.1)
KERNEL = values(6, 2, 3, 3, seed=1)
PLAIN = ("Abs", "Cos", "Erf", "Exp", "HardSwish", "Identity", "Neg", "Relu", "Sigmoid", "Sin", "Softplus", "Tanh")
PAIRS = ("Add", "Sub", "Mul", "Max", "Min", "Sum")
ORDERS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
CASES: list[tuple[str, list[np.ndarray | None], dict[str, Any], int]] = [
    *[(name, [IMAGE], {}, 17) for name in PLAIN],
    *[(name, [POSITIVE], {}, 17) for name in ("Log", "Reciprocal", "Sqrt")],
    *[(name, [IMAGE * 3], {}, 17) for name in ("Ceil", "Floor", "Round", "Sign")],
    *[(name, [IMAGE, values(4, 1, 1)], {}, 17) for name in PAIRS],
    *[(name, [np.rint(IMAGE * 2), np.zeros((1, 1), np.float32)], {}, 17) for name in ORDERS],
    *[(name, [IMAGE > 0, IMAGE > 0.5], {}, 17) for name in ("And", "Or")],
    ("Not", [IMAGE > 0], {}, 17),
    ("Div", [IMAGE, POSITIVE], {}, 17),
    ("Div", [ints(7, -7, 5), ints(2, 2, -3)], {}, 17),
    ("Pow", [POSITIVE, np.array(2.5, np.float32)], {}, 17),
    ("Where", [IMAGE > 0, IMAGE, -2 * IMAGE], {}, 17),
    ("Elu", [IMAGE], {"alpha": 0.7}, 17),
    ("LeakyRelu", [IMAGE], {}, 17),
    ("LeakyRelu", [IMAGE], {"alpha": 0.2}, 17),
    ("HardSigmoid", [IMAGE * 5], {"alpha": 0.3, "beta": 0.4}, 17),
    ("PRelu", [IMAGE, values(4, 1, 1)], {}, 17),
    ("Gelu", [IMAGE], {}, 20),
    ("Gelu", [IMAGE], {"approximate": "tanh"}, 20),
    ("Clip", [IMAGE, np.array(-0.3, np.float32), np.array(0.5, np.float32)], {}, 17),
    ("Clip", [IMAGE, None, np.array(0.5, np.float32)], {}, 17),
    ("Clip", [IMAGE], {}, 17),
    ("Cast", [IMAGE * 9], {"to": TensorProto.INT64}, 17),
    ("Cast", [ints(1, 2)], {"to": TensorProto.FLOAT}, 17),
    ("Softmax", [IMAGE], {}, 11),
    ("Softmax", [IMAGE], {"axis": 2}, 11),
    ("Softmax", [IMAGE], {"axis": 1}, 13),
    ("ReduceMean", [IMAGE], {"axes": [2, 3], "keepdims": 0}, 17),
    ("ReduceMean", [IMAGE, ints(-1)], {}, 18),
    ("ReduceSum", [IMAGE, ints(1)], {"keepdims": 0}, 17),
    ("ReduceSum", [IMAGE], {}, 17),
    ("ReduceSum", [IMAGE], {"noop_with_empty_axes": 1}, 17),
    ("ReduceMax", [IMAGE], {"axes": [1]}, 17),
    ("ReduceMin", [IMAGE], {"axes": [-1]}, 17),
    ("ReduceL2", [IMAGE], {"axes": [1, 2]}, 17),
    ("Conv", [IMAGE, KERNEL, values(6)], {"group": 2, "pads": [1, 1, 1, 1]}, 17),
    ("Conv", [IMAGE, KERNEL], {"group": 2, "pads": [0, 1, 2, 1], "strides": [2, 1], "dilations": [1, 2]}, 17),
    ("ConvTranspose", [IMAGE, values(4, 5, 3, 3), values(5)], {"strides": [2, 2], "output_padding": [1, 1]}, 17),
    ("ConvTranspose", [IMAGE, values(4, 3, 4, 4)], {"group": 2, "strides": [2, 2], "pads": [1, 0, 2, 1]}, 17),
    ("MaxPool", [IMAGE - 2], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}, 17),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "dilations": [2, 1]}, 17),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 0, 1, 1], "strides": [2, 2]}, 17),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 17),
    ("GlobalAveragePool", [IMAGE], {}, 17),
    ("BatchNormalization", [IMAGE, *(np.abs(values(4, seed=i)) for i in range(4))], {"epsilon": 0.01}, 15),
    ("InstanceNormalization", [IMAGE, values(4), values(4, seed=1)], {"epsilon": 0.001}, 17),
    ("LayerNormalization", [IMAGE, values(6, 7), values(6, 7, seed=1)], {"axis": -2}, 17),
    ("MatMul", [IMAGE, values(7, 3)], {}, 17),
    ("Gemm", [values(3, 4), values(5, 4), values(5)], {"transB": 1, "alpha": 0.5, "beta": 2.0}, 17),
    ("Einsum", [IMAGE, values(7, 3)], {"equation": "nchw,wk->nkch"}, 17),
    ("Concat", [IMAGE, IMAGE], {"axis": 1}, 17),
    ("Transpose", [IMAGE], {"perm": [0, 2, 3, 1]}, 17),
    ("Transpose", [IMAGE], {}, 17),
    ("Reshape", [IMAGE, ints(0, 2, 2, -1)], {}, 17),
    ("Flatten", [IMAGE], {"axis": 2}, 17),
    ("Flatten", [IMAGE], {"axis": 0}, 17),
    ("Expand", [values(4, 1), ints(3, 1, 5)], {}, 17),
    ("Tile", [IMAGE, ints(1, 2, 1, 3)], {}, 17),
    ("Squeeze", [values(1, 3, 1, 2), ints(0, -2)], {}, 17),
    ("Squeeze", [values(1, 3, 1, 2)], {"axes": [2]}, 11),
    ("Unsqueeze", [IMAGE, ints(-1, 0)], {}, 17),
    ("Unsqueeze", [IMAGE], {"axes": [1, 3]}, 11),
    ("Split", [IMAGE], {"axis": 1, "split": [1, 3]}, 11),
    ("Gather", [IMAGE, np.array([[0, -1], [2, 1]])], {"axis": 1}, 17),
    ("Gather", [ints(5, 6, 7), np.array(-1)], {}, 17),
    ("Shape", [IMAGE], {}, 17),
    ("Shape", [IMAGE], {"start": 1, "end": -1}, 17),
    ("Range", [np.array(2), np.array(9), np.array(3)], {}, 17),
    ("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(np.array([7]))}, 17),
    ("ConstantOfShape", [ints(2)], {}, 17),
    ("DepthToSpace", [values(1, 8, 2, 3)], {"blocksize": 2}, 17),
    ("DepthToSpace", [values(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}, 17),
    ("Slice", [IMAGE, ints(-1, 1), ints(-100, 5), ints(2, 3), ints(-1, 2)], {}, 17),
    ("Slice", [IMAGE, ints(0, 1), ints(1, 3)], {}, 17),
    ("Pad", [IMAGE, ints(1, 2, 0, 1), np.array(0.3, np.float32), ints(3, -2)], {}, 18),
    ("Pad", [IMAGE, ints(0, 0, 0, 2, 0, 0, 0, -1)], {}, 13),
    ("DFT", [values(1, 5, 6, 1)], {"axis": 2, "onesided": 1}, 17),
    ("DFT", [values(1, 5, 7, 1)], {}, 17),
    ("DFT", [values(1, 5, 7, 2)], {"axis": 1, "inverse": 1}, 17),
    ("DFT", [values(2, 5, 4, 2), np.array(6), np.array(-2)], {"onesided": 1, "inverse": 1}, 20),
    ("DFT", [values(2, 5, 4, 2)], {}, 20),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}-{'-'.join(case[2])}")
def test_an_operator_does_what_onnx_runtime_does(case):
    check_node(*case)


def test_every_operator_of_the_table_is_compared_with_onnx_runtime():
    assert onnx_torch.OPERATORS.keys() - {case[0] for case in CASES} == {"Constant", "Resize"}


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    target=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    way=st.sampled_from(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]),
    mode=st.sampled_from(["linear", "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
)
def test_pictures_are_resized_as_by_onnx_runtime(size, target, way, mode):
    # Where a nearest neighbour lies exactly between two pixels, rounding decides.
    assume(mode == "linear" or all(b % a == 0 or a % b == 0 for a, b in zip(size, target, strict=True)))
    kind = {"mode": "linear"} if mode == "linear" else {"mode": "nearest", "nearest_mode": mode}
    inputs = [values(1, 2, *size), None, None, ints(1, 2, *target)]
    check_node("Resize", inputs, {"coordinate_transformation_mode": way, **kind})


@pytest.mark.parametrize(("factors", "axes"), [((1, 1, 2, 1.5), None), ((0.6, 2.5), [2, 3])])
def test_pictures_are_resized_by_factors_too(factors, axes):
    attributes = {"mode": "linear", **({"axes": axes} if axes else {})}
    check_node("Resize", [IMAGE, None, np.array(factors, np.float32)], attributes, 18)


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(["constant", "reflect", "edge"]),
    pads=st.lists(st.integers(0, 5), min_size=4, max_size=4),
)
def test_pictures_are_padded_as_by_onnx_runtime(mode, pads):
    top, left, bottom, right = pads
    check_node("Pad", [IMAGE, ints(0, 0, top, left, 0, 0, bottom, right)], {"mode": mode})


class Fourier(nn.Module):
    """A convolution in the spectrum; by torch's transforms, or by matrices as graphs have them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.by_matrices = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.by_matrices:
            spectrum = torch.fft.fft2(x, norm="ortho")
            mixed = self.mix(torch.cat([spectrum.real, spectrum.imag], 1)).relu().chunk(2, 1)
            return torch.fft.ifft2(torch.complex(*mixed), norm="ortho").real
        step = torch.arange(x.shape[-1], dtype=torch.float32)
        angle = 2 * torch.pi / x.shape[-1] * step[:, None] * step
        cosine, sine = angle.cos() / x.shape[-1] ** 0.5, angle.sin() / x.shape[-1] ** 0.5
        parts = [(cosine @ x @ cosine) - (sine @ x @ sine), -(cosine @ x @ sine) - (sine @ x @ cosine)]
        real, imaginary = self.mix(torch.cat(parts, 1)).relu().chunk(2, 1)
        first, second = cosine @ real - sine @ imaginary, sine @ real + cosine @ imaginary
        return torch.einsum("nchw,kw->nchk", first, cosine) - torch.einsum("nchw,kw->nchk", second, sine)


class Filler(nn.Module):
    """What inpainting networks are made of, in small; gives 0 to 255."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.fourier = Fourier(8)
        self.inner = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose2d(8, 8, 4, 2, 1)
        self.last = nn.Conv2d(16, 3, 3, padding=1)
        self.norm.running_mean = torch.linspace(-0.3, 0.3, 8)
        self.norm.running_var = torch.linspace(0.5, 2, 8)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        x = F.pad(torch.cat([image, mask], 1), (1, 1, 1, 1), mode="reflect")
        x = F.elu(self.norm(self.first(x)))
        x = x + self.fourier(x)
        x = F.leaky_relu(self.inner(x), 0.2) * torch.tanh(x.mean((2, 3), keepdim=True))
        x = torch.cat([F.interpolate(x, scale_factor=2.0, mode="bilinear"), self.up(x)], 1)
        return torch.sigmoid(2 * self.last(x)).clamp(0, 1) * 255


@pytest.fixture(scope="module")
def network() -> Filler:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Filler().eval().requires_grad_(False)


def exported(network: Filler, path: Path, opset: int = 17) -> Path:
    """The network as a graph of one picture of `SIDE`."""
    network.fourier.by_matrices = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.rand(1, 3, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)),
                str(path),
                input_names=["image", "mask"],
                output_names=["output"],
                opset_version=opset,
                dynamo=False,
            )
    finally:
        network.fourier.by_matrices = False
    return path


@pytest.fixture(scope="module")
def path(network: Filler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        return exported(network, tmp_path_factory.mktemp("graph") / "filler.onnx")


@pytest.fixture
def image() -> Tensor:
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    return F.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 1)


@pytest.fixture
def hole() -> Tensor:
    hole = torch.zeros(1, 1, SIDE, SIDE)
    hole[..., 10:20, 12:22] = 1
    return hole


def backend_of(path: Path) -> OnnxBackend:
    return OnnxBackend(replace(info("lama-onnx"), size_rule=SizeRule(fixed=SIDE)), path, LAMA, "cpu")


def gradient(function: Callable[[Tensor, Tensor], Tensor], image: Tensor, hole: Tensor) -> Tensor:
    """Of a weighted sum of the output with respect to the picture."""
    image = image.clone().requires_grad_()
    output = function(image, hole)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return torch.autograd.grad((output * weights).sum(), image)[0]


def test_the_gradient_of_the_copy_is_that_of_the_exported_network(network, path, image, hole):
    copy = backend_of(path).with_gradients()
    expected = gradient(lambda x, mask: network(x * (1 - mask), mask) / 255, image, hole)
    found = gradient(copy, image, hole)
    assert expected.abs().max() > 1e-3
    assert (found - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("opset", [12, 13, 18, 20])
def test_graphs_of_older_and_newer_opsets_are_copied_too(network, tmp_path, image, hole, opset):
    with torch.random.fork_rng():
        copy = converted(exported(network, tmp_path / "filler.onnx", opset), ["image", "mask"], "output")
    assert torch.allclose(copy(image, hole), network(image, hole), atol=1e-3)


def test_contributions_through_the_copy_add_up_to_the_change_of_the_fill(path, image, hole):
    backend = backend_of(path)
    found = explain(backend.with_gradients(), image, hole, method="path-ig", tolerance_percent=1.0)
    assert found.converged
    assert found.error_percent is not None
    assert found.error_percent <= 1
    with torch.no_grad():
        fill = backend(image, hole)[0]
    inside = hole[0, 0] > 0
    right, down = fill[:, :-1, 1:] - fill[:, :-1, :-1], fill[:, 1:, :-1] - fill[:, :-1, :-1]
    whole = inside[:-1, :-1] & inside[:-1, 1:] & inside[1:, :-1]
    structure = (right**2 + down**2).sqrt().sum(0)[whole].sum().item()
    assert found.value_image == pytest.approx(structure, rel=0.01)


def test_a_copy_is_made_once_and_tells_what_it_is(path):
    backend = backend_of(path)
    assert isinstance(backend, Convertible)
    copy = backend.with_gradients()
    assert backend.with_gradients() is copy
    assert copy.info.differentiable
    assert not backend.info.differentiable
    assert copy.info.title == "a torch copy of its graph, equal to ONNX Runtime within 0.001 of 255 levels"


def test_a_batch_runs_through_a_graph_that_is_fixed_to_one_picture(path, image, hole):
    backend = backend_of(path)
    images, holes = torch.cat([image, 1 - image, image.flip(3)]), hole.expand(3, -1, -1, -1)
    assert torch.allclose(backend.with_gradients()(images, holes), backend(images, holes), atol=1e-5)
    assert gradient(backend.with_gradients(), images, holes).flatten(1).abs().amax(1).min() > 0


def test_a_copy_made_of_other_weights_is_not_trusted(path, tmp_path):
    there = tmp_path / "filler.onnx"
    there.write_bytes(path.read_bytes())
    backend = backend_of(there)
    model = onnx.load(there)
    kernel = next(one for one in model.graph.initializer if one.name == "last.weight")
    kernel.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(kernel) * np.float32(1.05), kernel.name))
    onnx.save(model, str(there))
    with pytest.raises(InputError, match=r"differs from ONNX Runtime by \d.* levels.*not trusted: use occlusion"):
        backend.with_gradients()


def test_an_operator_that_behaves_differently_is_not_trusted(path, monkeypatch):
    monkeypatch.setitem(onnx_torch.OPERATORS, "Elu", lambda _step, x: x.relu())
    with pytest.raises(InputError, match="not trusted"):
        backend_of(path).with_gradients()


def test_an_operator_that_fails_is_told_in_a_sentence(path, monkeypatch):
    monkeypatch.setitem(onnx_torch.OPERATORS, "Elu", lambda _step, x: x.view(5))
    with pytest.raises(InputError, match=r"its copy in torch fails \(.*use occlusion or rise\.$"):
        backend_of(path).with_gradients()


def test_an_attribute_without_a_counterpart_is_refused_by_name():
    inputs = [IMAGE, None, np.array([1, 1, 1.5, 1.5], np.float32)]
    copy = TorchGraph(one_node("Resize", inputs, {"mode": "cubic"}, 17), ["x0"], "y0")
    with pytest.raises(NotConvertible, match="Resize with mode = cubic"):
        copy(torch.from_numpy(IMAGE))


def test_the_random_state_is_left_as_it_was(path):
    backend = backend_of(path)
    before = torch.get_rng_state(), str(np.random.get_state())
    backend.with_gradients()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


def test_making_a_copy_is_stopped_when_asked(path):
    backend, monitor = backend_of(path), Monitor()
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        backend.with_gradients(monitor)
    assert backend.with_gradients().info.differentiable


def test_features_of_earlier_layers_are_not_kept_without_gradients():
    nodes = [helper.make_node("Relu", [f"x{i}"], [f"x{i + 1}"]) for i in range(30)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("x0", "x30")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:])
    copy = TorchGraph(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), ["x0"], "x30")
    made: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def count(_step: nn.Module, _inputs: tuple, output: Tensor) -> None:
        made.append(weakref.ref(output))
        alive.append(sum(one() is not None for one in made))

    for step in copy.steps:
        step.register_forward_hook(count)
    with torch.no_grad():
        copy(torch.rand(1, 3, 8, 8))
    assert max(alive) <= 3

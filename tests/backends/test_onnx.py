import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.devices import DeviceError
from inpaint_lens.backends.onnx import LAMA, OnnxBackend, usable_providers
from inpaint_lens.backends.protocol import Convertible
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import Cancelled, InputError, MissingError, WeightsError
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.size_rule import SizeRule
from onnx import ModelProto, TensorProto, helper, numpy_helper

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def model(nodes: list, inputs: list, output, constants: dict[str, np.ndarray]) -> ModelProto:
    """A checked model of one output, in the versions that the published graphs have."""
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", inputs, [output], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def lama_graph(names: tuple[str, str] = ("image", "mask"), layers: int = 0) -> ModelProto:
    """What LaMa's graph looks like: `output = image * 255 + 100 * mask`, after that many slow layers."""
    nodes, last = [], names[0]
    for layer in range(layers):
        nodes.append(helper.make_node("Conv", [last, "kernel"], [f"x{layer}"], pads=[8, 8, 8, 8]))
        last = f"x{layer}"
    nodes += [
        helper.make_node("Mul", [last, "full"], ["bright"]),
        helper.make_node("Mul", [names[1], "mark"], ["marked"]),
        helper.make_node("Add", ["bright", "marked"], ["output"]),
    ]
    tensors = [
        helper.make_tensor_value_info(name, FLOAT, [1, channels, 512, 512])
        for name, channels in ((names[0], 3), (names[1], 1))
    ]
    constants = {"full": number(255), "mark": number(100)}
    if layers:
        constants["kernel"] = np.full((3, 3, 17, 17), 1 / 867, np.float32)
    return model(nodes, tensors, helper.make_tensor_value_info("output", FLOAT, [1, 3, 512, 512]), constants)


def migan_graph() -> ModelProto:
    """What MI-GAN's pipeline looks like, any size, bytes: `result = image * (mask / 255) + 77 * (1 - mask / 255)`."""
    cast, call = helper.make_node, helper.make_node
    nodes = [
        cast("Cast", ["image"], ["i"], to=FLOAT),
        cast("Cast", ["mask"], ["m"], to=FLOAT),
        call("Div", ["m", "full"], ["known"]),
        call("Sub", ["one", "known"], ["unknown"]),
        call("Mul", ["i", "known"], ["kept"]),
        call("Mul", ["unknown", "mark"], ["marked"]),
        call("Add", ["kept", "marked"], ["sum"]),
        cast("Cast", ["sum"], ["result"], to=UINT8),
    ]
    size = ["n", None, "h", "w"]
    tensors = [
        helper.make_tensor_value_info("image", UINT8, [size[0], 3, *size[2:]]),
        helper.make_tensor_value_info("mask", UINT8, [size[0], 1, *size[2:]]),
    ]
    constants = {"full": number(255), "one": number(1), "mark": number(77)}
    return model(nodes, tensors, helper.make_tensor_value_info("result", UINT8, ["n", 3, "h", "w"]), constants)


@pytest.fixture
def large() -> tuple[torch.Tensor, torch.Tensor]:
    """Picture and hole of LaMa's fixed size."""
    image = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(1, 1, 512, 512)
    hole[..., 100:200, 300:350] = 1
    return image, hole


def test_lama_gets_zero_to_one_with_one_in_the_hole_and_gives_zero_to_255(stand_in, large):
    stand_in("lama-onnx", lama_graph())
    image, hole = large
    output = load("lama-onnx", "cpu")(image, hole)
    assert output.dtype == torch.float32
    assert torch.allclose(output, image * (1 - hole) + hole * (100 / 255), atol=1e-6)


def test_lama_runs_the_pictures_of_a_batch_one_by_one(stand_in, large):
    stand_in("lama-onnx", lama_graph())
    image, hole = large
    output = load("lama-onnx", "cpu")(torch.cat([image, 1 - image]), torch.cat([hole, hole]))
    assert torch.allclose(output[1:], (1 - image) * (1 - hole) + hole * (100 / 255), atol=1e-6)


def test_migan_gets_bytes_with_255_where_known_and_zero_in_the_hole(stand_in, image, hole, exclude):
    stand_in("migan", migan_graph())
    output = load("migan", "cpu")(image, hole, exclude=exclude)
    hidden = torch.maximum(hole, exclude)
    rounded = (image * 255).round() / 255
    assert torch.allclose(output, rounded * (1 - hidden) + hidden * (77 / 255), atol=1e-6)


def test_migan_takes_any_size(stand_in):
    stand_in("migan", migan_graph())
    hole = torch.zeros(1, 1, 33, 57)
    hole[..., 5, 6] = 1
    assert load("migan", "cpu")(torch.zeros(1, 3, 33, 57), hole).sum() == pytest.approx(3 * 77 / 255)


def test_what_is_hidden_does_not_reach_the_graph(stand_in, image, hole):
    stand_in("migan", migan_graph())
    backend = load("migan", "cpu")
    assert torch.equal(backend(image, hole), backend(torch.where(hole > 0, 1 - image, image), hole))


def test_a_graph_with_other_names_is_told_with_what_was_expected(stand_in):
    stand_in("lama-onnx", lama_graph(("picture", "mask")))
    with pytest.raises(WeightsError, match=r"inputs \['mask', 'picture'\].*expected \['image', 'mask'\]"):
        load("lama-onnx", "cpu")


def test_a_graph_of_other_types_is_told_when_it_is_run(stand_in, image, hole):
    path = stand_in("migan", migan_graph())
    backend = OnnxBackend(info("lama-onnx"), path, LAMA.__class__(("image", "mask"), "result", LAMA.convention), "cpu")
    with pytest.raises(WeightsError, match="does not take this input"):
        backend(image, hole)


def test_a_damaged_graph_is_told_in_a_sentence(stand_in):
    path = stand_in("migan", migan_graph())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match="no ONNX graph"):
        load("migan", "cpu")


def test_a_provider_that_is_not_here_is_no_silent_step_back_to_the_cpu(stand_in):
    path = stand_in("migan", migan_graph())
    if "CUDAExecutionProvider" in usable_providers():
        pytest.skip("this machine has CUDA")
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(DeviceError, match="cannot use cuda"):
        OnnxBackend(info("migan"), path, LAMA, "cuda")


def test_missing_weights_are_told_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="inpaint-lens download migan"):
        load("migan", "cpu")


def test_a_run_is_stopped_in_the_middle(stand_in, large):
    stand_in("lama-onnx", lama_graph(layers=400))
    backend, monitor = load("lama-onnx", "cpu"), Monitor()
    timer = threading.Timer(0.2, monitor.token.cancel)
    timer.start()
    start = time.perf_counter()
    with pytest.raises(Cancelled):
        backend(*large, monitor=monitor)
    stopped = time.perf_counter() - start
    timer.join()
    assert stopped >= 0.2
    assert threading.active_count() < 20


def test_the_cpu_is_always_usable():
    assert "CPUExecutionProvider" in usable_providers()


def without_gradients(path: Path, nodes: list, opset: int = 17, **constants: np.ndarray) -> OnnxBackend:
    """A backend of any size whose graph makes `output` of `image` and `mask`."""
    tensors = [
        helper.make_tensor_value_info(name, FLOAT, [1, channels, "h", "w"])
        for name, channels in (("image", 3), ("mask", 1), ("output", 3))
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", tensors[:2], tensors[2:], weights)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path / "graph.onnx"))
    facts = replace(info("lama-onnx"), size_rule=SizeRule(minimum=16, multiple_of=4))
    return OnnxBackend(facts, path / "graph.onnx", LAMA, "cpu")


def test_gradients_flow_through_a_copy_of_the_graph(stand_in, large):
    stand_in("lama-onnx", lama_graph())
    image, hole = large
    backend = load("lama-onnx", "cpu")
    assert isinstance(backend, Convertible)
    image.requires_grad_()
    output = backend.with_gradients()(image, hole)
    assert torch.allclose(output, backend(image, hole), atol=1e-6)
    output.sum().backward()
    assert torch.equal(image.grad, (1 - hole).expand(1, 3, -1, -1))


def test_operators_without_a_counterpart_are_refused_by_name(tmp_path):
    nodes = [
        helper.make_node("Asinh", ["image"], ["a"]),
        helper.make_node("Celu", ["a"], ["b"]),
        helper.make_node("QuickGelu", ["b"], ["output"], domain="com.microsoft"),
    ]
    with pytest.raises(InputError, match=r"lama-onnx has no gradients.*uses Asinh, Celu, com.microsoft.QuickGelu"):
        without_gradients(tmp_path, nodes).with_gradients()


def test_what_only_another_output_needs_is_not_asked_for(tmp_path):
    nodes = [helper.make_node("Asinh", ["image"], ["other"]), helper.make_node("Relu", ["image"], ["output"])]
    assert without_gradients(tmp_path, nodes).with_gradients().info.differentiable


@pytest.mark.parametrize("operator", ["Round", "Floor", "Cast"])
def test_rounding_the_picture_has_no_gradient_to_show(tmp_path, operator):
    to: dict[str, Any] = {"to": TensorProto.INT32} if operator == "Cast" else {}
    nodes = [
        helper.make_node("Mul", ["image", "many"], ["large"]),
        helper.make_node(operator, ["large"], ["rounded"], **to),
        helper.make_node("Cast", ["rounded"], ["output"], to=FLOAT),
    ]
    with pytest.raises(InputError, match=f"operator {operator} rounds values of the picture.*use occlusion"):
        without_gradients(tmp_path, nodes, many=number(9)).with_gradients()


def test_a_graph_that_does_not_look_at_the_picture_has_no_gradients(tmp_path):
    nodes = [helper.make_node("Concat", ["mask", "mask", "mask"], ["output"], axis=1)]
    with pytest.raises(InputError, match="no gradient flows"):
        without_gradients(tmp_path, nodes).with_gradients()


def test_graphs_of_very_old_opsets_have_no_gradients(tmp_path):
    with pytest.raises(InputError, match="opset 9"):
        without_gradients(tmp_path, [helper.make_node("Relu", ["image"], ["output"])], 9).with_gradients()


def test_a_graph_of_bytes_has_no_gradients(stand_in):
    stand_in("migan", migan_graph())
    backend = load("migan", "cpu")
    assert isinstance(backend, Convertible)
    with pytest.raises(InputError, match=r"^migan has no gradients, since it takes and gives whole bytes.*occlusion"):
        backend.with_gradients()


def test_a_copy_that_gives_no_numbers_is_not_trusted(tmp_path):
    backend = without_gradients(tmp_path, [helper.make_node("Log", ["image"], ["output"])])
    with pytest.raises(InputError, match="differs from ONNX Runtime by nan"):
        backend.with_gradients()


def test_without_the_package_onnx_the_extra_is_named(tmp_path, monkeypatch):
    backend = without_gradients(tmp_path, [helper.make_node("Relu", ["image"], ["output"])])
    monkeypatch.delitem(sys.modules, "inpaint_lens.backends.onnx_torch", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingError, match=r"pip install 'inpaint-lens\[onnx\]'"):
        backend.with_gradients()

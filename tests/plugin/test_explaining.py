import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.custom import CustomBackend
from inpaint_lens.backends.onnx import LAMA, OnnxBackend
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.box import Box
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.size_rule import SizeRule
from inpaint_lens.imaging.window import Window
from inpaint_lens.plugin import views
from inpaint_lens.plugin.explaining import explain
from inpaint_lens.plugin.filling import fill
from inpaint_lens.plugin.request import ExplainOptions, FillOptions, Target
from onnx import TensorProto, helper, numpy_helper

FEW = ExplainOptions(steps=4)


def test_a_network_that_ignores_its_hole_owes_it_nothing(picture, hole, toy):
    explanation = explain(fill(picture, hole, toy(), FillOptions()), FEW)
    inside = hole.mask[explanation.box.slices]
    assert not explanation.signed[inside].any()
    assert explanation.magnitude.sum() > 0
    assert not (explanation.region & inside).any()


def test_a_constant_network_owes_nothing_to_anything(picture, hole, toy):
    backend = toy(SizeRule(), lambda image, hole: image * 0 + 0.5)
    explanation = explain(fill(picture, hole, backend, FillOptions()), FEW)
    assert not explanation.signed.any()
    assert not explanation.region.any()


def test_excluded_pixels_have_no_share(picture, hole, toy):
    exclude = np.zeros((72, 96), bool)
    exclude[20:60, 62:96] = True
    explanation = explain(fill(picture, hole, toy(), FillOptions(), exclude), FEW)
    assert not explanation.signed[exclude[explanation.box.slices]].any()


@pytest.mark.parametrize("multiple_of", [1, 64])
def test_the_map_of_a_scaled_window_lies_on_the_picture_and_keeps_its_sum(toy, multiple_of):
    rng = np.random.default_rng(0)
    picture = Picture.from_array(rng.integers(0, 255, (150, 170, 3)).astype(np.uint8))
    mask = np.zeros((150, 170), bool)
    mask[50:101, 60:111] = True
    rule = SizeRule(largest=64, multiple_of=multiple_of)
    explanation = explain(fill(picture, Hole(mask), toy(rule), FillOptions(feather_px=2)), FEW)
    ((view, part),) = explanation.parts
    assert view.window.factor < 1
    assert explanation.signed.shape == explanation.box.size == view.window.box.size
    scaled = part.signed[: view.window.scaled[0], : view.window.scaled[1]]
    assert explanation.signed.sum(dtype=np.float64) == pytest.approx(scaled.sum(dtype=np.float64), rel=1e-3, abs=1e-3)
    inside = mask[explanation.box.slices]
    assert not explanation.signed[inside].any()
    assert not (explanation.region & inside).any()
    assert explanation.region_in((150, 170)).shape == (150, 170)


def test_several_windows_make_one_map_and_a_region_outside_of_the_hole(toy):
    rng = np.random.default_rng(0)
    picture = Picture.from_array(rng.integers(0, 255, (40, 200, 3)).astype(np.uint8))
    mask = np.zeros((40, 200), bool)
    mask[20:23, 10:190] = True
    explanation = explain(fill(picture, Hole(mask), toy(SizeRule(largest=64)), FillOptions(feather_px=0)), FEW)
    assert len(explanation.parts) > 2
    assert explanation.box.size == (40, 200)
    assert not (explanation.region & mask).any()
    assert explanation.region.any()
    assert explanation.sentence.startswith("Window 1 of")


def test_of_many_windows_only_a_few_are_put_into_words(picture, hole, toy):
    explanation = explain(fill(picture, hole, toy(), FillOptions()), FEW)
    many = replace(explanation, parts=explanation.parts * 9)
    assert many.sentence.count("Window ") == 3
    assert many.sentence.endswith("The report tells the same of 6 more.")
    assert len(many.report()["windows"]) == 9


def test_a_target_needs_only_the_windows_that_filled_it(toy):
    picture = Picture.from_array(np.random.default_rng(0).integers(0, 255, (40, 200, 3)).astype(np.uint8))
    mask = np.zeros((40, 200), bool)
    mask[20:23, 10:190] = True
    filling = fill(picture, Hole(mask), toy(SizeRule(largest=64)), FillOptions(feather_px=0))
    explanation = explain(filling, ExplainOptions(steps=4, target=Target(16, 21, 8)))
    assert len(explanation.parts) == 1
    assert explanation.target.sum() == 3 * 8


def test_a_target_outside_of_the_hole_is_refused_with_where_the_hole_is(picture, hole, toy):
    filling = fill(picture, hole, toy(), FillOptions())
    for target in (Target(5, 5, 8), Target(500, 500, 8)):
        with pytest.raises(InputError, match=r"columns 40 to 59, rows 30 to 43"):
            explain(filling, ExplainOptions(target=target))


def test_a_backend_without_gradients_is_explained_by_occlusion_only(picture, hole):
    filling = fill(picture, hole, load("telea"), FillOptions())
    with pytest.raises(InputError, match=r"telea has no gradients.*occlusion"):
        explain(filling, FEW)
    explanation = explain(filling, ExplainOptions(method="occlusion", steps=12))
    assert explanation.magnitude.sum() > 0
    assert not explanation.signed[hole.mask[explanation.box.slices]].any()


@pytest.mark.parametrize("method", ["path-ig", "gradient", "integrated-gradients", "occlusion"])
def test_every_method_gives_a_report_of_plain_numbers(picture, hole, toy, method):
    explanation = explain(fill(picture, hole, toy(), FillOptions()), ExplainOptions(method=method, steps=9))
    report = json.loads(json.dumps(explanation.report(), allow_nan=False))
    assert report["method"] == method
    assert report["evaluations"] > 0
    assert report["sentence"] == explanation.sentence
    assert report["windows"][0]["place"] == {"top": 0, "left": 0, "height": 72, "width": 96}


def test_the_exact_integral_of_a_linear_fill_is_within_the_tolerance(picture, hole, toy):
    explanation = explain(fill(picture, hole, toy(), FillOptions()), ExplainOptions())
    ((_, part),) = explanation.parts
    assert part.converged
    assert part.error_percent is not None
    assert part.error_percent <= 1
    change = part.value_image - (part.value_baseline or 0.0)
    assert explanation.signed.sum() == pytest.approx(change, rel=0.0101)


@pytest.mark.parametrize("smooth", ["mean", "gaussian", "median"])
def test_smoothing_is_for_the_eye_only(picture, hole, toy, smooth):
    filling = fill(picture, hole, toy(), FillOptions())
    plain, smoothed = explain(filling, FEW), explain(filling, ExplainOptions(steps=4, smooth=smooth))
    assert np.array_equal(plain.signed, smoothed.signed)
    assert np.array_equal(plain.region, smoothed.region)
    assert not np.array_equal(plain.magnitude, smoothed.magnitude)


def test_cancelling_in_the_middle_stops_the_explanation(picture, hole, toy):
    monitor, backend = Monitor(), toy()
    filling = fill(picture, hole, backend, FillOptions())
    calls = []

    def function(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        calls.append(len(image))
        monitor.token.cancel()
        return image

    backend.function = function
    with pytest.raises(Cancelled):
        explain(filling, ExplainOptions(method="occlusion", steps=64), monitor)
    assert len(calls) == 1


def test_cancelling_stops_a_network_between_its_layers(picture, hole):
    backend = load("lens-small", "cpu")
    filling = fill(picture, hole, backend, FillOptions())
    monitor = Monitor()
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        explain(filling, FEW, monitor)


def test_the_region_given_as_exclude_keeps_its_pixels_and_changes_the_fill(picture, hole, toy):
    filling = fill(picture, hole, toy(), FillOptions(feather_px=5))
    region = explain(filling, FEW).region_in((72, 96))
    again = fill(picture, hole, toy(), FillOptions(feather_px=5), region)
    assert np.array_equal(again.picture.pixels[region], picture.pixels[region])
    assert not np.array_equal(again.picture.pixels[hole.mask], filling.picture.pixels[hole.mask])


def test_a_sliver_in_one_window_does_not_keep_the_rest_from_being_explained(monkeypatch):
    picture = Picture.from_array(np.random.default_rng(0).random((64, 160, 3)).astype(np.float32))
    mask = np.zeros((64, 160), bool)
    mask[20:30, 20:30] = True
    mask[40:41, 130:150] = True
    backend = CustomBackend(lambda image, hole: image.mean(3, keepdim=True) * image.roll(20, 3) ** 2)
    monkeypatch.setattr(views, "windows_for", two_windows)
    filled = fill(picture, Hole(mask), backend, FillOptions(backend="custom", feather_px=0))
    assert len(filled.views) == 2
    found = explain(filled, ExplainOptions(steps=4))
    assert len(found.parts) == 1
    assert found.report()["windows_left_out"] == 1


def two_windows(_hidden, _parts, rule, _context):
    left, right = Box(0, 0, 64, 80), Box(0, 80, 64, 80)
    return [Window.of(box, box, rule) for box in (left, right)]


def test_the_region_can_be_hidden_to_see_whether_it_matters(picture, hole, toy):
    filling = fill(picture, hole, toy(), FillOptions())
    explanation = explain(filling, replace(FEW, test=True))
    (tested,) = explanation.tests
    assert tested.change > np.mean(tested.elsewhere)
    assert "changes by" in explanation.sentence
    assert explanation.report()["exclusion_tests"][0]["change"] == tested.change


def test_a_backend_that_draws_lots_tells_what_the_seed_alone_changes(picture, hole, toy):
    def noisy(image, hole):
        return image + torch.rand(image.shape) * 0.1

    backend = toy(SizeRule(), noisy)
    assert explain(fill(picture, hole, backend, FillOptions()), FEW).spread is None
    backend.info = replace(backend.info, stochastic=True)
    explanation = explain(fill(picture, hole, backend, FillOptions()), FEW)
    assert explanation.spread == pytest.approx(255 * 0.1 / 3, rel=0.2)
    assert "Another seed alone" in explanation.sentence


def smear(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """A wide blur and its square."""
    blurred = torch.nn.functional.conv2d(image, smear_kernel(), padding=14, groups=3)
    return blurred + blurred * blurred


def smear_kernel() -> torch.Tensor:
    x = torch.arange(-14.0, 15)
    row = torch.exp(-((x - 3) ** 2) / 40)
    kernel = row[:, None] * row
    return (kernel / kernel.sum()).expand(3, 1, 29, 29)


@pytest.fixture
def graph(folder) -> Callable[..., OnnxBackend]:
    """`smear` as an ONNX backend, with another operator on top of it if one is named."""

    def make(last: str = "Identity") -> OnnxBackend:
        nodes = [
            helper.make_node("Conv", ["image", "kernel"], ["blurred"], group=3, pads=[14, 14, 14, 14]),
            helper.make_node("Mul", ["blurred", "blurred"], ["square"]),
            helper.make_node("Add", ["blurred", "square"], ["sum"]),
            helper.make_node("Mul", ["sum", "full"], ["bright"]),
            helper.make_node(last, ["bright"], ["output"]),
        ]
        image, mask, output = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "h", "w"])
            for name, channels in (("image", 3), ("mask", 1), ("output", 3))
        )
        arrays = {"kernel": smear_kernel().numpy(), "full": np.array(255, np.float32)}
        weights = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        made = helper.make_graph(nodes, "graph", [image, mask], [output], weights)
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=8), str(folder / "graph.onnx"))
        facts = replace(info("lama-onnx"), size_rule=SizeRule())
        return OnnxBackend(facts, folder / "graph.onnx", LAMA, "cpu")

    return make


def test_a_graph_is_explained_by_gradients_as_the_same_function_in_torch_is(picture, hole, toy, graph):
    filling = fill(picture, hole, graph(), FillOptions())
    explanation = explain(filling, ExplainOptions())
    same = explain(fill(picture, hole, toy(SizeRule(), smear), FillOptions()), ExplainOptions())
    assert np.abs(same.signed).max() > 0
    assert np.allclose(explanation.signed, same.signed, atol=1e-4 * np.abs(same.signed).max())
    assert all(part.converged for _, part in explanation.parts)
    assert filling.backend.info.differentiable is False


def test_an_explanation_through_a_copy_says_so(picture, hole, toy, graph):
    explanation = explain(fill(picture, hole, graph(), FillOptions()), FEW)
    told = r"Explained through a torch copy of its graph, equal to ONNX Runtime within 0\.00\d of 255 levels\."
    assert re.fullmatch(told, explanation.note)
    assert explanation.note in explanation.sentence
    assert explanation.report()["note"] == explanation.note
    assert explain(fill(picture, hole, toy(), FillOptions()), FEW).report()["note"] == ""


def test_only_gradients_are_asked_of_the_copy(picture, hole, graph, monkeypatch):
    backend = graph()
    asked: list[None] = []
    run = backend._run
    monkeypatch.setattr(backend, "_run", lambda *given: asked.append(None) or run(*given))
    filling = fill(picture, hole, backend, FillOptions())
    backend.with_gradients()
    asked.clear()
    explain(filling, replace(FEW, test=True))
    assert asked
    monkeypatch.setattr(backend, "with_gradients", lambda _monitor=None: pytest.fail("a copy was asked for"))
    assert explain(filling, ExplainOptions(method="occlusion", steps=12)).note == ""


def test_a_graph_that_cannot_be_copied_is_told_by_its_operator(picture, hole, graph):
    filling = fill(picture, hole, graph("Asinh"), FillOptions())
    with pytest.raises(InputError, match=r"uses Asinh, which has no counterpart here: use occlusion or rise"):
        explain(filling, FEW)
    assert explain(filling, ExplainOptions(method="occlusion", steps=12)).magnitude.sum() > 0

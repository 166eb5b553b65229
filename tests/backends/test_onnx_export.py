import numpy as np
import onnxruntime as ort
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.lens_small import GuidedCopies
from inpaint_lens.backends.network import NetworkBackend
from inpaint_lens.backends.onnx_export import export
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import InputError
from torch import Tensor, nn


def test_the_graph_of_lens_small_makes_of_another_picture_what_its_network_makes(tmp_path, image, hole):
    backend = load("lens-small", "cpu")
    assert isinstance(backend, GuidedCopies)
    assert export(backend, tmp_path / "small.onnx", 64) < 1e-4
    session = ort.InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    made = np.asarray(session.run(["fill"], {"image": image.numpy(), "hole": hole.numpy()})[0])
    with torch.no_grad():
        assert np.allclose(made, backend.network.module(image, hole).numpy(), atol=1e-4)


class Chance(nn.Module):
    """A layer that does something else at each call."""

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return image + torch.rand_like(image) * hole


def test_a_graph_that_fills_differently_is_not_written(tmp_path):
    backend = NetworkBackend(info("lens-small"), Chance(), "cpu")
    with pytest.raises(InputError, match="fills differently"):
        export(backend, tmp_path / "chance.onnx", 32)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "file", "side", "words"),
    [
        ("telea", "graph.onnx", 64, "telea is no torch network"),
        ("lens-small", "graph.pt", 64, "end in .onnx"),
        ("lens-small", "graph.onnx", 70, "try --side 96"),
    ],
)
def test_what_cannot_be_exported_is_told_before_anything_is_written(tmp_path, name, file, side, words):
    with pytest.raises(InputError, match=words):
        export(load(name, "cpu"), tmp_path / file, side)
    assert not list(tmp_path.iterdir())
